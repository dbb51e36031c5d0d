"""Several threads want the same at the same time: one reads, and the others take what it got.

Nothing is remembered: when a read is over, the next one who asks reads anew.
"""

from collections.abc import Callable, Collection, Hashable, Mapping
from threading import Event, Lock
from typing import Generic, TypeVar

from secretenv.stores.deadline import Deadline

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class _Flight(Generic[K, V]):
    def __init__(self) -> None:
        self.landed = Event()
        self.values: Mapping[K, V] = {}


class SingleFlight(Generic[K, V]):
    """Reads that are under way."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._flights: dict[K, _Flight[K, V]] = {}

    def fetch(
        self, keys: Collection[K], read: Callable[[Collection[K]], Mapping[K, V]], deadline: Deadline
    ) -> dict[K, V]:
        """The values that were had in time. `read` is called with those keys that nobody else is reading.

        A key for which the other's read gave nothing (its caller had less time, or it failed) is read here, while
        there is time.
        """
        found: dict[K, V] = {}
        wanted = set(keys)
        while wanted and deadline.left() > 0:
            mine, others = self._depart(wanted)
            if mine:
                found |= self._read(mine, read)
            for key, flight in others.items():
                if flight.landed.wait(deadline.left()) and key in flight.values:
                    found[key] = flight.values[key]
            wanted = others.keys() - found.keys()
        return found

    def _depart(self, wanted: set[K]) -> tuple[set[K], dict[K, _Flight[K, V]]]:
        with self._lock:
            others = {key: self._flights[key] for key in wanted if key in self._flights}
            mine = wanted - others.keys()
            flight = _Flight[K, V]()
            self._flights |= dict.fromkeys(mine, flight)
        return mine, others

    def _read(self, mine: set[K], read: Callable[[Collection[K]], Mapping[K, V]]) -> Mapping[K, V]:
        values: Mapping[K, V] = {}
        try:
            values = read(mine)
        finally:
            with self._lock:
                flights = {self._flights.pop(key) for key in mine}
            for flight in flights:
                flight.values = values
                flight.landed.set()
        return values
