"""What the operator says about registries, and what a valid value looks like.

Pure. The parsers are those of webhook/flags.py's rows and raise `ValueError` with the expected form.
"""

import re
from dataclasses import dataclass

from webhook.entrypoint.image_name import HOST, REPOSITORY

PATTERN = r"([A-Za-z0-9*?][A-Za-z0-9.*?-]*|\[[a-fA-F0-9:]+\])(:[0-9]{1,5})?"
MIRROR = rf"{PATTERN}={HOST}(/{REPOSITORY})?"
CA = rf"{PATTERN}=/[^=\n]+"
NAMESPACE = r"\*|[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"


@dataclass(frozen=True, slots=True, kw_only=True)
class EntrypointSettings:
    """How registries are asked."""

    entrypoint_lookup: bool
    """Whether they are."""
    entrypoint_timeout: float
    """Seconds, for everything that one image needs."""
    registry_allow: tuple[str, ...]
    """Patterns; empty: any."""
    registry_insecure: tuple[str, ...]
    """Patterns: plain HTTP."""
    registry_local: tuple[str, ...]
    """Patterns: may be at a loopback or link-local address."""
    registry_ca: tuple[tuple[str, str], ...]
    """Pattern and PEM file, trusted beside this machine's."""
    registry_mirror: tuple[tuple[str, str], ...]
    """Pattern, and HOST[:PORT][/PREFIX] to ask before."""
    registry_pull_secret: str
    """A file as of a Secret's .dockerconfigjson; "": none."""
    pull_secret_namespaces: tuple[str, ...]
    """Where Secrets may be read; * is everywhere."""


def host_pattern(text: str) -> str:
    """A registry's host, with wildcards within its labels."""
    if not re.fullmatch(PATTERN, text):
        raise ValueError("expected HOST[:PORT], where * stands for a part of a label, for example *.pkg.dev")
    return text.lower()


def mirror(text: str) -> tuple[str, str]:
    """A registry's mirror."""
    if not re.fullmatch(MIRROR, text):
        raise ValueError(
            "expected HOST[:PORT]=MIRROR[:PORT][/PREFIX] without https://, for example docker.io=mirror.gcr.io"
        )
    pattern, _, target = text.partition("=")
    host, slash, prefix = target.partition("/")
    return pattern.lower(), f"{host.lower()}{slash}{prefix}"


def certificates(text: str) -> tuple[str, str]:
    """A registry's CA."""
    if not re.fullmatch(CA, text):
        raise ValueError("expected HOST[:PORT]=FILE with an absolute path, for example registry.example=/ca/ca.crt")
    pattern, _, path = text.partition("=")
    return pattern.lower(), path


def namespace(text: str) -> str:
    """A namespace, or * for all."""
    if not re.fullmatch(NAMESPACE, text):
        raise ValueError("expected the name of a namespace, or *")
    return text
