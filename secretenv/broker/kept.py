"""The last value of each key, and how old it is; within a number of bytes, the least recently used go first.

Pure but for its lock: the clock is a parameter.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

# Of an entry itself: key, tuple, the dictionary's part.
_OVERHEAD = 1024


class Kept(Generic[K, V]):
    """For many threads."""

    def __init__(self, *, lifetime: float, most_bytes: int, clock: Callable[[], float]) -> None:
        """Nothing is kept for longer than `lifetime` seconds."""
        self._lifetime = lifetime
        self._most_bytes = most_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: OrderedDict[K, tuple[V, float, int]] = OrderedDict()
        self._bytes = 0

    def put(self, key: K, value: V, *, size: int = 0) -> None:
        """Keep it as of now; `size` is in bytes."""
        with self._lock:
            self._remove(key)
            self._entries[key] = (value, self._clock(), size + _OVERHEAD)
            self._bytes += size + _OVERHEAD
            while self._bytes > self._most_bytes:
                self._remove(next(iter(self._entries)))

    def get(self, key: K, *, within: float) -> V | None:
        """The value, if it was put within so many seconds."""
        with self._lock:
            found = self._entries.get(key)
            if found is None:
                return None
            value, since, _ = found
            age = self._clock() - since
            if age >= self._lifetime:
                self._remove(key)
                return None
            self._entries.move_to_end(key)
            return value if age < within else None

    def drop(self, key: K) -> None:
        """Forget it."""
        with self._lock:
            self._remove(key)

    def _remove(self, key: K) -> None:
        if (found := self._entries.pop(key, None)) is not None:
            self._bytes -= found[2]
