"""What does the broker count, beside what every server does (serving/metrics.py)?

As that module, it is imported only after the server has named the folder of the metrics' files.
"""

from collections.abc import Mapping
from typing import Final, get_args

from prometheus_client import Counter, Gauge, Histogram

from secretenv.stores import Reason
from serving.metrics import ServingMetrics

# A request from memory takes some milliseconds, one that waits for AWS up to the request timeout.
_BUCKETS: Final = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
# Known from the start: a counter that appears with its first event hides that event from rate().
_KNOWN_OUTCOMES: Final = ("answered", "bad_token", "pod_over", "denied_often", "busy", "unavailable", "bug")
_KNOWN_ORIGINS: Final = ("cache", "aws", "stale")
_KNOWN_CALLS: Final = ("AssumeRoleWithWebIdentity", "GetSecretValue", "BatchGetSecretValue")
_CALL_OUTCOMES: Final = ("ok", "throttled", "refused", "failed", "no_answer")


class BrokerMetrics(ServingMetrics):
    """One worker process' metrics."""

    def __init__(self, folder: str, version: str, *, legacy: bool) -> None:
        super().__init__(folder, version)
        self._requests = Counter(
            "token_injector_broker_requests", "Requests for secrets answered", ("protocol", "outcome"), registry=None
        )
        self._seconds = Histogram(
            "token_injector_broker_request_seconds", "Time to answer a request", registry=None, buckets=_BUCKETS
        )
        self._references = Counter(
            "token_injector_broker_references",
            "References that pods asked for, by what became of them",
            ("outcome",),
            registry=None,
        )
        self._served = Counter(
            "token_injector_broker_sources",
            "Secrets, parameters and items given from memory (cache), from AWS (aws), or from memory because AWS could "
            "not answer (stale)",
            ("origin",),
            registry=None,
        )
        self._calls = Counter(
            "token_injector_broker_aws_calls",
            "Requests to AWS, repetitions included",
            ("api", "outcome"),
            registry=None,
        )
        self._grants_loaded_at: Gauge | None = None
        self._grants_failures = Counter(
            "token_injector_broker_grants_reload_failures", "Changed grants that could not be used", registry=None
        )
        self._shown_failures = 0
        for outcome in _KNOWN_OUTCOMES:
            for protocol in ("v1", "piggy") if legacy else ("v1",):
                self._requests.labels(protocol, outcome)
        for outcome in ("value", *get_args(Reason)):
            self._references.labels(outcome)
        for origin in _KNOWN_ORIGINS:
            self._served.labels(origin)
        for api in _KNOWN_CALLS:
            for outcome in _CALL_OUTCOMES:
                self._calls.labels(api, outcome)

    def answered(self, protocol: str, outcome: str, seconds: float) -> None:
        """One request was answered."""
        self._requests.labels(protocol, outcome).inc()
        self._seconds.observe(seconds)

    def references(self, outcomes: Mapping[str, int]) -> None:
        """So many references ended how."""
        for outcome, number in outcomes.items():
            self._references.labels(outcome).inc(number)

    def served(self, origin: str, number: int) -> None:
        """So many sources came from there."""
        if number:
            self._served.labels(origin).inc(number)

    def asked(self, api: str, outcome: str) -> None:
        """One request to AWS."""
        self._calls.labels(api, outcome).inc()

    def show_grants(self, *, loaded_at: float, failures: int) -> None:
        """The grants in force: since when, in seconds since 1970, and how many newer ones could not be used."""
        # Made where there are grants: a gauge begins with 0, and grants of 1970 are an alert.
        self._grants_loaded_at = self._grants_loaded_at or _grants_gauge()
        self._grants_loaded_at.set(loaded_at)
        self._grants_failures.inc(failures - self._shown_failures)
        self._shown_failures = failures


def _grants_gauge() -> Gauge:
    return Gauge(
        "token_injector_broker_grants_loaded_timestamp_seconds",
        "When the grants in force were loaded, seconds since 1970",
        registry=None,
        multiprocess_mode="livemin",
    )
