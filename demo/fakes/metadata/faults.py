"""What can go wrong with one answer of the metadata server; a script is a row of these.

Positional fields, because a script reads best as `script(Status(503), Slow(2), NearExpiry(20))`.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Status:
    """Answer with this status and text instead of a token."""

    code: int
    body: str = ""
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class Slow:
    """Wait this many seconds, then answer as if nothing had happened."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Truncated:
    """Promise the whole token in Content-Length, send this many bytes of it, and hang up."""

    bytes: int


@dataclass(frozen=True, slots=True)
class NoFlavor:
    """Answer without `Metadata-Flavor: Google`, as any other HTTP server in the way would."""


@dataclass(frozen=True, slots=True)
class WrongAudience:
    """Answer with a token for another audience."""

    aud: str


@dataclass(frozen=True, slots=True)
class NearExpiry:
    """Answer with a token that ends in this many seconds; a negative number gives an expired one."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Redirect:
    """Answer 302 to this URL."""

    url: str


@dataclass(frozen=True, slots=True)
class Garbage:
    """Answer 200 with these bytes instead of a token."""

    body: bytes


@dataclass(frozen=True, slots=True)
class NotHttp:
    """Write these bytes to the socket, no HTTP around them, and hang up; b"" only hangs up."""

    data: bytes = b""


Fault = Status | Slow | Truncated | NoFlavor | WrongAudience | NearExpiry | Redirect | Garbage | NotHttp
