"""What has this process read? Each source once, and no more bytes than the pod's containers can hold anyway.

Who asks has a part of it. A part is charged with what it was the first to read, so that a container which asks for ever
more uses up its own, and its neighbours' stay. Any thread may use it.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

from contract.secrets import MESSAGE_LIMIT
from secretenv.stores import Fetched, Refusal

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from secretenv.references import Source
    from secretenv.stores import Store


class Memory:
    """All of it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._read: dict[Source, Fetched] = {}
        self._parts: dict[str, Part] = {}

    def part(self, whose: str, *, takers: int = 1) -> Part:
        """The same one for the same `whose`; each taker has room for the longest answer that a container takes."""
        with self._lock:
            return self._parts.setdefault(whose, Part(self, whose, takers * MESSAGE_LIMIT))

    def known(self, source: Source) -> Fetched | None:
        """What was read; None: it was not."""
        return self._read.get(source)

    def read(self, sources: Collection[Source], part: Part, *, timeout: float) -> dict[Source, Fetched | Refusal]:
        """An outcome for each, asked of the store; what has no room is not kept and not given."""
        fresh = self._store.fetch(sources, timeout=timeout) if sources else {}
        with self._lock:
            return {source: self._kept(source, found, part) for source, found in fresh.items()}

    def _kept(self, source: Source, found: Fetched | Refusal, part: Part) -> Fetched | Refusal:
        if isinstance(found, Refusal) or source in self._read:
            return found
        if not part.charge(_size(found)):
            return part.too_much
        self._read[source] = found
        return found


class Part:
    """A store that asks the memory first."""

    def __init__(self, memory: Memory, whose: str, room: int) -> None:
        self._memory = memory
        self._room = self._left = room
        self._whose = whose

    def fetch(self, sources: Collection[Source], *, timeout: float) -> Mapping[Source, Fetched | Refusal]:
        """An outcome for each."""
        unread = [source for source in dict.fromkeys(sources) if self._memory.known(source) is None]
        fresh = self._memory.read(unread, self, timeout=timeout)
        return {source: self._memory.known(source) or fresh[source] for source in sources}

    def version(self, source: Source) -> str | None:
        """The version that was read; None: it was not."""
        found = self._memory.known(source)
        return found.version if found else None

    def charge(self, size: int) -> bool:
        """Take so many bytes, if they are left; whoever calls holds the memory's lock."""
        if size > self._left:
            return False
        self._left -= size
        return True

    @property
    def too_much(self) -> Refusal:
        """Why a source is not given."""
        return Refusal(
            reason="invalid",
            message=f"all that {self._whose} refers to has more than {self._room} bytes together, whole secrets, paths "
            "and items counted, and more is not kept; refer to fewer or to smaller ones",
        )


def _size(found: Fetched) -> int:
    value = found.value
    texts = [value] if isinstance(value, str | bytes) else [part for pair in value.items() for part in pair]
    return sum(map(sys.getsizeof, texts))
