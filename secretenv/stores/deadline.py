"""When must an answer be there? Pure: the clock is a parameter."""

from collections.abc import Callable


class Deadline:
    """A point in time, so that everything that is done for one caller shares his patience."""

    def __init__(self, seconds: float, *, clock: Callable[[], float]) -> None:
        self.seconds = seconds
        self._clock = clock
        self._end = clock() + seconds

    def left(self) -> float:
        """Seconds, never negative."""
        return max(0.0, self._end - self._clock())
