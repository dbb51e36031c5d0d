"""A webhook to test the edge with: real gunicorn, real TLS, a review made for the test.

`served.py SETTINGS_AS_JSON`. The pod's name says what its review does: sleep-SECONDS, bug, deep; others are allowed.
A worker that is forked sleeps for `fork_seconds` before it does anything, as on a machine that is busy.
"""

import json
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from serving import log
from serving.status import Readiness, said
from serving.worker import Worker
from webhook.review import Answer, failure
from webhook.reviews import Reviews
from webhook.server import run
from webhook.settings import ServerSettings, from_environ
from webhook.status import Gauges

DEFAULTS = ServerSettings(
    listen_address="127.0.0.1:0",
    telemetry_listen_address="",
    tls_cert_file="",
    tls_private_key_file="",
    insecure_http=False,
    service_accounts_file="",
    kubeconfig="",
    role_policy_file="",
    broker_ca_file="",
    follows_kubelet_versions=True,
    entrypoint=from_environ({})[1].entrypoint,
    workers=2,
    threads=4,
    max_body_bytes=7 * 1024 * 1024,
    read_timeout=5.0,
    graceful_timeout=4.0,
    log_level="warning",
    log_json=True,
)


def review(body: Any) -> Answer:
    """Allow, after what the pod's name asks for."""
    request = body["request"] if isinstance(body, dict) else {}
    name = (request.get("object") or {}).get("metadata", {}).get("name", "")
    if name.startswith("sleep-"):
        time.sleep(float(name.removeprefix("sleep-")))
    if name == "bug":
        raise KeyError(request["object"]["spec"]["secret"])
    fields = {"uid": request.get("uid", ""), "namespace": "ns", "pod": name, "service_account": "default"}
    if not request:
        return Answer(body=failure(body, 400, "no request"), outcome="invalid", reason="bad_review", fields=fields)
    answer = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {"uid": request["uid"], "allowed": True, "warnings": ["one"]},
    }
    return Answer(body=answer, outcome="injected", reason="native", fields=fields)


def start_reviews(unready_file: str) -> Reviews:
    """Ready unless the file says why not; where it says bug, the gauges have one."""
    threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()  # as a watch would

    def unready() -> str:
        return Path(unready_file).read_text() if unready_file and Path(unready_file).exists() else ""

    def gauges() -> Gauges:
        if unready() == "bug":
            raise KeyError("gauges")
        return Gauges(
            service_accounts=3,
            age=1.5,
            floor_version="1.28" if unready() else "1.36",
            floor_source="nodes",
            role_policy_loaded_at=100.0,
            role_policy_failures=2,
        )

    return Reviews(
        review=review,
        readiness=lambda: Readiness(missing=said({"service accounts": unready()})),
        gauges=gauges,
        stop=lambda: None,
    )


def slow_after_fork(seconds: float) -> None:
    """Let each worker sleep where gunicorn first lets it do something of its own: before it has signal handlers."""
    make_thread_pool = Worker.get_thread_pool

    def get_thread_pool(worker: Worker) -> Any:
        time.sleep(seconds)
        return make_thread_pool(worker)

    Worker.get_thread_pool = get_thread_pool


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    unready = given.pop("unready_file", "")
    slow_after_fork(given.pop("fork_seconds", 0.0))
    settings = replace(DEFAULTS, **given)
    log.configure(settings.log_level, as_json=settings.log_json)
    sys.exit(run(settings, lambda _: start_reviews(unready), "1.2.3"))
