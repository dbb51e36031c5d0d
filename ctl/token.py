"""What does this token claim, and would STS take it at all?

Pure. Nobody here checks the signature. No message quotes the token.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from contract.pod import UPDATE_CONTAINER

# https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
LONGEST = 20_000
# The last second of the year 9999: what lies after it is no date.
_LAST_SECOND = 253_402_300_799
_JWT_PARTS, _JWE_PARTS = 3, 5
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_READ_AGAIN = (
    "read the pod's file again: kubectl exec POD -- cat /var/run/secrets/aws/token/token; if that one is no better, "
    f"look at the log of its container {UPDATE_CONTAINER}"
)


class MalformedTokenError(Exception):
    """The text is no web identity token; the message says why and what to do, and never quotes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnverifiedToken:
    """A well-formed token's parts, except its signature."""

    unverified_header: Mapping[str, Any] = field(repr=False)
    unverified_claims: Mapping[str, Any] = field(repr=False)

    @property
    def unverified_issuer(self) -> str:
        """The claim iss."""
        return str(self.unverified_claims["iss"])


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenProblem:
    """Why STS refuses the token before it looks at any policy."""

    code: Literal["expired", "not_yet_valid", "too_long", "signature"]
    text: str
    remedy: str


def read_unverified(text: str) -> UnverifiedToken:
    """Header and claims. Raises `MalformedTokenError`."""
    if not text:
        raise MalformedTokenError(f"it is empty: there is no token yet; {_READ_AGAIN}")
    if text.startswith("ya29."):
        raise MalformedTokenError(
            "it is a Google access token, which STS does not take: an identity token is needed, as "
            "gcloud auth print-identity-token --audiences=AUDIENCE prints"
        )
    parts = text.split(".")
    if len(parts) == _JWE_PARTS:
        raise MalformedTokenError("it is an encrypted token (JWE, five parts): STS takes signed ones (JWT) only")
    if len(parts) != _JWT_PARTS or not all(parts):
        raise MalformedTokenError(f"a JWT is three parts between two dots, and this is none; {_READ_AGAIN}")
    token = UnverifiedToken(unverified_header=_part(parts[0], "first"), unverified_claims=_part(parts[1], "second"))
    _check(token.unverified_claims)
    return token


def token_problems(token: UnverifiedToken, length: int, *, now: float) -> tuple[TokenProblem, ...]:
    """What STS checks first; `now` is seconds since 1970, `length` the token's characters."""
    claims = token.unverified_claims
    expiry, begin = claims["exp"], max(claims.get("nbf", 0), claims.get("iat", 0))
    algorithm = str(token.unverified_header.get("alg"))
    expired = TokenProblem(
        code="expired",
        text=f"the token expired {moment(expiry, now)}: STS answers ExpiredTokenException",
        remedy=_READ_AGAIN,
    )
    not_yet_valid = TokenProblem(
        code="not_yet_valid",
        text=f"the token begins {moment(begin, now)} by this machine's clock: STS answers InvalidIdentityToken",
        remedy="compare this machine's clock with the one of the token's issuer",
    )
    too_long = TokenProblem(
        code="too_long",
        text=f"the token has {length} characters, and STS takes {LONGEST}",
        remedy="mint one with fewer claims",
    )
    signature = TokenProblem(
        code="signature",
        text=f"the token's alg is {algorithm!r}: STS takes only what a public key verifies, such as RS256",
        remedy="mint the token at its issuer",
    )
    found = (
        (expiry <= now, expired),
        (begin > now, not_yet_valid),
        (length > LONGEST, too_long),
        (algorithm.upper().startswith(("NONE", "HS")), signature),
    )
    return tuple(problem for applies, problem in found if applies)


def moment(seconds: float, now: float) -> str:
    """A point of time, and how far away it is."""
    written = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    away = _span(abs(seconds - now))
    return f"{away} ago ({written})" if seconds <= now else f"in {away} ({written})"


def _span(seconds: float) -> str:
    whole = int(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


def _part(text: str, which: str) -> dict[str, Any]:
    try:
        found = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (ValueError, RecursionError):  # base64's, json's and Unicode's errors are ValueErrors
        found = None
    if not isinstance(found, dict):
        raise MalformedTokenError(f"its {which} part is not a JSON object in base64url; {_READ_AGAIN}")
    return found


def _check(claims: Mapping[str, Any]) -> None:
    """What everything after this relies on."""
    if not isinstance(claims.get("iss"), str) or not claims["iss"]:
        raise MalformedTokenError("it has no claim iss: a web identity token says who issued it")
    for name in ("exp", "nbf", "iat"):
        value = claims.get(name)
        if value is None and name != "exp":
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LAST_SECOND:
            raise MalformedTokenError(f"its claim {name} is not a time in seconds since 1970")
