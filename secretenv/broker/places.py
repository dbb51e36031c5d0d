"""How many requests may wait for somebody else at once?

Fewer than there are threads: probes and answers from memory need one too.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from secretenv.broker.refused import busy


class Places:
    """So many; who finds none is told to come again at once, and does not wait in a thread."""

    def __init__(self, number: int, what: str) -> None:
        """`what` is waited for."""
        self._free = threading.BoundedSemaphore(number)
        self._what = what

    @contextmanager
    def taken(self) -> Iterator[None]:
        """One of them. Raises `RefusedError`."""
        if not self._free.acquire(blocking=False):
            raise busy(f"the broker already waits for {self._what} as often as it may: ask again")
        try:
            yield
        finally:
            self._free.release()
