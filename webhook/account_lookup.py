"""Is there a service account that the cache does not know? Asked live, and bounded in every direction.

One request per account at a time, few at once, a short memory of every answer. No caller waits longer than the time
limit, and few wait long: whatever the API server does, most threads are free for accounts that the cache knows.
"""

import contextlib
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self

from kube.errors import KubeError, NotFoundError
from webhook.account_cache import account_key

_MOST_AT_ONCE = 4
_CROWDED = "it is slow, and too many other lookups wait for it"


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
    patience: float = 0.1
    """How long any caller waits. An API server that is well answers sooner."""
    concurrent: int = _MOST_AT_ONCE
    """Requests at a time, and callers that wait longer: at most half of a worker's threads, so that the cache is
    served by the others."""
    memory: float = 1.5
    """How long an answer holds, and how long an API server that did not answer is left alone."""

    @classmethod
    def for_threads(cls, threads: int) -> Self:
        """The limits of a worker with so many threads."""
        return cls(concurrent=max(1, min(_MOST_AT_ONCE, threads // 2)))


class Lookups:
    """Live answers for accounts that the cache has not, or not yet."""

    def __init__(
        self,
        fetch: Callable[[str, str], Mapping[str, str]],
        *,
        abandon: Callable[[], None],
        clock: Callable[[], float],
        limits: LookupLimits,
    ) -> None:
        """`fetch` asks the API server for namespace and name and raises `KubeError`.

        `abandon` ends every `fetch` that is under way: an answer may come so slowly that no time limit of a read ends.
        """
        self._fetch = fetch
        self._abandon = abandon
        self._clock = clock
        self._limits = limits
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(max_workers=limits.concurrent, thread_name_prefix="account lookup")
        self._flights: dict[str, Future[_Outcome]] = {}
        self._waiting = 0
        """Callers whose patience is over and who wait on."""
        self._remembered: dict[str, tuple[float, Mapping[str, str] | None]] = {}
        self._problem: str | None = None
        self._rest_until = 0.0

    def find(self, namespace: str, name: str) -> Mapping[str, str] | None:
        """The account's annotations, None if there is no such account. Raises `LookupFailedError`."""
        key = account_key(namespace, name)
        with self._lock:
            now = self._clock()
            if key in self._remembered and now < self._remembered[key][0]:
                return self._remembered[key][1]
            self._refuse_in_vain(now)
            flight = self._flights.get(key) or self._depart(key, namespace, name)
        try:
            outcome = self._wait(key, flight)
        except TimeoutError:
            problem = f"no answer within {self._limits.timeout:g} s"
            with self._lock:
                self._rest(problem)
            raise LookupFailedError(problem) from None
        except CancelledError:
            raise LookupFailedError("too many other lookups, or the webhook is ending") from None
        if outcome.problem is not None:
            raise LookupFailedError(outcome.problem)
        return outcome.annotations

    def stop(self) -> None:
        """Refuse what waits; what is under way ends with its connection."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _refuse_in_vain(self, now: float) -> None:
        """Refuse at once who would wait for nothing. Called with the lock held."""
        if self._waiting >= self._limits.concurrent:
            raise LookupFailedError(_CROWDED)
        if self._problem is None:
            return
        if now < self._rest_until:
            raise LookupFailedError(self._problem)
        # One caller at a time finds out whether it answers again; the others' threads stay free. What is still under
        # way is from before the rest and would keep a thread of ours from the new request.
        self._rest_until = now + self._limits.timeout
        if self._flights:
            self._flights = {}
            self._abandon()

    def _wait(self, key: str, flight: "Future[_Outcome]") -> _Outcome:
        """Raises TimeoutError, CancelledError and `LookupFailedError`."""
        with contextlib.suppress(TimeoutError):
            return flight.result(self._limits.patience)
        with self._lock:
            if flight.cancel():  # it has not even begun, and nobody shall wait for it
                if self._flights.get(key) is flight:
                    del self._flights[key]
                raise LookupFailedError(_CROWDED)
            if self._waiting >= self._limits.concurrent:
                raise LookupFailedError(_CROWDED)
            self._waiting += 1
        try:
            return flight.result(self._limits.timeout - self._limits.patience)
        finally:
            with self._lock:
                self._waiting -= 1

    def _depart(self, key: str, namespace: str, name: str) -> "Future[_Outcome]":
        """Called with the lock held."""
        try:
            flight = self._threads.submit(self._ask, key, self._flights, namespace, name)
        except RuntimeError as exc:
            raise LookupFailedError("the webhook is ending") from exc
        self._flights[key] = flight
        return flight

    def _ask(self, key: str, flights: object, namespace: str, name: str) -> _Outcome:
        """`flights` are those that it departed with: what was abandoned teaches nothing."""
        outcome = _Outcome(problem="a bug; the traceback is in the log")
        try:
            outcome = self._outcome(namespace, name)
            return outcome
        finally:
            with self._lock:
                if flights is self._flights:
                    self._flights.pop(key, None)
                    self._learn(key, outcome)

    def _learn(self, key: str, outcome: _Outcome) -> None:
        if outcome.problem is not None:
            self._rest(outcome.problem)
            return
        self._problem = None
        # All answers hold equally long: the oldest expire first, and the dict is in that order.
        now = self._clock()
        self._remembered.pop(key, None)
        while self._remembered and self._remembered[oldest := next(iter(self._remembered))][0] <= now:
            del self._remembered[oldest]
        self._remembered[key] = (now + self._limits.memory, outcome.annotations)

    def _rest(self, problem: str) -> None:
        self._problem = problem
        self._rest_until = self._clock() + self._limits.memory

    def _outcome(self, namespace: str, name: str) -> _Outcome:
        try:
            return _Outcome(annotations=self._fetch(namespace, name))
        except NotFoundError:
            return _Outcome()
        except KubeError as exc:
            return _Outcome(problem=str(exc))
