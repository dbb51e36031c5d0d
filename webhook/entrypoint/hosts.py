"""Which registry is meant by a pattern?

Pure: Kubernetes' rule for pull secrets (kubernetes.io/docs/concepts/containers/images), which operators know: label by
label, `*` stands within one label, the port is the same, and so is the beginning of the path.
"""

from fnmatch import fnmatchcase

from webhook.entrypoint.image_name import DOCKER_HUB

API_HOSTS = {DOCKER_HUB: "registry-1.docker.io"}
# What Docker Hub needs besides: docs.docker.com/desktop/setup/allow-list/
_HUB_HOSTS = (
    "registry-1.docker.io",
    "auth.docker.io",
    "production.cloudflare.docker.com",
    "*.r2.cloudflarestorage.com",
)


def matches(pattern: str, registry: str, repository: str = "") -> bool:
    """Whether HOST[:PORT][/PATH] with wildcards means this registry and repository."""
    pattern_host, _, path = pattern.partition("/")
    pattern_name, pattern_port = split_port(pattern_host)
    name, port = split_port(registry)
    wanted, found = pattern_name.lower().split("."), name.lower().split(".")
    return (
        pattern_port == port
        and len(wanted) == len(found)
        and all(fnmatchcase(label, _glob(part)) for part, label in zip(wanted, found, strict=True))
        and repository.startswith(path)
    )


def matches_any(patterns: tuple[str, ...], registry: str) -> bool:
    """Whether one of them does."""
    return any(matches(pattern, registry) for pattern in patterns)


def _glob(part: str) -> str:
    """The [ of an IPv6 address is itself; no registry has a set of characters in its name."""
    return part.replace("[", "[[]")


def with_companions(patterns: tuple[str, ...]) -> tuple[str, ...]:
    """Allowing docker.io allows where its tokens and blobs are."""
    return (*patterns, *(_HUB_HOSTS if DOCKER_HUB in patterns else ()))


def split_port(host: str) -> tuple[str, str]:
    """Name and port; "" where none is written."""
    name, colon, port = host.rpartition(":")
    if not colon or not port.isdigit():  # an IPv6 address ends with ]
        return host, ""
    return name, port
