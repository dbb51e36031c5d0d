"""How does a registry want to be asked? The header WWW-Authenticate.

Pure: RFC 7235 and the distribution project's token authentication.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9-]*)(?=\s|,|$)")
_PARAMETER = re.compile(r'([A-Za-z_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))')
_BETWEEN = re.compile(r"[\s,]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """What to show: a password, or a token that the realm gives."""

    scheme: Literal["basic", "bearer"]
    realm: str = ""
    service: str = ""

    def token_query(self, repository: str) -> str:
        """Asks for no more than to pull this repository, whatever scope the registry names."""
        return urlencode({"service": self.service, "scope": pull_scope(repository)})


def pull_scope(repository: str) -> str:
    """The least that reads an image."""
    return f"repository:{repository}:pull"


def parse_challenge(headers: Sequence[str]) -> Challenge | None:
    """The first one that we know to answer, Bearer before Basic; None if there is none."""
    found = [challenge for header in headers for challenge in _challenges(header)]
    for wanted in ("bearer", "basic"):
        for scheme, parameters in found:
            if scheme == wanted == "bearer" and parameters.get("realm"):
                return Challenge(scheme="bearer", realm=parameters["realm"], service=parameters.get("service", ""))
            if scheme == wanted == "basic":
                return Challenge(scheme="basic")
    return None


def _challenges(header: str) -> list[tuple[str, dict[str, str]]]:
    """Schemes with their parameters; ends at what is neither."""
    found: list[tuple[str, dict[str, str]]] = []
    position = 0
    while True:
        position = _BETWEEN.match(header, position).end()  # type: ignore[union-attr]  # it matches nothing too
        parameter = _PARAMETER.match(header, position)
        scheme = _SCHEME.match(header, position)
        if parameter and found:
            quoted, plain = parameter[2], parameter[3]
            value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain
            found[-1][1].setdefault(parameter[1].lower(), value)
            position = parameter.end()
        elif scheme:
            found.append((scheme[1].lower(), {}))
            position = scheme.end()
        else:
            return found
