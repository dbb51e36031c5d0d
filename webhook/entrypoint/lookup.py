"""Which program does this image start? Answered from memory, or by its registry within the time limit.

One look-up per question at a time, few at once. Nobody waits longer than the limit, whatever a registry does: what is
still under way then is ended, and its thread with it.
"""

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass

from webhook.entrypoint.attempts import Attempts, Places
from webhook.entrypoint.cache import TAG_SECONDS, Bounded
from webhook.entrypoint.counts import LookedUp
from webhook.entrypoint.deadline import Deadline
from webhook.entrypoint.errors import UnreachableError
from webhook.entrypoint.image_name import ImageName, ImageNameError, parse_image_name
from webhook.entrypoint.manifest import Entrypoint
from webhook.entrypoint.question import Failure, Wanted
from webhook.entrypoint.transport import Transport

# A failure is answered from memory for so long: controllers try again at once.
_FAILURE_SECONDS = 5.0
_FAILURES = 256
# A Status message that people read; the API server takes more.
_MESSAGE_LIMIT = 1500
_IMAGE_SHOWN = 300
# For each look-up under way, three that wait for a thread: at half a second each they begin within the limit.
_QUEUE = 4
_GRACE = 0.2


_CROWDED = Failure("too many other images are looked up at this moment, or the webhook is ending: retry")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds and counts."""

    seconds: float
    """For everything that one image needs."""
    at_once: int
    """Look-ups at a time, and callers that wait for them: at most half of a worker's threads, so that other reviews
    are served by the rest."""
    patience: float = 0.2
    """How long any caller waits. A registry that is well and near answers about as soon."""


@dataclass(frozen=True, slots=True, eq=False)
class _Flight:
    """A look-up that is under way, or waits for a thread."""

    attempts: Attempts
    transport: Transport
    future: "Future[Entrypoint | Failure]"


class EntrypointLookup:
    """Safe for many threads. Make it in the process that uses it: threads do not survive a fork."""

    def __init__(
        self,
        places: Places,
        transport: Callable[[Deadline], Transport],
        *,
        limits: Limits,
        clock: Callable[[], float],
    ) -> None:
        """`transport` makes the connections of one look-up; `clock` is monotonic seconds."""
        self._places = places
        self._new_transport = transport
        self._limits = limits
        self._clock = clock
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(max_workers=limits.at_once, thread_name_prefix="entrypoint look-up")
        self._flights: dict[Wanted, _Flight] = {}
        self._waiting = 0
        self._failures: Bounded[tuple[Failure, float]] = Bounded(_FAILURES)

    def look_up(self, wanted: Wanted) -> Entrypoint | Failure:
        """What the image starts. Raises nothing but bugs."""
        started = self._clock()
        answer, outcome = self._answer(wanted)
        self._places.counts.looked_up(outcome, self._clock() - started)
        return answer

    def _answer(self, wanted: Wanted) -> tuple[Entrypoint | Failure, LookedUp]:
        try:
            name = parse_image_name(wanted.image)
        except ImageNameError as exc:
            return Failure(f"image {_shown(wanted.image)}: {exc}"), "failed"
        cache = self._places.cache
        digest = cache.digest(wanted, name, seconds=0.0 if wanted.is_fresh_only(name) else TAG_SECONDS)
        known = cache.entrypoint(wanted, name, digest) if digest else None
        if known is not None:
            return known, "memory"
        failed = self._failures.get(wanted)
        if failed and self._clock() < failed[1]:
            return failed[0], "failed"
        with self._lock:
            flight = self._flights.get(wanted) or self._depart(wanted, name)
        answer = self._wait(wanted, flight) if flight else _CROWDED
        if answer is _CROWDED:
            return answer, "crowded"
        return answer, "failed" if isinstance(answer, Failure) else "found"

    def stop(self) -> None:
        """End what is under way."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            flights = list(self._flights.values())
        for flight in flights:
            flight.transport.close()

    def _depart(self, wanted: Wanted, name: ImageName) -> _Flight | None:
        """None where it would wait for others in vain. Called with the lock held."""
        if len(self._flights) >= self._limits.at_once * _QUEUE:
            return None
        transport = self._new_transport(Deadline(self._limits.seconds, clock=self._clock))
        attempts = Attempts(self._places, wanted, name, transport)
        try:
            future = self._threads.submit(self._fly, wanted, attempts, transport)
        except RuntimeError:  # the webhook is ending
            return None
        self._flights[wanted] = _Flight(attempts, transport, future)
        return self._flights[wanted]

    def _fly(self, wanted: Wanted, attempts: Attempts, transport: Transport) -> Entrypoint | Failure:
        try:
            found = attempts.run()
            return found if found is not None else self._failure(wanted, attempts)
        finally:
            self._land(wanted, transport)

    def _land(self, wanted: Wanted, transport: Transport) -> None:
        transport.close()
        with self._lock:
            if wanted in self._flights and self._flights[wanted].transport is transport:
                del self._flights[wanted]

    def _wait(self, wanted: Wanted, flight: _Flight) -> Entrypoint | Failure:
        try:
            with contextlib.suppress(TimeoutError):
                return flight.future.result(self._limits.patience)
            with self._lock:
                if self._waiting >= self._limits.at_once:
                    return _CROWDED
                self._waiting += 1
            try:
                return flight.future.result(_rest(flight))
            finally:
                with self._lock:
                    self._waiting -= 1
        except CancelledError:
            return _CROWDED
        except TimeoutError:
            self._land(wanted, flight.transport)
            return _CROWDED if flight.future.cancel() else self._failure(wanted, flight.attempts)

    def _failure(self, wanted: Wanted, attempts: Attempts) -> Failure:
        """What was tried so far; remembered for a moment."""
        problems = tuple(attempts.problems) or (f"no answer within {self._limits.seconds:g} s",)
        message = f"image {_shown(wanted.image)}: its registry does not tell what it starts: {'; '.join(problems)}"
        failure = Failure(message[:_MESSAGE_LIMIT])
        self._failures.put(wanted, (failure, self._clock() + _FAILURE_SECONDS))
        return failure


def _rest(flight: _Flight) -> float:
    """Until its own end, and a moment for it to say what was wrong."""
    try:
        return flight.transport.deadline.left() + _GRACE
    except UnreachableError:
        return _GRACE


def _shown(image: str) -> str:
    return repr(image[:_IMAGE_SHOWN])
