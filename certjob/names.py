"""Under which names is the webhook reached?

Pure. The API server calls SERVICE.NAMESPACE.svc
(https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#service-reference).
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

from certjob.errors import NameFormError

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
# X.520's upper bound of a common name (RFC 5280, appendix A.1, ub-common-name).
COMMON_NAME_LONGEST = 64
# RFC 1035: 63 of a label, 253 of a name.
_DNS_LONGEST = 253
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_LABEL_FORM = "1 to 63 of a-z, 0-9 and -, with a letter or digit at both ends"


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The subject alternative names of a serving certificate, in the order in which they are written."""

    dns: tuple[str, ...]
    ips: tuple[IPAddress, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """All names as texts."""
        return (*self.dns, *map(str, self.ips))


def serving_names(*, service: str, namespace: str, also: Sequence[str] = (), sans: Sequence[str] = ()) -> Names:
    """The Service's four names in the cluster, those of others that serve with its certificate, then the extra ones.

    Each once. Raises NameFormError.
    """
    flagged = [("--service", service), ("--namespace", namespace), *(("--also-service", name) for name in also)]
    for flag, value in flagged:
        if not _LABEL.fullmatch(value):
            raise NameFormError(f"{flag} {value!r} is not valid; expected {_LABEL_FORM}")
    bases = [(name, f"{name}.{namespace}") for name in (service, *also)]
    dns: dict[str, None] = dict.fromkeys(
        text for name, base in bases for text in (name, base, f"{base}.svc", f"{base}.svc.cluster.local")
    )
    ips: dict[IPAddress, None] = {}
    for san in sans:
        found = _parse_san(san)
        if isinstance(found, str):
            dns[found] = None
        else:
            ips[found] = None
    return Names(dns=tuple(dns), ips=tuple(ips))


def server_name(*, service: str, namespace: str) -> str:
    """The one of them that the API server asks for."""
    return f"{service}.{namespace}.svc"


def common_name(*, service: str, namespace: str) -> str:
    """The name for people's eyes; clients look at the SANs only, so it may be cut."""
    return server_name(service=service, namespace=namespace)[:COMMON_NAME_LONGEST].rstrip(".-")


def _parse_san(san: str) -> str | IPAddress:
    """An IP address, or a DNS name that may begin with one wildcard label. Names beyond ASCII are given as xn--…."""
    try:
        return ipaddress.ip_address(san)
    except ValueError:
        pass
    name = san.lower()
    labels = name.removeprefix("*.").split(".")
    if len(name) > _DNS_LONGEST or not all(_LABEL.fullmatch(label) for label in labels) or labels[-1].isdigit():
        raise NameFormError(
            f"--san {san!r} is not valid; expected an IP address, or a DNS name such as webhook.example.com"
            f" or *.example.com, without scheme and port"
        )
    return name
