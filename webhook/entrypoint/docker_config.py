"""Which credentials does a Docker configuration hold for an image?

Pure: the text of a Secret's .dockerconfigjson or .dockercfg, of a mounted one, or of ~/.docker/config.json.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from webhook.entrypoint.credential import Credential
from webhook.entrypoint.hosts import matches
from webhook.entrypoint.image_name import DOCKER_HUB, ImageName

# Docker's own key of the hub, and what people write for it.
_HUB_KEYS = frozenset({"index.docker.io", "registry-1.docker.io", "docker.io"})


class DockerConfigError(ValueError):
    """The text is no Docker configuration; the message never quotes it."""


def read_docker_config(text: str, *, legacy: bool = False) -> dict[str, Any]:
    """Its entries by registry. `legacy`: a .dockercfg, which has no `auths` around them. Raises `DockerConfigError`."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None  # the exception would quote passwords
    auths = document if legacy or not isinstance(document, dict) else document.get("auths", {})
    if not isinstance(auths, dict) or not all(isinstance(entry, dict) for entry in auths.values()):
        raise DockerConfigError('expected JSON {"auths": {"HOST": {"auth": "…"}}}, as docker login writes it')
    return auths


def credentials_for(auths: Mapping[str, Any], name: ImageName, origin: str) -> list[Credential]:
    """Those that match, the longest key first. Raises `DockerConfigError` for a matching one that can't be used."""
    matching = [key for key in sorted(auths, reverse=True) if matches(_pattern(key), name.registry, name.repository)]
    found = [credential(auths[key], f"{origin}, {key}") for key in matching]
    return [each for each in found if each is not None]


def credential(entry: Mapping[str, Any], origin: str) -> Credential | None:
    """One entry; None where a credential helper has what it stands for. Raises `DockerConfigError`."""
    known = ("username", "password", "auth", "identitytoken", "registrytoken")
    fields = {key: entry.get(key) or "" for key in known}
    if not all(isinstance(value, str) for value in fields.values()):
        raise DockerConfigError(f"{origin}: its entry is no object of texts")
    username, password = fields["username"], fields["password"]
    if fields["auth"]:
        try:
            username, colon, password = base64.b64decode(fields["auth"], validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            colon = ""
        if not colon:
            raise DockerConfigError(f"{origin}: auth is not base64 of USER:PASSWORD")
    if not any((username, password, fields["identitytoken"], fields["registrytoken"])):
        return None
    return Credential(
        origin=origin,
        username=username,
        password=password.rstrip("\0"),  # as Docker does
        identity_token=fields["identitytoken"],
        registry_token=fields["registrytoken"],
    )


def _pattern(key: str) -> str:
    """HOST[:PORT][/PATH] of a key: with or without https://, and /v1/ or /v2/, which mean the host alone."""
    try:
        parts = urlsplit(key if key.startswith(("https://", "http://")) else f"https://{key}")
        host = parts.netloc
    except ValueError:
        return key
    path = parts.path.removeprefix("/v2/").removeprefix("/v1/").strip("/")
    return f"{DOCKER_HUB if host in _HUB_KEYS else host}/{path}".rstrip("/")
