"""How HTTP maps to a review, without a server."""

import json
import logging
from collections.abc import Mapping
from typing import Any

import pytest

from serving.status import Readiness
from tests.webhook.server.served import review
from tests.webhook.server.webhooks import review_of
from webhook.app import create_app
from webhook.review import Answer


class Recorded:
    """Metrics and events in memory."""

    def __init__(self) -> None:
        self.reviews: list[tuple[str, str]] = []
        self.bugs = 0
        self.events: list[tuple[str, Mapping[str, Any]]] = []

    def reviewed(self, outcome: str, reason: str, seconds: float) -> None:
        """Remember it."""
        assert seconds >= 0
        self.reviews.append((outcome, reason))

    def bug(self) -> None:
        """Count it."""
        self.bugs += 1

    def render(self) -> bytes:
        """Something to find."""
        return b"metrics here"

    def write(self, event: str, fields: Mapping[str, Any]) -> None:
        """Remember it."""
        self.events.append((event, fields))


def test_bug_answers_500_with_the_uid_and_lives_on(caplog: pytest.LogCaptureFixture) -> None:
    """A bug is an answer with the uid, one traceback without the pod, one count; the next review is served."""
    recorded = Recorded()
    caller = create_app(review, metrics=recorded, events=recorded).test_client()

    failed = caller.post("/pods", data=review_of("bug", "u7", env="hunter2"), content_type="application/json")

    assert failed.status_code == 200
    assert failed.get_json() == {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {
            "uid": "u7",
            "allowed": False,
            "status": {
                "metadata": {},
                "message": "token-injector failed on this pod: a bug; the webhook's log has the traceback",
                "code": 500,
            },
        },
    }
    (logged,) = caplog.records
    assert "builtins.KeyError" in logged.getMessage()
    assert "served.py" in logged.getMessage()
    assert "hunter2" not in caplog.text
    assert (recorded.bugs, recorded.reviews) == (1, [("failed", "bug")])
    assert recorded.events[0][1]["uid"] == "u7"
    assert caller.post("/pods", data=review_of("good"), content_type="application/json").get_json()["response"][
        "allowed"
    ]


def test_answer_that_is_no_json_is_a_bug(caplog: pytest.LogCaptureFixture) -> None:
    """An answer with NaN would be refused by the API server: it is ours to say so."""
    answer = {"response": {"uid": "u1", "allowed": True, "warnings": [float("nan")]}}
    app = create_app(lambda _: Answer(body=answer, outcome="injected", reason="native", fields={}))
    found = app.test_client().post("/pods", data=review_of("any"), content_type="application/json").get_json()
    assert found["response"]["status"]["code"] == 500
    assert len(caplog.records) == 1


@pytest.mark.parametrize("uid", ['"patch":""', '\\"patch":""', "ü", '{"patch":""}'])
def test_patch_stands_in_its_place_alone(uid: str) -> None:
    """A patch is put into the answer's text as it is, and no text of a caller's is taken for its place."""
    response = {"uid": uid, "allowed": True, "warnings": [uid], "patchType": "JSONPatch", "patch": "W10="}
    body = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
    answer = Answer(body=body, outcome="injected", reason="native", fields={})
    caller = create_app(lambda _: answer).test_client()

    answered = caller.post("/pods", data=review_of("good"), content_type="application/json")

    assert json.loads(answered.get_data(as_text=True)) == body


def test_review_too_deep_for_us_is_a_bad_request(caplog: pytest.LogCaptureFixture) -> None:
    """A body that the parser takes and a review can't walk is the caller's doing, not a bug."""

    def walk(body: Any) -> Answer:
        return walk(body)

    app = create_app(walk)
    found = app.test_client().post("/pods", data=review_of("any", "u9"), content_type="application/json").get_json()
    assert found["response"]["uid"] == "u9"
    assert found["response"]["status"] == {"metadata": {}, "message": "the body is nested too deeply", "code": 400}
    assert caplog.records == []


def test_line_of_a_review() -> None:
    """Names, outcome, reason, time, number of warnings; nothing of the pod's content."""
    recorded = Recorded()
    app = create_app(review, metrics=recorded, events=recorded)
    app.test_client().post("/pods", data=review_of("good", env="hunter2"), content_type="application/json")

    ((event, fields),) = recorded.events
    assert event == "review"
    assert fields == {
        "webhook": "init-token-injector-pods",
        "uid": "u1",
        "namespace": "ns",
        "pod": "good",
        "service_account": "default",
        "outcome": "injected",
        "reason": "native",
        "warnings": 1,
        "milliseconds": fields["milliseconds"],
    }
    assert "hunter2" not in json.dumps(fields)


def test_readiness_says_what_is_missing() -> None:
    """/readyz answers 503 with each missing part and its reason; /healthz stays 200."""
    missing: dict[str, str] = {}
    caller = create_app(review, readiness=lambda: Readiness(missing=missing)).test_client()
    assert caller.get("/readyz").get_json() == {"ready": True, "missing": {}}

    missing["service accounts"] = "not yet listed"
    found = caller.get("/readyz")
    assert found.status_code == 503
    assert found.get_json() == {"ready": False, "missing": {"service accounts": "not yet listed"}}
    assert caller.get("/healthz").status_code == 200


def test_readiness_says_what_is_wrong_while_it_serves() -> None:
    """A source that can't be followed is named; the last good state is served, so the answer stays 200."""
    problems = {"service accounts": "the API server is away"}
    caller = create_app(review, readiness=lambda: Readiness(missing={}, problems=problems)).test_client()

    found = caller.get("/readyz")

    assert found.status_code == 200
    assert found.get_json() == {"ready": True, "missing": {}, "problems": problems}


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/pods", 405), ("GET", "/", 404), ("POST", "/x", 404)])
def test_elsewhere_is_nothing(method: str, path: str, status: int) -> None:
    """Other paths and methods are refused in one plain line."""
    found = create_app(review).test_client().open(path, method=method)
    assert (found.status_code, found.content_type) == (status, "text/plain")
    assert found.data.startswith(str(status).encode())


def test_metrics_are_on_the_main_listener_too() -> None:
    """/metrics is where the seed has it."""
    app = create_app(review, metrics=Recorded())
    found = app.test_client().get("/metrics")
    assert (found.data, found.content_type) == (b"metrics here", "text/plain; version=0.0.4; charset=utf-8")


def test_flask_logs_nothing_of_a_request(caplog: pytest.LogCaptureFixture) -> None:
    """At any level, no body reaches a log."""
    with caplog.at_level(logging.DEBUG):
        body = review_of("good", env="hunter2")
        create_app(review).test_client().post("/pods", data=body, content_type="application/json")
    assert "hunter2" not in caplog.text
