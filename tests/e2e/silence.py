"""Is a value of a secret written anywhere? Looks for the run's canary in all that a namespace's objects have said."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from demo.cluster.kubectl import apply, kubectl, listed, run
from demo.cluster.release import NAMESPACE
from demo.cluster.workload import namespace
from tests.e2e.vault import CANARY

_TELEMETRY_PORT = 9090


@contextmanager
def silent_namespace(what: str) -> Iterator[str]:
    """A restricted namespace; in the end neither its pods nor those of the release have told a value."""
    name = f"e2e-{what}-{uuid.uuid4().hex[:6]}"
    apply(namespace(name, enforce="restricted"))
    try:
        yield name
        told = {**_told(name), **_told(NAMESPACE), **_metrics()}
        assert any(where.endswith("logs") and text for where, text in told.items())
        assert [where for where, text in told.items() if CANARY in text] == []
    finally:
        kubectl("delete", "namespace", name, "--wait=false")


def _told(place: str) -> dict[str, str]:
    """Logs of now and before, events, and objects with their termination messages, by where they are."""
    found = {f"{place} {kind}": kubectl("get", kind, "-n", place, "-o", "yaml") for kind in ("pods", "events")}
    for pod in listed("pods", place):
        name = pod["metadata"]["name"]
        logs = ["kubectl", "logs", "-n", place, name, "--all-containers", "--ignore-errors"]
        found[f"{place}/{name} logs"] = run(logs, seconds=60).stdout
        statuses = [pod["status"].get(key) or [] for key in ("initContainerStatuses", "containerStatuses")]
        if any(status["restartCount"] for each in statuses for status in each):
            found[f"{place}/{name} earlier logs"] = run([*logs, "--previous"], seconds=60).stdout
    return found


def _metrics() -> dict[str, str]:
    """Of the webhook and the broker."""
    names = [
        pod["metadata"]["name"]
        for component in ("webhook", "broker")
        for pod in listed("pods", NAMESPACE, f"app.kubernetes.io/component={component}")
    ]
    path = "/api/v1/namespaces/{}/pods/{}:{}/proxy/metrics"
    return {f"{name} metrics": kubectl("get", "--raw", path.format(NAMESPACE, name, _TELEMETRY_PORT)) for name in names}
