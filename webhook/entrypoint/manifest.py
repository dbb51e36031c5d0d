"""What does a registry's answer say? Manifests, indexes, and what an image starts.

Pure: bytes in, data out. OCI image spec 1.1 and Docker's manifest v2 schema 2, which name the same things.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from webhook.entrypoint.errors import UnusableImageError

_OCI = "application/vnd.oci.image."
_DOCKER = "application/vnd.docker."
_MANIFESTS = (f"{_OCI}manifest.v1+json", f"{_DOCKER}distribution.manifest.v2+json")
_INDEXES = (f"{_OCI}index.v1+json", f"{_DOCKER}distribution.manifest.list.v2+json")
_SCHEMA1 = (f"{_DOCKER}distribution.manifest.v1+json", f"{_DOCKER}distribution.manifest.v1+prettyjws")
_CONFIGS = (f"{_OCI}config.v1+json", f"{_DOCKER}container.image.v1+json")
ACCEPTED = ", ".join((*_INDEXES, *_MANIFESTS))
# The distribution spec lets registries refuse manifests over 4 MiB; a config names each layer's history.
MANIFEST_LIMIT = 4 << 20
CONFIG_LIMIT = 4 << 20
# Each costs two requests; the largest official image has less than 20.
_PLATFORMS_LIMIT = 32
# Linux' own limit for the arguments and the environment of a process is below this.
_ARGUMENTS_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class Entrypoint:
    """What an image starts where the pod says neither command nor args."""

    entrypoint: tuple[str, ...]
    cmd: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Whether only the pod can say what to start."""
        return not self.entrypoint and not self.cmd


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One image of an index."""

    digest: str
    platform: str
    """OS/ARCHITECTURE[/VARIANT]; "" where the index does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One image."""

    config_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """One image for several platforms."""

    entries: tuple[Entry, ...]


def parse_manifest(body: bytes, content_type: str) -> Manifest | Index:
    """Raises `UnusableImageError`."""
    document = _object(body, "the manifest")
    media_type = document.get("mediaType") or content_type.partition(";")[0].strip()
    if media_type in _SCHEMA1 or document.get("schemaVersion") == 1:
        raise UnusableImageError("its manifest is of Docker's schema 1, which names no config: push it again")
    # Of a document that is both, two readers could read different images (CVE-2021-41190).
    if "manifests" in document and ("config" in document or "layers" in document):
        raise UnusableImageError("its manifest is an index and an image at once: push it again")
    if media_type in _INDEXES:
        return Index(entries=tuple(_entries(document.get("manifests"))))
    if media_type in _MANIFESTS:
        config = document.get("config")
        if not isinstance(config, dict) or config.get("mediaType") not in _CONFIGS:
            raise UnusableImageError("it is no container image: its config is of another kind")
        return Manifest(config_digest=_digest(config))
    raise UnusableImageError("its manifest is neither OCI's nor Docker's schema 2")


def candidates(index: Index, architecture: str | None) -> tuple[Entry, ...]:
    """The Linux images that a pod may get; `architecture` as in the label kubernetes.io/arch.

    Raises `UnusableImageError`.
    """
    linux = [entry for entry in index.entries if entry.platform.startswith("linux/")]
    unsaid = [entry for entry in index.entries if not entry.platform]
    found = linux if architecture is None else [entry for entry in linux if _architecture(entry) == architecture]
    found = found or unsaid
    if not found:
        wanted = f"linux/{architecture}" if architecture else "Linux"
        there = ", ".join(sorted({entry.platform for entry in index.entries if entry.platform})) or "none"
        raise UnusableImageError(f"it has no image for {wanted}; its platforms: {there[:200]}")
    if len(found) > _PLATFORMS_LIMIT:
        raise UnusableImageError(
            f"it has {len(found)} platforms, more than {_PLATFORMS_LIMIT}: select kubernetes.io/arch in the pod"
        )
    return tuple(found)


def agreed(found: Sequence[tuple[Entry, Entrypoint]]) -> Entrypoint:
    """What all platforms start. Raises `UnusableImageError` where they start different programs."""
    by_entrypoint: dict[Entrypoint, list[str]] = {}
    for entry, entrypoint in found:
        by_entrypoint.setdefault(entrypoint, []).append(entry.platform or entry.digest[:19])
    if len(by_entrypoint) == 1:
        return next(iter(by_entrypoint))
    groups = " and ".join(", ".join(sorted(platforms)) for platforms in by_entrypoint.values())
    raise UnusableImageError(
        f"its platforms start different programs ({groups[:200]}): select kubernetes.io/arch in the pod"
    )


def parse_config(body: bytes) -> Entrypoint:
    """What the image's config starts; the shell form is an array there already. Raises `UnusableImageError`."""
    config = _object(body, "the config").get("config") or {}
    if not isinstance(config, dict):
        raise UnusableImageError("its config is malformed: config is no object")
    return Entrypoint(_arguments(config, "Entrypoint"), _arguments(config, "Cmd"))


def verified(body: bytes, digest: str) -> bytes:
    """The body, if the digest is its own. Raises `UnusableImageError`."""
    algorithm, _, wanted = digest.partition(":")
    if hashlib.new(algorithm, body).hexdigest() != wanted:
        raise UnusableImageError(f"what was fetched is not {digest[:19]}…: it was changed on its way, or at rest")
    return body


def digest_of(body: bytes) -> str:
    """The digest by which the same bytes can be asked for."""
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def _entries(manifests: object) -> list[Entry]:
    if not isinstance(manifests, list):
        raise UnusableImageError("its index is malformed: manifests is no list")
    found = []
    for each in manifests:
        if not isinstance(each, dict):
            raise UnusableImageError("its index is malformed: a manifest is no object")
        platform = each.get("platform")
        shown = _platform(platform) if isinstance(platform, dict) else ""
        # BuildKit hangs attestations there, as images of no platform.
        if shown.startswith("unknown/") or each.get("mediaType") not in (*_MANIFESTS, None):
            continue
        found.append(Entry(digest=_digest(each), platform=shown))
    return found


def _platform(platform: Mapping[str, Any]) -> str:
    parts = [platform.get(key) for key in ("os", "architecture", "variant")]
    return "/".join(part for part in parts if isinstance(part, str) and part)


def _architecture(entry: Entry) -> str:
    return entry.platform.split("/")[1]


def _digest(descriptor: Mapping[str, Any]) -> str:
    digest = descriptor.get("digest")
    if not isinstance(digest, str) or not is_digest(digest):
        raise UnusableImageError("its manifest is malformed: expected a digest sha256:…")
    return digest


def is_digest(text: str) -> bool:
    """Whether it is a digest that can be verified."""
    algorithm, _, digits = text.partition(":")
    lengths = {"sha256": 64, "sha512": 128}
    return lengths.get(algorithm) == len(digits) and set(digits) <= set("0123456789abcdef")


def _arguments(config: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = config.get(key)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(part, str) and "\0" not in part for part in value):
        raise UnusableImageError(f"its config is malformed: {key} is no list of texts")
    if sum(map(len, value)) > _ARGUMENTS_LIMIT:
        raise UnusableImageError(f"its config is malformed: {key} is longer than any process's arguments")
    return tuple(value)


def _object(body: bytes, what: str) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None  # the exception would quote it
    if not isinstance(document, dict):
        raise UnusableImageError(f"{what} is no JSON object")
    return document
