"""Bad requests over real TLS, each with the literal answer. The table follows controller-runtime's http_test.go."""

import json
import time
from typing import Any

import pytest

from tests.webhook.server.webhooks import JSON, RunningWebhook, review_of

pytestmark = pytest.mark.slow

EXPECTED = "expected application/json"
TOO_LARGE = "request body is larger than 65536 bytes (--max-body-bytes)"
NOT_JSON = "the body is not JSON in UTF-8"


def refusal(message: str, code: int = 400, uid: str = "") -> dict[str, Any]:
    """The whole AdmissionReview that says no."""
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {
            "uid": uid,
            "allowed": False,
            "status": {"metadata": {}, "message": message, "code": code},
        },
    }


DEEP = b'{"request":' + b"[" * 20_000 + b"]" * 20_000 + b"}"


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        pytest.param(b"", JSON, refusal("request body is empty"), id="empty"),
        pytest.param(b"{}", {"Content-Type": "a/foo"}, refusal(f"contentType=a/foo, {EXPECTED}"), id="content type"),
        pytest.param(b"{}", {}, refusal(f"contentType=, {EXPECTED}"), id="no content type"),
        pytest.param(b"{}", {"Content-Type": "x" * 500}, refusal(f"contentType={'x' * 100}, {EXPECTED}"), id="long"),
        pytest.param(b"{", JSON, refusal(f"{NOT_JSON} at byte 1"), id="half"),
        pytest.param(b"hello", JSON, refusal(f"{NOT_JSON} at byte 0"), id="text"),
        pytest.param(b'{"a":"\xff"}', JSON, refusal(NOT_JSON), id="not UTF-8"),
        pytest.param('{"request":{}}'.encode("utf-16"), JSON, refusal(NOT_JSON), id="UTF-16"),
        pytest.param(b'{"request":NaN}', JSON, refusal(NOT_JSON), id="NaN"),
        pytest.param(b'{"request":-Infinity}', JSON, refusal(NOT_JSON), id="Infinity"),
        pytest.param(b'{"request":1e999}', JSON, refusal(NOT_JSON), id="huge float"),
        pytest.param(b'{"request":' + b"9" * 5000 + b"}", JSON, refusal(NOT_JSON), id="huge integer"),
        pytest.param(DEEP, JSON, refusal("the body is nested too deeply"), id="nested"),
        pytest.param(b"[]", JSON, refusal("no request"), id="a list"),
        pytest.param(b"x" * 65537, JSON, refusal(TOO_LARGE, 413), id="too large"),
    ],
)  # fmt: skip
def test_bad_request(webhook: RunningWebhook, body: bytes, headers: dict[str, str], expected: dict[str, Any]) -> None:
    """A bad request is HTTP 200 with an AdmissionReview that says what was expected."""
    with webhook.caller() as caller:
        assert caller.post(body, headers) == expected


def test_parameters_of_the_content_type_are_accepted(webhook: RunningWebhook) -> None:
    """application/json; charset=utf-8 is JSON."""
    with webhook.caller() as caller:
        answer = caller.post(review_of("good"), {"Content-Type": "application/json; charset=utf-8"})
    assert answer["response"] == {"uid": "u1", "allowed": True, "warnings": ["one"]}


def test_bug_in_our_code(webhook: RunningWebhook) -> None:
    """A bug answers 500 with the uid; the log has one traceback and nothing of the pod; the same workers live on."""
    workers = webhook.workers()
    with webhook.caller() as caller:
        answer = caller.post(review_of("bug", "u8", env="hunter2"))
        assert answer["response"]["uid"] == "u8"
        assert answer["response"]["status"]["code"] == 500
        assert caller.post(review_of("good"))["response"]["allowed"]
    assert webhook.workers() == workers
    assert webhook.log().count("builtins.KeyError") == 1
    assert "hunter2" not in webhook.log()
    assert webhook.metric("token_injector_bugs_total") == 1


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"\x00" * 100 + b"\r\n\r\n", b"400"),
        (b"GET / HTTP/9.9\r\n\r\n", b"400"),
        (b"POST /pods HTTP/1.1\r\nno colon\r\n\r\n", b"400"),
        (b"POST /pods HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", b"400"),
        (b"POST /pods HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"POST /pods HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", b"400"),
        (b"POST /pods HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n0\r\n\r\n", b"400"),
        (b"POST /pods HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 40_000, b"431"),
    ],
)
def test_malformed_http(webhook: RunningWebhook, sent: bytes, status: bytes) -> None:
    """What is not HTTP is refused in one line and the connection closed."""
    with webhook.raw() as sock:
        sock.sendall(sent)
        answer = b"".join(iter(lambda: sock.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert b"Connection: close" in answer


def test_malformed_http_never_reaches_the_log(webhook: RunningWebhook) -> None:
    """A broken header may be a credential: neither the log nor the answer repeats it."""
    with webhook.raw() as sock:
        sock.sendall(b"POST /pods HTTP/1.1\r\nAuthorization hunter2\r\n\r\n")
        answer = sock.recv(4096)
    assert b"hunter2" not in answer
    assert "hunter2" not in webhook.log()


def test_chunked_body_is_read(webhook: RunningWebhook) -> None:
    """A body in chunks is a body; one over the limit is refused before it is all there."""
    body = review_of("good")
    with webhook.caller() as caller:
        caller.connection.request("POST", "/pods", body=iter([body[:7], body[7:]]), headers=JSON, encode_chunked=True)
        assert json.loads(caller.connection.getresponse().read())["response"]["allowed"]
        caller.connection.request("POST", "/pods", body=iter([b"x" * 9000] * 9), headers=JSON, encode_chunked=True)
        response = caller.connection.getresponse()
        assert json.loads(response.read())["response"]["status"]["code"] == 413
        assert response.headers["Connection"] == "close"


def test_eight_megabytes_are_refused_while_they_come(webhook: RunningWebhook) -> None:
    """The answer reaches a caller that is still sending, and the connection ends."""
    with webhook.caller() as caller:
        assert caller.post(b"x" * (8 * 1024 * 1024))["response"]["status"]["code"] == 413


def test_lines_have_no_body(webhook: RunningWebhook) -> None:
    """The reviews' lines hold names only, one line for each review, bad ones too."""
    with webhook.caller() as caller:
        caller.post(review_of("lined", "u-lined", env="hunter2"))
        caller.post(b'{"hunter2"')
    with webhook.caller() as caller:
        caller.get("/healthz")
    deadline = time.monotonic() + 10
    while not (lined := [event for event in webhook.events if event.get("uid") == "u-lined"]):
        assert time.monotonic() < deadline  # the line may come after the answer
        time.sleep(0.02)
    assert [(event["pod"], event["outcome"], event["warnings"]) for event in lined] == [("lined", "injected", 1)]
    assert not any("hunter2" in line for line in webhook.lines)
