"""Where may a request go?

A pod's author chooses the image, and with it a host that the webhook talks to: the registry, the realm of its tokens,
whatever it redirects to. Each of them comes through here. A name is resolved once, and the connection goes to an
address that was looked at: a name that changes its mind in between (DNS rebinding) changes nothing.
"""

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from webhook.entrypoint.errors import UnreachableError
from webhook.entrypoint.hosts import matches_any, with_companions
from webhook.entrypoint.settings import EntrypointSettings

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Sequence[str]]

# Whoever is asked there gives credentials of the node or of us. Never allowed, not even where a setting names the host.
# GKE and AWS, both families; Alibaba; Azure's wire server.
_METADATA = frozenset(
    map(
        ipaddress.ip_address,
        ("169.254.169.254", "fd20:ce::254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16"),
    )
)
_METADATA_NAMES = frozenset({"metadata.google.internal", "metadata.goog", "metadata", "instance-data"})
# RFC 6052: the IPv4 address stands in the last 32 bits.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_ADDRESSES_TRIED = 4
_PORTS = {"https": 443, "http": 80}
_URL = re.compile(r"[!-~]{1,4096}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A host that may be asked, and where it is."""

    scheme: str
    name: str
    """Without port, without the brackets of an IPv6 address."""
    port: int
    registry: str
    """HOST[:PORT] as settings and credentials name it."""
    addresses: tuple[str, ...]
    target: str
    """Path and query."""


class Guard:
    """Lets through what the operator's settings allow."""

    def __init__(self, settings: EntrypointSettings, *, resolve: Resolve, allow_local: bool = False) -> None:
        """`resolve` raises OSError. `allow_local`: whoever chooses the images owns this machine."""
        self._allow = with_companions(settings.registry_allow)
        self._insecure = settings.registry_insecure
        self._local = settings.registry_local
        self._allow_local = allow_local
        self._resolve = resolve

    def scheme(self, registry: str) -> str:
        """How a registry is spoken to."""
        return "http" if matches_any(self._insecure, registry) else "https"

    def admit(self, url: str) -> Destination:
        """The way to this URL. Raises `UnreachableError`, which says what the operator can set."""
        scheme, name, port, target = _parts(url)
        host = f"[{name}]" if ":" in name else name
        registry = host if port == _PORTS[scheme] else f"{host}:{port}"
        if scheme == "http" and not matches_any(self._insecure, registry):
            raise UnreachableError(
                f"{registry} would be asked over plain HTTP: give --registry-insecure={registry} if that is meant"
            )
        if self._allow and not matches_any(self._allow, registry):
            raise UnreachableError(f"{registry} is not among the registries that --registry-allow names: add it there")
        return Destination(
            scheme=scheme,
            name=name,
            port=port,
            registry=registry,
            addresses=self._addresses(name, port, registry),
            target=target,
        )

    def _addresses(self, name: str, port: int, registry: str) -> tuple[str, ...]:
        if name.rstrip(".") in _METADATA_NAMES:
            raise UnreachableError(f"{registry} is a cloud's metadata server, no registry")
        try:
            found = tuple(dict.fromkeys(self._resolve(name, port)))
        except OSError as exc:
            raise UnreachableError(f"{registry}: no address: {exc.strerror or 'the name is not known'}") from exc
        is_local_allowed = self._allow_local or matches_any(self._local, registry)
        reasons = {address: why_forbidden(address, is_local_allowed=is_local_allowed) for address in found}
        allowed = tuple(address for address, reason in reasons.items() if not reason)
        if allowed:
            return allowed[:_ADDRESSES_TRIED]
        address, reason = next(iter(reasons.items()), ("nowhere", "no address"))
        raise UnreachableError(f"{registry} is at {address}, which is {reason}")


def why_forbidden(text: str, *, is_local_allowed: bool) -> str:
    """Why no request goes to this address; "" if one may. Pure."""
    address = _embedded(ipaddress.ip_address(text.partition("%")[0]))
    if address in _METADATA:
        return "a cloud's metadata server"
    if address.is_unspecified or address.is_multicast or (address.is_reserved and not address.is_loopback):
        return "no host's address"
    if (address.is_loopback or address.is_link_local) and not is_local_allowed:
        kind = "loopback" if address.is_loopback else "link-local"
        return f"{kind}: give --registry-local=HOST if that is meant"
    return ""


def resolve(name: str, port: int) -> Sequence[str]:
    """The system's answer. Raises OSError."""
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except UnicodeError as exc:  # the idna codec's, for labels over 63 characters
        raise OSError(0, "the name is not valid") from exc
    return [str(address[0]) for *_, address in found]


def _embedded(address: _Address) -> _Address:
    """The IPv4 address that an IPv6 address leads to, else itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else address)


def _parts(url: str) -> tuple[str, str, int, str]:
    """Scheme, name, port, and path with query. Raises `UnreachableError`."""
    try:
        parts = urlsplit(url if _URL.fullmatch(url) else "")
        name, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        name, port, parts = "", None, urlsplit("")
    if parts.scheme not in _PORTS or not name or "@" in parts.netloc or "\\" in url:
        raise UnreachableError("it sends us to something that is no https:// address")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parts.scheme, name, port if port is not None else _PORTS[parts.scheme], target
