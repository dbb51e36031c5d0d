"""What ctl's tests share: a command run as a function, a token, and golden texts."""

import base64
import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ctl.cli import main

GOLDEN = Path(__file__).parent / "golden"
NOW = 1_800_000_000
UNIQUE_ID = "112233445566778899001"
AUDIENCE = "token-injector/sts/assume-role-with-web-identity"
SIGNATURE = "c2lnbmF0dXJl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What a command left behind."""

    code: int
    out: str
    err: str


def run(*argv: str, stdin: str = "", environ: Mapping[str, str] | None = None) -> Finished:
    """Run `kubectl token-injector ARGV` in this process, with an environment of its own and a clock that stands."""
    out, err = io.StringIO(), io.StringIO()
    code = main(argv, environ=environ or {}, stdin=io.StringIO(stdin), stdout=out, stderr=err, clock=lambda: NOW)
    return Finished(code=code, out=out.getvalue(), err=err.getvalue())


def token(header: Mapping[str, Any] | None = None, **claims: Any) -> str:
    """A token as GKE's metadata server mints it, but for its signature; None takes a claim away."""
    google: dict[str, Any] = {
        "iss": "https://accounts.google.com",
        "sub": UNIQUE_ID,
        "azp": UNIQUE_ID,
        "aud": AUDIENCE,
        "iat": NOW - 600,
        "exp": NOW + 3000,
    }
    given = {name: value for name, value in {**google, **claims}.items() if value is not None}
    return f"{_part(header or {'alg': 'RS256'})}.{_part(given)}.{SIGNATURE}"


def _part(value: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def golden(name: str, actual: str) -> str:
    """The text that a golden file holds; REWRITE_GOLDEN=1 writes what is actual. Read the diff before you commit it."""
    path = GOLDEN / name
    if os.environ.get("REWRITE_GOLDEN"):
        path.write_text(actual)
    return path.read_text()
