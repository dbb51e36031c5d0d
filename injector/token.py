"""What does this unverified token claim? Pure.

Nobody here checks the signature: the source is trusted and STS verifies. Every value read is named `unverified_`.
"""

from __future__ import annotations

import binascii
import json

from injector.record import Record

# STS takes no longer one: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
LONGEST = 20_000
# The last second of the year 9999: what lies after it is no date.
LAST_SECOND = 253_402_300_799
SEGMENT = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
SEGMENTS = 3


class MalformedTokenError(Exception):
    """The text is no web identity token; the message says why and never quotes it."""


class UnverifiedToken(Record):
    """A well-formed token; `unverified_iat` is None where it says no issue time before its end."""

    text: str
    unverified_audiences: tuple[str, ...]
    unverified_sub: str
    unverified_iat: int | None
    unverified_exp: int


def read_unverified(text: str) -> UnverifiedToken:
    """Read the claims; raises MalformedTokenError, whatever the text is."""
    if len(text) > LONGEST:
        raise MalformedTokenError(f"it has {len(text)} characters, and STS takes {LONGEST}")
    segments = text.split(".")
    if len(segments) != SEGMENTS or not all(segment and SEGMENT.issuperset(segment) for segment in segments):
        raise MalformedTokenError("it does not have the form of a JWT, three base64url parts between two dots")
    claims = _claims(segments[1])
    exp = _seconds(claims.get("exp"))
    if exp is None:
        raise MalformedTokenError("its exp is not a date in seconds")
    iat = _seconds(claims.get("iat"))
    sub = claims.get("sub")
    return UnverifiedToken(
        text=text,
        unverified_audiences=_audiences(claims.get("aud")),
        unverified_sub=sub if isinstance(sub, str) else "",
        unverified_iat=iat if iat is not None and iat < exp else None,
        unverified_exp=exp,
    )


def _claims(segment: str) -> dict[str, object]:
    padded = segment.replace("-", "+").replace("_", "/") + "=" * (-len(segment) % 4)
    try:
        claims = json.loads(binascii.a2b_base64(padded))
    except (ValueError, RecursionError):  # binascii's, json's and Unicode's errors are ValueErrors
        claims = None
    if not isinstance(claims, dict):
        raise MalformedTokenError("its second part is not a JSON object in base64url")
    return claims


def _seconds(value: object) -> int | None:
    """A JSON number may be written 1.7e9 or 1700000000.0; a bool is a number to Python only."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        seconds = int(float(value))
    except (ValueError, OverflowError):
        return None
    return seconds if 0 < seconds <= LAST_SECOND else None


def _audiences(value: object) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    return tuple(audience for audience in values if isinstance(audience, str))
