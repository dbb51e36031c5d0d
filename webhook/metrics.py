"""What does the webhook count, over all its worker processes, beside what every server does (serving/metrics.py)?

As that module, it is imported only after the server has named the folder of the metrics' files.
"""

from typing import Final, get_args

from prometheus_client import Counter, Gauge, Histogram

from serving.metrics import ServingMetrics
from webhook.decision import DenyReason, Shape, SkipReason
from webhook.entrypoint.counts import Attempted, LookedUp, SourceName
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


# From memory it takes microseconds, from a registry that is near tens of milliseconds; the limit is 5 s by default.
_LOOKUP_BUCKETS: Final = (0.001, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0)


class PrometheusMetrics(ServingMetrics):
    """One worker process' metrics."""

    def __init__(self, folder: str, version: str) -> None:
        super().__init__(folder, version)
        self._reviews = Counter("token_injector_reviews", "Reviews answered", ("outcome", "reason"), registry=None)
        self._seconds = Histogram(
            "token_injector_review_seconds", "Time to answer a review", registry=None, buckets=_BUCKETS
        )
        self._lookups = Counter(
            "token_injector_entrypoint_lookups",
            "Questions what an image starts, by how they ended: memory, found, failed, crowded",
            ("outcome",),
            registry=None,
        )
        self._lookup_seconds = Histogram(
            "token_injector_entrypoint_lookup_seconds",
            "Time to answer what an image starts",
            registry=None,
            buckets=_LOOKUP_BUCKETS,
        )
        self._attempts = Counter(
            "token_injector_entrypoint_attempts",
            "Registries asked, by whose credentials, and what they said; unavailable: the credentials could not be had",
            ("source", "outcome"),
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
        for outcome, reasons in _KNOWN_REASONS.items():
            for reason in reasons:
                self._reviews.labels(outcome, reason)
        for ended in get_args(LookedUp):
            self._lookups.labels(ended)
        for source in get_args(SourceName):
            for said in get_args(Attempted):
                self._attempts.labels(source, said)

    def reviewed(self, outcome: str, reason: str, seconds: float) -> None:
        """One review was answered."""
        self._reviews.labels(outcome, reason).inc()
        self._seconds.observe(seconds)

    def looked_up(self, outcome: LookedUp, seconds: float) -> None:
        """One question was answered."""
        self._lookups.labels(outcome).inc()
        self._lookup_seconds.observe(seconds)

    def attempted(self, source: SourceName, outcome: Attempted) -> None:
        """One registry was asked with one credential, or one source had a problem."""
        self._attempts.labels(source, outcome).inc()

    def show(self, gauges: Gauges) -> None:
        """Set the gauges."""
        self._accounts.set(gauges.service_accounts)
        if gauges.age is not None:
            self._age.set(gauges.age)
        self._policy_failures.inc(gauges.role_policy_failures - self._shown_policy_failures)
        self._shown_policy_failures = gauges.role_policy_failures
        if gauges.role_policy_loaded_at is not None:
            self._policy_loaded_at = self._policy_loaded_at or _policy_gauge()
            self._policy_loaded_at.set(gauges.role_policy_loaded_at)
        self._show_floor((gauges.floor_version, gauges.floor_source))

    def _show_floor(self, floor: tuple[str, str]) -> None:
        if floor != self._shown_floor:
            # The new one first: no scrape finds none.
            self._floor.labels(*floor).set(1)
            if self._shown_floor is not None:
                self._floor.labels(*self._shown_floor).set(0)
            self._shown_floor = floor


def _policy_gauge() -> Gauge:
    return Gauge(
        "token_injector_role_policy_loaded_timestamp_seconds",
        "When the role policy in force was loaded, seconds since 1970",
        registry=None,
        multiprocess_mode="livemin",
    )
