"""What does every server of ours count, over all its worker processes?

prometheus_client's multiprocess mode: each process writes files in one folder, a scrape reads them all. The library
chooses that mode when it is imported, so this module is imported only after server.py has named the folder.
"""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

# Known from the start: a counter that appears with its first event hides that event from rate().
_KNOWN_REFUSALS: Final = ("handshake", "deadline", "malformed", "head_too_large", "memory")


class ServingMetrics:
    """One worker process' metrics; a program adds its own to them."""

    def __init__(self, folder: str, version: str) -> None:
        self._folder = folder
        self._bugs = Counter("token_injector_bugs", "Requests that failed by a bug of the program", registry=None)
        self._refused = Counter(
            "token_injector_connections_refused",
            "Connections that brought no whole request",
            ("reason",),
            registry=None,
        )
        self._reload_failures = Counter(
            "token_injector_certificate_reload_failures",
            "Renewed certificates that could not be loaded",
            registry=None,
        )
        # The worst of all processes is what an alert needs.
        self._not_after = Gauge(
            "token_injector_certificate_not_after_seconds",
            "End of the served certificate, seconds since 1970",
            registry=None,
            multiprocess_mode="livemin",
        )
        build = Gauge("token_injector_build_info", "Always 1", ("version",), registry=None, multiprocess_mode="livemax")
        build.labels(version).set(1)
        for reason in _KNOWN_REFUSALS:
            self._refused.labels(reason)

    def bug(self) -> None:
        """Our own code failed."""
        self._bugs.inc()

    def refused(self, reason: str) -> None:
        """A connection brought no whole request."""
        self._refused.labels(reason).inc()

    def reload_failed(self) -> None:
        """A renewed certificate could not be loaded."""
        self._reload_failures.inc()

    def show_certificate(self, not_after: float) -> None:
        """The served certificate's end, in seconds since 1970."""
        self._not_after.set(not_after)

    def render(self) -> bytes:
        """All processes' metrics in Prometheus' text format."""
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=self._folder)  # type: ignore[no-untyped-call]  # the library's
        return generate_latest(registry)


def forget_process(pid: int, folder: str) -> None:
    """A worker ended: its gauges go, its counters stay."""
    mark_process_dead(pid, path=folder)  # type: ignore[no-untyped-call]  # the library's
