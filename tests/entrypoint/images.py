"""Images as builders make them, pushed over the registry's own HTTP API. Not by the code that is tested."""

import hashlib
import json
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import urllib3

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"


def digest_of(body: bytes) -> str:
    """As registries name it."""
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image of one platform: config, manifest, and its layer; who reads its entrypoint needs none."""

    entrypoint: Sequence[str] | None = None
    cmd: Sequence[str] | None = None
    architecture: str = "amd64"
    docker: bool = False
    layer: bytes = field(default=b"", repr=False)
    """A tar archive."""

    @property
    def config(self) -> bytes:
        """The blob."""
        said = {"Entrypoint": self.entrypoint, "Cmd": self.cmd, "Env": ["PATH=/bin"]}
        layers = {"rootfs": {"type": "layers", "diff_ids": [digest_of(self.layer)]}} if self.layer else {}
        return json.dumps({"os": "linux", "architecture": self.architecture, "config": said, **layers}).encode()

    @property
    def media_type(self) -> str:
        """The manifest's."""
        return DOCKER_MANIFEST if self.docker else OCI_MANIFEST

    @property
    def manifest(self) -> bytes:
        """What the tag or digest means."""
        kind = DOCKER_CONFIG if self.docker else OCI_CONFIG
        return json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": self.media_type,
                "config": {"mediaType": kind, "digest": digest_of(self.config), "size": len(self.config)},
                "layers": [
                    {"mediaType": OCI_LAYER, "digest": digest_of(layer), "size": len(layer)}
                    for layer in (self.layer,)
                    if layer
                ],
            }
        ).encode()

    @property
    def digest(self) -> str:
        """The manifest's."""
        return digest_of(self.manifest)

    @property
    def entry(self) -> dict[str, Any]:
        """In an index."""
        return {
            "mediaType": self.media_type,
            "digest": self.digest,
            "size": len(self.manifest),
            "platform": {"os": "linux", "architecture": self.architecture},
        }


def index(*images: Image, docker: bool = False, attested: bool = False) -> bytes:
    """An image for several platforms; `attested` as BuildKit makes it."""
    entries = [image.entry for image in images]
    if attested:
        entries.append({**images[0].entry, "platform": {"os": "unknown", "architecture": "unknown"}})
    kind = DOCKER_LIST if docker else OCI_INDEX
    return json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": entries}).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pusher:
    """Somebody who may push to a registry."""

    base: str
    """https://HOST:PORT"""
    ca: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    """Who it is."""

    def push(self, repository: str, tag: str, *images: Image, index_body: bytes | None = None) -> str:
        """The images, and under the tag the first of them, or the index over them; gives the tag's digest."""
        for image in images:
            for blob in filter(None, (image.config, image.layer)):
                self._blob(repository, blob)
            self._manifest(repository, image.digest, image.media_type, image.manifest)
        body = index_body if index_body is not None else images[0].manifest
        self._manifest(repository, tag, json.loads(body)["mediaType"], body)
        return digest_of(body)

    def _blob(self, repository: str, body: bytes) -> None:
        started = self._request("POST", f"{self.base}/v2/{repository}/blobs/uploads/", (202,))
        joined = "&" if "?" in started else "?"
        self._request("PUT", f"{started}{joined}digest={digest_of(body)}", (201,), body, "application/octet-stream")

    def _manifest(self, repository: str, reference: str, media_type: str, body: bytes) -> None:
        self._request("PUT", f"{self.base}/v2/{repository}/manifests/{reference}", (201,), body, media_type)

    def _request(self, method: str, url: str, expected: Sequence[int], body: bytes = b"", media_type: str = "") -> str:
        context = ssl.create_default_context(cafile=self.ca) if self.ca else None
        headers = {**self.headers, **({"Content-Type": media_type} if media_type else {})}
        with urllib3.PoolManager(ssl_context=context, retries=False) as http:
            response = http.request(method, url, body=body, headers=headers, timeout=10)
        assert response.status in expected, (method, url, response.status, response.data)
        return response.headers.get("Location", "")
