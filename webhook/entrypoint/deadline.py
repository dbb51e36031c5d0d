"""One time limit for everything that a look-up does."""

from collections.abc import Callable

from webhook.entrypoint.errors import UnreachableError


class Deadline:
    """Seconds that go by, whoever asks."""

    def __init__(self, seconds: float, *, clock: Callable[[], float]) -> None:
        """`clock` is monotonic seconds."""
        self.seconds = seconds
        self._clock = clock
        self._end = clock() + seconds

    def left(self) -> float:
        """Seconds, more than 0. Raises `UnreachableError`."""
        left = self._end - self._clock()
        if left <= 0:
            raise UnreachableError(f"no answer within {self.seconds:g} s")
        return left
