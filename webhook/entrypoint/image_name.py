"""What does an image's name mean?

Pure: the reference grammar that container runtimes share (github.com/distribution/reference), Docker's defaults
included: `nginx` is docker.io/library/nginx:latest.
"""

import re
from dataclasses import dataclass

DOCKER_HUB = "docker.io"
# The names of the hub that mean the same; its API is at neither.
_HUB_ALIASES = frozenset({DOCKER_HUB, "index.docker.io"})
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
HOST = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]{{1,5}})?"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
REPOSITORY = rf"{_COMPONENT}(?:/{_COMPONENT})*"
DIGEST = r"sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128}"
_HOST = re.compile(HOST)
_REPOSITORY = re.compile(REPOSITORY)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(DIGEST)
# Of registry and repository together, as in the reference grammar.
_NAME_LIMIT = 255
_FORM = "expected [HOST[:PORT]/]REPOSITORY[:TAG][@sha256:…], as a container's image is written"


class ImageNameError(ValueError):
    """The text is no image's name; the message says which part is wrong, and the form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageName:
    """An image's name with every default written out."""

    registry: str
    """HOST[:PORT], lower case; docker.io for Docker Hub."""
    repository: str
    tag: str | None
    """None where there is a digest, which wins."""
    digest: str | None

    @property
    def reference(self) -> str:
        """What the registry is asked for."""
        return self.digest or self.tag or "latest"

    @property
    def shown(self) -> str:
        """In messages."""
        return f"{self.registry}/{self.repository}{'@' if self.digest else ':'}{self.reference}"


def parse_image_name(text: str) -> ImageName:
    """Raises `ImageNameError`."""
    name, at, digest = text.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        raise ImageNameError(f"the part after @ is no digest: {_FORM}")
    path, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:  # a port's colon
        path, tag = name, ""
    if (colon and path != name and not _TAG.fullmatch(tag)) or not path:
        raise ImageNameError(f"the tag after the last colon is none: {_FORM}")
    registry, repository = _split(path)
    if len(registry) + 1 + len(repository) > _NAME_LIMIT:
        raise ImageNameError(f"registry and repository are longer than {_NAME_LIMIT} characters: {_FORM}")
    if not _HOST.fullmatch(registry):
        raise ImageNameError(f"the registry before the first / is no host name: {_FORM}")
    if not _REPOSITORY.fullmatch(repository) or re.fullmatch(r"[a-f0-9]{64}", path):
        raise ImageNameError(f"the repository has to be lower case letters, digits and . _ - between /: {_FORM}")
    return ImageName(
        registry=registry.lower(),
        repository=repository,
        tag=None if digest else tag or "latest",
        digest=digest or None,
    )


def _split(path: str) -> tuple[str, str]:
    """Registry and repository. What has no dot, no port and no capital is a folder of Docker Hub, but localhost."""
    first, slash, rest = path.partition("/")
    is_host = slash and ("." in first or ":" in first or first == "localhost" or first.lower() != first)
    registry, repository = (first, rest) if is_host else (DOCKER_HUB, path)
    if registry in _HUB_ALIASES:
        return DOCKER_HUB, repository if "/" in repository else f"library/{repository}"
    return registry, repository
