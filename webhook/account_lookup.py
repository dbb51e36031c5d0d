"""Is there a service account that the cache does not know? Asked live, and bounded in every direction.

One request per account at a time, few at once, a short memory of every answer, and no caller waits longer than the
time limit, whatever the API server does.
"""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass

from kube.errors import KubeError, NotFoundError
from webhook.account_cache import account_key


class LookupFailedError(Exception):
    """The API server gave no usable answer in time; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    annotations: Mapping[str, str] | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupLimits:
    """Seconds and counts."""

    timeout: float = 2.0
    """The API server waits 5 s for our answer to a review: two lookups must fit."""
    concurrent: int = 4
    """Requests at a time: half of a worker's threads by default, so that cached accounts go on."""
    memory: float = 1.5
    """How long an answer holds, and how long an API server that did not answer is left alone."""


class Lookups:
    """Live answers for accounts that the cache has not, or not yet."""

    def __init__(
        self,
        fetch: Callable[[str, str], Mapping[str, str]],
        *,
        clock: Callable[[], float],
        limits: LookupLimits,
    ) -> None:
        """`fetch` asks the API server for namespace and name and raises `KubeError`."""
        self._fetch = fetch
        self._clock = clock
        self._limits = limits
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(max_workers=limits.concurrent, thread_name_prefix="account lookup")
        self._flights: dict[str, Future[_Outcome]] = {}
        self._remembered: dict[str, tuple[float, Mapping[str, str] | None]] = {}
        self._problem: str | None = None
        self._rest_until = 0.0

    def find(self, namespace: str, name: str) -> Mapping[str, str] | None:
        """The account's annotations, None if there is no such account. Raises `LookupFailedError`."""
        key = account_key(namespace, name)
        with self._lock:
            if key in self._remembered and self._clock() < self._remembered[key][0]:
                return self._remembered[key][1]
            if self._problem is not None and (self._flights or self._clock() < self._rest_until):
                # One caller at a time finds out whether it answers again; the others' threads stay free.
                raise LookupFailedError(self._problem)
            flight = self._flights.get(key) or self._depart(key, namespace, name)
        try:
            outcome = flight.result(self._limits.timeout)
        except TimeoutError:
            self._give_up(key, flight)
            raise LookupFailedError(f"no answer within {self._limits.timeout:g} s") from None
        except CancelledError:
            raise LookupFailedError("too many other lookups, or the webhook is ending") from None
        if outcome.problem is not None:
            raise LookupFailedError(outcome.problem)
        return outcome.annotations

    def stop(self) -> None:
        """Refuse what waits; what is under way ends with its connection."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _depart(self, key: str, namespace: str, name: str) -> "Future[_Outcome]":
        """Called with the lock held."""
        try:
            flight = self._threads.submit(self._ask, key, namespace, name)
        except RuntimeError as exc:
            raise LookupFailedError("the webhook is ending") from exc
        self._flights[key] = flight
        return flight

    def _ask(self, key: str, namespace: str, name: str) -> _Outcome:
        outcome = _Outcome(problem="a bug; the traceback is in the log")
        try:
            outcome = self._outcome(namespace, name)
            return outcome
        finally:
            with self._lock:
                self._flights.pop(key, None)
                self._learn(key, outcome)

    def _learn(self, key: str, outcome: _Outcome) -> None:
        now = self._clock()
        self._problem = outcome.problem
        if outcome.problem is not None:
            self._rest_until = now + self._limits.memory
            return
        # All answers hold equally long: the oldest expire first, and the dict is in that order.
        self._remembered.pop(key, None)
        while self._remembered and self._remembered[oldest := next(iter(self._remembered))][0] <= now:
            del self._remembered[oldest]
        self._remembered[key] = (now + self._limits.memory, outcome.annotations)

    def _outcome(self, namespace: str, name: str) -> _Outcome:
        try:
            return _Outcome(annotations=self._fetch(namespace, name))
        except NotFoundError:
            return _Outcome()
        except KubeError as exc:
            return _Outcome(problem=str(exc))

    def _give_up(self, key: str, flight: "Future[_Outcome]") -> None:
        """A lookup that has not begun has nobody who waits for it any more."""
        with self._lock:
            if flight.cancel() and self._flights.get(key) is flight:
                del self._flights[key]
