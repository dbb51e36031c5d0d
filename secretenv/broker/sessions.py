"""Whose credentials are at hand? One session for each identity, exchanged once and kept until shortly before its end.

What STS refuses is not asked again for a moment, so that pods which ask again and again don't reach it; nor do ever
new tokens of one service account (denials).
"""

import hashlib
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from secretenv.broker import room
from secretenv.broker.denials import Denials
from secretenv.broker.identities import Identity
from secretenv.broker.kept import Kept
from secretenv.stores import Refusal, Store, Versions
from secretenv.stores.deadline import Deadline
from secretenv.stores.single_flight import SingleFlight

# Before its end a session is exchanged anew: requests under way and a clock that is wrong by a minute or two.
_MARGIN = 300.0
# No session lives longer: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
_LONGEST = 12 * 3600.0
_REFUSAL_SECONDS = 1.0
# What STS denies one token it denies it again; a trust policy that was just mended waits for so long.
_DENIED_SECONDS = 10.0
# A permission that was just given holds for sessions that are there; a session that was revoked is denied everything.
_REVOKED_AFTER = 60.0


class Backend(Store, Versions, Protocol):
    """The stores, asked in one name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Credentials, as stores that ask with them."""

    store: Callable[[str | None], Backend] = field(repr=False)
    """In this region, None for the one that holds where none is named."""
    lifetime: float
    """Seconds from when it was exchanged."""


@dataclass(frozen=True, slots=True)
class _Held:
    session: Session
    began: float


Exchange = Callable[[Identity, str | None, Deadline], Session | Refusal]
"""Identity and region in, credentials out."""


class Sessions:
    """For many threads."""

    def __init__(self, exchange: Exchange, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._exchange = exchange
        self._clock = clock
        self._sessions = Kept[str, _Held](lifetime=_LONGEST, most_bytes=room.SESSIONS, clock=clock)
        self._refusals = Kept[str, Refusal](lifetime=_REFUSAL_SECONDS, most_bytes=room.SESSION_REFUSALS, clock=clock)
        self._denied = Kept[tuple[str, str], Refusal](
            lifetime=_DENIED_SECONDS, most_bytes=room.DENIED_TOKENS, clock=clock
        )
        self._denials = Denials(clock=clock)
        self._flights = SingleFlight[str, "Session | Refusal"]()

    def check(self, identity: Identity) -> None:
        """Whether the identity may be shown to STS at all. Raises `RefusedError`."""
        self._denials.check(identity)

    def session(self, identity: Identity, region: str | None, deadline: Deadline) -> Session | Refusal:
        """The identity's session; several threads that ask for it share one exchange."""
        found = self._known(identity)
        if found is None:
            read = lambda _: {identity.key: self._exchanged(identity, region, deadline)}  # noqa: E731 - one line
            found = self._flights.fetch([identity.key], read, deadline).get(identity.key)
        late = f"role {identity.role_arn}: STS has not answered in time"
        return found or Refusal(reason="unavailable", message=late)

    def denied(self, identity: Identity) -> None:
        """AWS denies what this session asks: it may have been revoked."""
        held = self._sessions.get(identity.key, within=_LONGEST)
        if held and self._clock() - held.began > _REVOKED_AFTER:
            self._sessions.drop(identity.key)

    def _known(self, identity: Identity) -> Session | Refusal | None:
        held = self._sessions.get(identity.key, within=_LONGEST)
        if held:
            lifetime = held.session.lifetime
            if self._clock() - held.began < lifetime - min(_MARGIN, lifetime / 4):
                return held.session
        denied = self._denied.get(_shown(identity), within=_DENIED_SECONDS)
        return denied or self._refusals.get(identity.key, within=_REFUSAL_SECONDS)

    def _exchanged(self, identity: Identity, region: str | None, deadline: Deadline) -> Session | Refusal:
        # Whoever was first may have been done between our look and our turn.
        if (known := self._known(identity)) is not None:
            return known
        found = self._exchange(identity, region, deadline)
        if isinstance(found, Session):
            self._sessions.put(identity.key, _Held(found, self._clock()), size=room.SESSION)
            self._denials.accepted(identity)
            return found
        self._refusals.put(identity.key, found, size=sys.getsizeof(found.message))
        if found.reason != "unavailable":
            self._denied.put(_shown(identity), found, size=sys.getsizeof(found.message))
            self._denials.denied(identity)
        return found


def _shown(identity: Identity) -> tuple[str, str]:
    """One token of an identity, by its hash: the next one may be taken."""
    return identity.key, hashlib.sha256(identity.token.encode()).hexdigest()
