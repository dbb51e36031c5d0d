"""Pods created at a steady rate, and what became of each: mutated, unmutated, refused.

They name a scheduler that nobody serves, so that the load is the API server's and the webhook's alone, not the node's.
"""

import queue
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from demo.cluster.workload import pod
from kube.client import Client
from kube.config import Connection
from kube.errors import KubeError

NOBODY = "nobody"
VOLUME = "token-injector-volume"
# The API server gives a webhook 5 s; who creates pods waits a little longer.
REQUEST_SECONDS = 15.0
_POD, _END = "pod", "end"


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What became of the pods."""

    created: int = 0
    unmutated: int = 0
    refused: int = 0
    unreachable: int = 0
    """The API server itself did not answer, so no webhook was asked."""
    reasons: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    """Seconds of the slowest creation that went well."""

    @property
    def asked(self) -> int:
        """Creations that were tried."""
        return self.created + self.refused + self.unreachable


class Load:
    """Creates pods from several threads, each with connections of its own."""

    def __init__(self, connection: Connection, namespace: str, *, rate: float, threads: int = 4) -> None:
        """`rate` is pods per second, all threads together."""
        self._client = Client(connection, connections=threads)
        self._path = f"/api/v1/namespaces/{namespace}/pods"
        self._pod = pod(namespace, "", [{"name": "app", "image": "nothing"}], schedulerName=NOBODY)
        self._pod["metadata"] = {**self._pod["metadata"], "generateName": "load-"}
        del self._pod["metadata"]["name"]
        self._interval = 1 / rate
        self._due: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._create, daemon=True) for _ in range(threads)]
        self._clock = threading.Thread(target=self._tick, daemon=True)
        self.outcome = Outcome()

    def start(self) -> None:
        """Begin."""
        for thread in (*self._threads, self._clock):
            thread.start()

    def stop(self) -> Outcome:
        """End, when every creation under way has its answer."""
        self._stopping.set()
        self._clock.join()
        for _ in self._threads:
            self._due.put(_END)
        for thread in self._threads:
            thread.join()
        self._client.close()
        return self.outcome

    def _tick(self) -> None:
        due = time.monotonic()
        while not self._stopping.is_set():
            self._due.put(_POD)
            due += self._interval
            self._stopping.wait(max(0.0, due - time.monotonic()))

    def _create(self) -> None:
        while self._due.get() == _POD:
            began = time.monotonic()
            try:
                created = self._client.create(self._path, self._pod, timeout=REQUEST_SECONDS)
            except KubeError as exc:
                self._count_failure(str(exc))
                continue
            self._count(created, time.monotonic() - began)

    def _count(self, created: Mapping[str, Any], seconds: float) -> None:
        volumes = {volume["name"] for volume in created["spec"].get("volumes") or ()}
        with self._lock:
            self.outcome.created += 1
            self.outcome.unmutated += VOLUME not in volumes
            self.outcome.slowest = max(self.outcome.slowest, seconds)

    def _count_failure(self, reason: str) -> None:
        from_webhook = "webhook" in reason
        with self._lock:
            self.outcome.refused += from_webhook
            self.outcome.unreachable += not from_webhook
            self.outcome.reasons[reason.partition("/pods: ")[2] or reason] += 1


@contextmanager
def load(connection: Connection, namespace: str, *, rate: float) -> Iterator[Outcome]:
    """Pods while the context lasts; the outcome is whole when it has ended."""
    made = Load(connection, namespace, rate=rate)
    made.start()
    try:
        yield made.outcome
    finally:
        made.stop()
