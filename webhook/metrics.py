"""What is counted, over all worker processes?

prometheus_client's multiprocess mode: each process writes files in one folder, a scrape reads them all. The library
chooses that mode when it is imported, so this module is imported only after server.py has named the folder.
"""

from typing import Final, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from webhook.decision import DenyReason, Shape, SkipReason
from webhook.status import Gauges

# A review takes 0.2 ms; a service account looked up live some 10 to 100 ms; the API server gives up after 5 to 10 s.
_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
# Known from the start: a counter that appears with its first event hides that event from rate().
_KNOWN_REASONS: Final = {
    "injected": (
        *(work + how for work in (*get_args(Shape), "cluster") for how in ("", "_secrets")),
        "no_identity_secrets",
        "ephemeral",
    ),
    "unchanged": (*get_args(SkipReason), "other_resource"),
    "denied": (*get_args(DenyReason), "accounts_unavailable"),
    "invalid": ("bad_review", "bad_pod", "too_large", "empty_body", "content_type", "not_json"),
    "failed": ("bug",),
}
_KNOWN_REFUSALS: Final = ("handshake", "deadline", "malformed", "head_too_large", "memory")


class PrometheusMetrics:
    """One worker process' metrics."""

    def __init__(self, folder: str, version: str) -> None:
        self._folder = folder
        self._reviews = Counter("token_injector_reviews", "Reviews answered", ("outcome", "reason"), registry=None)
        self._seconds = Histogram(
            "token_injector_review_seconds", "Time to answer a review", registry=None, buckets=_BUCKETS
        )
        self._bugs = Counter("token_injector_bugs", "Requests that failed by a bug of the webhook", registry=None)
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
        self._accounts = Gauge(
            "token_injector_service_accounts",
            "Service accounts in the cache",
            registry=None,
            multiprocess_mode="livemin",
        )
        self._age = Gauge(
            "token_injector_service_accounts_age_seconds",
            "Seconds since the cache was known to be current",
            registry=None,
            multiprocess_mode="livemax",
        )
        self._not_after = Gauge(
            "token_injector_certificate_not_after_seconds",
            "End of the served certificate, seconds since 1970",
            registry=None,
            multiprocess_mode="livemin",
        )
        self._floor = Gauge(
            "token_injector_kubelet_version_floor_info",
            "1 for the oldest kubelet that is counted on, and where that is known from; 0 for what held before",
            ("version", "source"),
            registry=None,
            multiprocess_mode="livemax",
        )
        self._shown_floor: tuple[str, str] | None = None
        self._policy_failures = Counter(
            "token_injector_role_policy_reload_failures",
            "Changed role policies that could not be used",
            registry=None,
        )
        self._shown_policy_failures = 0
        # Made where there is a policy: a gauge begins with 0, and a policy of 1970 is an alert.
        self._policy_loaded_at: Gauge | None = None
        build = Gauge("token_injector_build_info", "Always 1", ("version",), registry=None, multiprocess_mode="livemax")
        build.labels(version).set(1)
        for outcome, reasons in _KNOWN_REASONS.items():
            for reason in reasons:
                self._reviews.labels(outcome, reason)
        for reason in _KNOWN_REFUSALS:
            self._refused.labels(reason)

    def reviewed(self, outcome: str, reason: str, seconds: float) -> None:
        """One review was answered."""
        self._reviews.labels(outcome, reason).inc()
        self._seconds.observe(seconds)

    def bug(self) -> None:
        """Our own code failed."""
        self._bugs.inc()

    def refused(self, reason: str) -> None:
        """A connection brought no whole request."""
        self._refused.labels(reason).inc()

    def reload_failed(self) -> None:
        """A renewed certificate could not be loaded."""
        self._reload_failures.inc()

    def show(self, gauges: Gauges, *, not_after: float | None) -> None:
        """Set the gauges; `not_after` is the certificate's end in seconds since 1970."""
        self._accounts.set(gauges.service_accounts)
        if gauges.age is not None:
            self._age.set(gauges.age)
        self._policy_failures.inc(gauges.role_policy_failures - self._shown_policy_failures)
        self._shown_policy_failures = gauges.role_policy_failures
        if gauges.role_policy_loaded_at is not None:
            self._policy_loaded_at = self._policy_loaded_at or _policy_gauge()
            self._policy_loaded_at.set(gauges.role_policy_loaded_at)
        self._show_floor((gauges.floor_version, gauges.floor_source))
        if not_after is not None:
            self._not_after.set(not_after)

    def _show_floor(self, floor: tuple[str, str]) -> None:
        if floor != self._shown_floor:
            # The new one first: no scrape finds none.
            self._floor.labels(*floor).set(1)
            if self._shown_floor is not None:
                self._floor.labels(*self._shown_floor).set(0)
            self._shown_floor = floor

    def render(self) -> bytes:
        """All processes' metrics in Prometheus' text format."""
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=self._folder)  # type: ignore[no-untyped-call]  # the library's
        return generate_latest(registry)


def _policy_gauge() -> Gauge:
    return Gauge(
        "token_injector_role_policy_loaded_timestamp_seconds",
        "When the role policy in force was loaded, seconds since 1970",
        registry=None,
        multiprocess_mode="livemin",
    )


def forget_process(pid: int, folder: str) -> None:
    """A worker ended: its gauges go, its counters stay."""
    mark_process_dead(pid, path=folder)  # type: ignore[no-untyped-call]  # the library's
