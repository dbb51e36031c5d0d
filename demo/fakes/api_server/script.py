"""What may go wrong at an API server, and what happens while a watch is open."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Instead of the right answer: a status with a Status object, or with a body of any bytes."""

    status: int
    retry_after: str | None = None
    message: str = "scripted"
    reason: str | None = None
    body: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hang:
    """Read the request, then say nothing until the server goes down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """Read the request, then break the connection without a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Send this many bytes of the right body, then break the connection. A write has been done by then."""

    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Slow:
    """Wait this many seconds, then answer rightly."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Drip:
    """Send the right body, a byte each so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Compact:
    """Answer rightly, and forget all history right after: the next page's token has expired."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """A change that happens while a watch is open."""

    namespace: str
    name: str
    annotations: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    """As `Put`; nothing happens if there is no such object."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bookmark:
    """An event that carries nothing but the resourceVersion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """Send the last events of this watch a second time."""

    events: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """Bytes of any kind in the body."""

    data: bytes


Step = Put | Delete | Bookmark | Again | Raw


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """One watch: what happens while it is open, and how it ends.

    `close` is the ordinary end, `cut` breaks the connection `cut_at` bytes into the body, `expired` sends an ERROR
    event with code 410, `stay` goes on as an ordinary watch.
    """

    steps: tuple[Step, ...] = ()
    end: Literal["close", "cut", "expired", "stay"] = "stay"
    cut_at: int = 0
    piece: int = 1 << 20
    """Bytes of an HTTP chunk: small ones cut lines in halves."""


Fault = Answer | Hang | Drop | Cut | Slow | Drip | Compact | Play
