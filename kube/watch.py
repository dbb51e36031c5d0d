"""A collection followed for as long as the process lives: list, watch, resume, list again. Never gives up.

The thread that does it can be stopped at once. What is understood is in `progress.py`; here are only time and I/O.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from kube.client import PAGE_SIZE, REQUEST_SECONDS, Client
from kube.errors import ForbiddenError, KubeError, UnavailableError
from kube.progress import Progress

T = TypeVar("T")

logger = logging.getLogger(__name__)


class Consumer(Protocol[T]):
    """Who keeps the collection. Called by one thread, in the order in which things happened."""

    def replace(self, items: list[T], resource_version: str) -> None:
        """This is the whole collection now."""

    def upsert(self, item: T) -> None:
        """It is new, or it has changed."""

    def delete(self, item: T) -> None:
        """It is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long each thing may take, in seconds. The defaults are close to client-go's."""

    backoff_first: float = 1.0
    backoff_cap: float = 30.0
    forbidden_cap: float = 30.0
    """The cap where RBAC says no: whoever may do without the collection waits for a grant with more patience."""
    watch: float = 300.0
    """A watch is asked to end after once to twice this time, so that replicas do not come back together."""
    silence: float = 90.0
    """The API server sends a bookmark each minute; a connection that is silent for longer is dead."""
    steady: float = 5.0
    """A watch that lived this long without an event was no failure (client-go takes one second)."""
    request: float = REQUEST_SECONDS
    page_size: int = PAGE_SIZE
    """Items of one page of the list."""


class Watch(Generic[T]):
    """One collection, one thread, one client of its own."""

    def __init__(
        self,
        client: Client,
        path: str,
        *,
        keep: Callable[[dict[str, Any]], T],
        consumer: Consumer[T],
        clock: Callable[[], float],
        random: Callable[[], float],
        pace: Pace | None = None,
    ) -> None:
        """`keep` makes of an object what is worth keeping; it raises `UnexpectedObjectError`.

        `clock` is monotonic seconds, `random` from 0 to 1.
        """
        self._client = client
        self._path = path
        self._keep = keep
        self._consumer = consumer
        self._clock = clock
        self._random = random
        self._pace = pace or Pace()
        self._progress = Progress(keep, f"GET {path} (watch)")
        self._failures = 0
        self._heard = False
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.failure: KubeError | None = None
        """Why the collection can't be followed at the moment; None while it is."""
        self.is_forbidden = False
        """RBAC's last word. An API server that does not answer takes nothing back."""
        self.confirmed_at: float | None = None
        """The clock when the API server last said something: a list, an event, a bookmark."""

    @property
    def problem(self) -> str | None:
        """The failure in words."""
        return None if self.failure is None else str(self.failure)

    def start(self) -> None:
        """Begin, in the process that will use it: threads do not survive a fork."""
        # Made here: since Python 3.13 a thread object from before a fork can't be started after it.
        self._thread = threading.Thread(target=self._run, name=f"watch {self._path}", daemon=True)
        self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """End at once, whatever the API server does; only a connection being made is waited for."""
        self._stopping.set()
        self._client.close()
        if self._thread is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                delay = self._round()
            except KubeError as exc:
                delay = self._failed(exc)
            except Exception:
                # A bug, ours or the consumer's: the process lives on, and what is known is built anew.
                logger.exception("watch of %s failed", self._path)
                self._progress.lost()
                delay = self._failed(KubeError(f"GET {self._path} (watch): a bug; the traceback is in the log"))
            self._stopping.wait(delay)

    def _round(self) -> float:
        """One stream, from its start to its end, after a list where one is needed; seconds until the next one."""
        if self._progress.resource_version is None:
            self._list()
        seconds = int(self._pace.watch * (1 + self._random()))
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._progress.resource_version or "",
            "timeoutSeconds": str(max(seconds, 1)),
        }
        began = self._clock()
        self._heard = False
        try:
            with self._client.stream(self._path, query, silence=self._pace.silence) as chunks:
                self._followed()
                self._progress.opened()
                for data in chunks:
                    self._take(data)
        except UnavailableError:
            raise
        except KubeError:
            self._progress.lost()
            raise
        finally:
            steady = self._clock() - began >= self._pace.steady
            if self._heard or steady:
                self._failures = 0
        if not self._heard and not steady:
            raise UnavailableError(f"GET {self._path} (watch): the API server ended it at once")
        # No failure, but nobody may make us ask thousands of times a second.
        return 0.0 if steady else self._random() * self._pace.backoff_first

    def _list(self) -> None:
        pace = self._pace
        listing = self._client.list(self._path, keep=self._keep, timeout=pace.request, page_size=pace.page_size)
        self._consumer.replace(listing.items, listing.resource_version)
        self._progress.listed(listing.resource_version)
        self.confirmed_at = self._clock()

    def _take(self, data: bytes) -> None:
        for change in self._progress.feed(data):
            if change.item is not None:
                apply = self._consumer.upsert if change.kind == "upsert" else self._consumer.delete
                apply(change.item)
            self.confirmed_at = self._clock()
            self._heard = True

    def _followed(self) -> None:
        if self.failure is not None:
            logger.info("watch of %s works again", self._path)
        self.failure, self.is_forbidden = None, False

    def _failed(self, exc: KubeError) -> float:
        """Seconds until the next try: full jitter, doubling, never sooner than the API server asked."""
        if self._stopping.is_set():
            return 0.0
        if self.problem != str(exc):
            logger.warning("watch of %s interrupted: %s", self._path, exc)
        self.failure = exc
        self.is_forbidden = self.is_forbidden or isinstance(exc, ForbiddenError)
        cap = self._pace.forbidden_cap if isinstance(exc, ForbiddenError) else self._pace.backoff_cap
        ceiling = min(cap, self._pace.backoff_first * 2.0 ** min(self._failures, 30))
        self._failures += 1
        asked = exc.retry_after if isinstance(exc, UnavailableError) else None
        return max(self._random() * ceiling, min(asked or 0.0, self._pace.backoff_cap))
