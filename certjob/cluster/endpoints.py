"""Which replicas stand behind the Service, and which Service is it? From EndpointSlices alone.

Pure. https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/ has the meaning of the conditions.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from certjob.cluster.secret import Owner
from certjob.errors import EndpointPortError

Object = dict[str, Any]
SERVICE_NAME = "kubernetes.io/service-name"
_HTTPS = "https"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A replica."""

    address: str
    port: int
    pod: str
    """Its Pod's name; "" where the slice names none."""
    serving: bool
    """Whether it is to get requests."""
    terminating: bool = False
    """It has been told to stop, and until every node knows it still gets some."""

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.port}" + (f" (pod {self.pod})" if self.pod else "")


def read_endpoints(slices: Iterable[Object], service: str) -> tuple[Endpoint, ...]:
    """Every replica, each once, in a fixed order. Raises EndpointPortError."""
    found: dict[tuple[str, int], Endpoint] = {}
    for one in slices:
        endpoints = one.get("endpoints") or ()
        if not endpoints:
            continue
        port = _port(one, service)
        for endpoint in endpoints:
            ready = _condition(endpoint, "ready", otherwise=True)
            terminating = _condition(endpoint, "terminating")
            serving = _condition(endpoint, "serving", otherwise=ready) and not terminating
            pod = (endpoint.get("targetRef") or {}).get("name", "")
            for address in endpoint["addresses"]:
                # While one moves from slice to slice it may be in both.
                known = found.get((address, port))
                found[address, port] = Endpoint(
                    address=address,
                    port=port,
                    pod=pod,
                    serving=serving or bool(known and known.serving),
                    terminating=terminating,
                )
    return tuple(found[key] for key in sorted(found))


def read_owner(slices: Iterable[Object], service: str) -> Owner | None:
    """The Service by which the slices are owned; None where they do not agree, as just after it was made anew."""
    references = [reference for one in slices for reference in one["metadata"].get("ownerReferences") or ()]
    uids = {one["uid"] for one in references if (one.get("kind"), one.get("name")) == ("Service", service)}
    return Owner(name=service, uid=uids.pop()) if len(uids) == 1 else None


def _port(one: Object, service: str) -> int:
    """The only TCP port, else the one that is called https."""
    ports = [port for port in one.get("ports") or () if port.get("protocol", "TCP") == "TCP" and port.get("port")]
    chosen = ports if len(ports) == 1 else [port for port in ports if port.get("name") == _HTTPS]
    if len(chosen) != 1:
        names = ", ".join(f"{port.get('name') or 'without a name'} ({port['port']})" for port in ports) or "none"
        raise EndpointPortError(
            f"Service {service}: which port answers the API server? Its endpoints have {names}: name one of them https"
        )
    return int(chosen[0]["port"])


def _condition(endpoint: Object, name: str, *, otherwise: bool = False) -> bool:
    value = (endpoint.get("conditions") or {}).get(name)
    return otherwise if value is None else bool(value)
