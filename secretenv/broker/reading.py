"""What is behind a source now? Each is read once for an identity, and again when what was read is old.

While AWS cannot answer, what was read last is given for a while. A refusal of AWS ends that: it is an answer.
"""

import sys
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeAlias

from secretenv.broker import room
from secretenv.broker.identities import Identity
from secretenv.broker.kept import Kept
from secretenv.broker.sessions import Backend, Sessions
from secretenv.references import Source
from secretenv.stores import Fetched, Refusal
from secretenv.stores.deadline import Deadline
from secretenv.stores.single_flight import SingleFlight

# What AWS refuses is not asked again for a moment; nor, for longer, what it could not answer and is in memory.
_REFUSAL_SECONDS = 2.0
_AWAY_SECONDS = 10.0
# How long AWS has to answer where all that is asked for is in memory.
_PATIENCE = 2.0
# Between two attempts while AWS cannot answer, each of which has botocore's own repetitions in it.
_PAUSE = 0.25

Key: TypeAlias = tuple[str, str | None, Source]
"""Identity, region, source."""


class Counts(Protocol):
    """What is counted of reads."""

    def served(self, origin: str, number: int) -> None:
        """So many sources came from the cache, from aws, or stale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long what was read is given, in seconds."""

    fresh: float
    stale: float
    """At most, while AWS cannot answer."""


class Reading:
    """For many threads."""

    def __init__(
        self,
        sessions: Sessions,
        *,
        limits: Limits,
        place: Callable[[], AbstractContextManager[None]],
        counts: Counts,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`place` is entered while AWS is asked, or another thread that asks is waited for."""
        self._sessions = sessions
        self._limits = limits
        self._place = place
        self._counts = counts
        self._sleep = sleep
        keep = max(limits.fresh, limits.stale)
        self._values = Kept[Key, Fetched](lifetime=keep, most_bytes=room.VALUES, clock=clock)
        self._versions = Kept[Key, str](lifetime=keep, most_bytes=room.VERSIONS, clock=clock)
        self._refusals = Kept[Key, Refusal](lifetime=_AWAY_SECONDS, most_bytes=room.REFUSALS, clock=clock)
        self._flights = SingleFlight[Key, "Fetched | Refusal"]()
        self._version_flights = SingleFlight[Key, "str | Refusal"]()

    def fetch(
        self, identity: Identity, region: str | None, sources: Collection[Source], deadline: Deadline
    ) -> dict[Source, Fetched | Refusal]:
        """An outcome for each. Raises `RefusedError` where there is no place, or the identity is not to be asked."""
        keys: dict[Source, Key] = {source: (identity.key, region, source) for source in sources}
        found = {key: outcome for key in keys.values() if (outcome := self._known(key)) is not None}
        stale = [key for key in found if self._values.get(key, within=self._limits.fresh) is None]
        self._counts.served("cache", len(found) - len(stale))
        self._counts.served("stale", sum(isinstance(found[key], Fetched) for key in stale))
        if missing := [key for key in keys.values() if key not in found]:
            self._sessions.check(identity)
            with self._place():
                read = partial(self._read, identity, region, deadline)
                found |= self._flights.fetch(missing, read, deadline)
        return {source: found.get(key) or _late() for source, key in keys.items()}

    def versions(
        self, identity: Identity, region: str | None, sources: Collection[Source], deadline: Deadline
    ) -> dict[Source, str | Refusal]:
        """The version of each. Raises `RefusedError` as `fetch`."""
        keys: dict[Source, Key] = {source: (identity.key, region, source) for source in sources}
        found = {key: version for key in keys.values() if (version := self._known_version(key)) is not None}
        self._counts.served("cache", len(found))
        if missing := [key for key in keys.values() if key not in found]:
            self._sessions.check(identity)
            with self._place():
                read = partial(self._read_versions, identity, region, deadline)
                found |= self._version_flights.fetch(missing, read, deadline)
        return {source: found.get(key) or _late() for source, key in keys.items()}

    def _known(self, key: Key) -> Fetched | Refusal | None:
        if (value := self._values.get(key, within=self._limits.fresh)) is not None:
            return value
        refusal = self._refusals.get(key, within=_AWAY_SECONDS)
        if refusal is not None and refusal.reason == "unavailable":
            last = self._values.get(key, within=self._limits.stale)
            if last is not None:
                return last
        return self._refusals.get(key, within=_REFUSAL_SECONDS)

    def _known_version(self, key: Key) -> str | Refusal | None:
        if (value := self._values.get(key, within=self._limits.fresh)) is not None:
            return value.version
        return self._versions.get(key, within=self._limits.fresh) or self._refusals.get(key, within=_REFUSAL_SECONDS)

    def _read(
        self, identity: Identity, region: str | None, deadline: Deadline, keys: Collection[Key]
    ) -> Mapping[Key, Fetched | Refusal]:
        # Whoever was first may have been done between our look and our turn.
        outcomes = {key: outcome for key in keys if (outcome := self._known(key)) is not None}
        wanted = [key for key in keys if key not in outcomes]
        while wanted:
            said = self._ask(identity, region, wanted, deadline)
            judged = {key: self._judged(identity, key, said[key[2]]) for key in wanted}
            outcomes |= judged
            wanted = [key for key, outcome in judged.items() if _may_change(outcome)]
            if deadline.left() <= _PAUSE:
                break
            if wanted:
                self._sleep(_PAUSE)
        for key, outcome in outcomes.items():
            if isinstance(outcome, Refusal):
                self._refusals.put(key, outcome, size=_size(key, outcome.message))
        return outcomes

    def _ask(
        self, identity: Identity, region: str | None, keys: Collection[Key], deadline: Deadline
    ) -> Mapping[Source, Fetched | Refusal]:
        sources = [source for _, _, source in keys]
        store = self._store(identity, region, deadline)
        if isinstance(store, Refusal):
            return dict.fromkeys(sources, store)
        all_known = all(self._values.get(key, within=self._limits.stale) is not None for key in keys)
        return store.fetch(sources, timeout=min(deadline.left(), _PATIENCE) if all_known else deadline.left())

    def _judged(self, identity: Identity, key: Key, outcome: Fetched | Refusal) -> Fetched | Refusal:
        """What an outcome of AWS means beside what was read before."""
        if isinstance(outcome, Fetched):
            self._values.put(key, outcome, size=_size(key, outcome.value))
            self._versions.drop(key)
            self._counts.served("aws", 1)
            return outcome
        if outcome.reason == "unavailable":
            last = self._values.get(key, within=self._limits.stale)
            if last is None:
                return outcome
            self._refusals.put(key, outcome, size=_size(key, outcome.message))
            self._counts.served("stale", 1)
            return last
        self._values.drop(key)
        self._refusals.put(key, outcome, size=_size(key, outcome.message))
        if outcome.reason == "access_denied":
            self._sessions.denied(identity)
        return outcome

    def _read_versions(
        self, identity: Identity, region: str | None, deadline: Deadline, keys: Collection[Key]
    ) -> Mapping[Key, str | Refusal]:
        outcomes = {key: version for key in keys if (version := self._known_version(key)) is not None}
        wanted = [key for key in keys if key not in outcomes]
        store = self._store(identity, region, deadline)
        if isinstance(store, Refusal):
            return outcomes | dict.fromkeys(wanted, store)
        said = store.versions([source for _, _, source in wanted], timeout=deadline.left()) if wanted else {}
        for key in wanted:
            outcome = outcomes[key] = said[key[2]]
            if isinstance(outcome, str):
                self._versions.put(key, outcome, size=_size(key, outcome))
                self._forget_older(key, outcome)
        return outcomes

    def _forget_older(self, key: Key, version: str) -> None:
        """A value that is known to have changed must not be given to who asks for the new one."""
        value = self._values.get(key, within=self._limits.stale)
        if value is not None and value.version != version:
            self._values.drop(key)

    def _store(self, identity: Identity, region: str | None, deadline: Deadline) -> Backend | Refusal:
        session = self._sessions.session(identity, region, deadline)
        return session if isinstance(session, Refusal) else session.store(region)


def _may_change(outcome: Fetched | Refusal) -> bool:
    return isinstance(outcome, Refusal) and outcome.reason == "unavailable"


def _late() -> Refusal:
    return Refusal(reason="unavailable", message="AWS has not answered the broker in time")


def _size(key: Key, kept: str | bytes | Mapping[str, str]) -> int:
    """In memory. A name is as long as the pod that asks wants it to be, and refusals repeat it."""
    own = [part for each in kept.items() for part in each] if isinstance(kept, Mapping) else [kept]
    return sum(map(sys.getsizeof, [repr(key[2]), *own]))
