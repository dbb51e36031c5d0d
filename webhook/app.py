"""How does HTTP map to a review?

Every answer at /pods is HTTP 200 with an AdmissionReview in it, bad requests and our own bugs too: the API server reads
the reason from there. Nothing of a request is logged but the names in its log line.
"""

import json
import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, Protocol

from flask import Flask, Request, Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from contract.server import PODS_PATH, WEBHOOK_ID
from serving.framing import BodyTooLargeError
from serving.log import EventLog, describe_exception
from serving.status import Readiness, always_ready
from serving.telemetry import RendersMetrics, create_telemetry_app
from webhook.flags import MAX_BODY_BYTES
from webhook.review import Answer, failure

_log = logging.getLogger(__name__)

_BAD_REQUEST = 400
_TOO_LARGE = 413
_BUG = 500
_LONGEST_QUOTE = 100
# An answer is a tree of our own making: no need to look for circles in it.
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False).encode
_NO_FIELDS = {"uid": "", "namespace": "", "pod": "", "service_account": ""}


class Metrics(RendersMetrics, Protocol):
    """What reviews count."""

    def reviewed(self, outcome: str, reason: str, seconds: float) -> None:
        """One review was answered."""

    def bug(self) -> None:
        """Our own code failed."""


class Events(Protocol):
    """Where the line of each review goes."""

    def write(self, event: str, fields: Mapping[str, Any]) -> None:
        """Write one event."""


class _BadRequestError(Exception):
    """What came can't be reviewed. `reason` is a metric's label, the message is the caller's."""

    def __init__(self, reason: str, message: str, code: int = _BAD_REQUEST) -> None:
        super().__init__(message)
        self.reason = reason
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reply:
    text: str = field(repr=False)
    outcome: str
    reason: str
    fields: Mapping[str, str]
    warnings: int = 0


class Uncounted:
    """Metrics for a process that has none."""

    def reviewed(self, outcome: str, reason: str, seconds: float) -> None:
        """Forget it."""

    def bug(self) -> None:
        """Forget it."""

    def render(self) -> bytes:
        """Nothing."""
        return b""


def create_app(
    review: Callable[[Any], Answer],
    readiness: Callable[[], Readiness] = always_ready,
    metrics: Metrics | None = None,
    events: Events | None = None,
    max_body_bytes: int = MAX_BODY_BYTES,
) -> Flask:
    """The webhook's Flask application, for any function that reviews."""
    metrics = metrics or Uncounted()
    events = events or EventLog()
    app = create_telemetry_app(readiness, metrics)
    app.config["MAX_CONTENT_LENGTH"] = max_body_bytes

    @app.post(PODS_PATH)
    def pods() -> Response:
        started = time.perf_counter()
        reply = _reply(request, review, metrics)
        seconds = time.perf_counter() - started
        metrics.reviewed(reply.outcome, reply.reason, seconds)
        said = {"outcome": reply.outcome, "reason": reply.reason, "warnings": reply.warnings}
        events.write(
            "review", {"webhook": WEBHOOK_ID, **reply.fields, **said, "milliseconds": round(seconds * 1000, 3)}
        )
        return Response(reply.text, content_type="application/json")

    return app


def _reply(received: Request, review: Callable[[Any], Answer], metrics: Metrics) -> _Reply:
    body: Any = None
    try:
        body = _decode(_body(received))
        answer = review(body)
        text = _text(answer.body)
    except _BadRequestError as exc:
        return _invalid(body, exc)
    except RecursionError:
        # Deep enough for the parser, too deep for a review: still the caller's doing.
        return _invalid(body, _BadRequestError("not_json", "the body is nested too deeply"))
    except Exception as exc:  # noqa: BLE001 - the outermost edge of a request: the process serves the next one
        metrics.bug()
        _log.error("a bug: this review failed\n%s", describe_exception(exc))
        message = "token-injector failed on this pod: a bug; the webhook's log has the traceback"
        said = _encode(failure(body, _BUG, message))
        return _Reply(text=said, outcome="failed", reason="bug", fields=_NO_FIELDS | {"uid": _uid(body)})
    warnings = len(answer.body["response"].get("warnings", ()))
    return _Reply(text=text, outcome=answer.outcome, reason=answer.reason, fields=answer.fields, warnings=warnings)


def _text(answer: Mapping[str, Any]) -> str:
    """The answer as JSON. Its patch, by far the longest text, is base64: nothing in it has to be looked at.

    What a caller sent cannot be taken for the patch's place: in a JSON string quotes are escaped.
    """
    patch = answer["response"].get("patch")
    if patch is None:
        return _encode(answer)
    text = _encode({**answer, "response": {**answer["response"], "patch": ""}})
    return text.replace('"patch":""', f'"patch":"{patch}"', 1)


def _body(received: Request) -> bytes:
    try:
        data = received.get_data(cache=False)
    except (RequestEntityTooLarge, BodyTooLargeError) as exc:
        limit = received.max_content_length
        message = f"request body is larger than {limit} bytes (--max-body-bytes)"
        raise _BadRequestError("too_large", message, _TOO_LARGE) from exc
    if not data:
        raise _BadRequestError("empty_body", "request body is empty")
    if received.mimetype != "application/json":
        given = received.content_type or ""
        raise _BadRequestError("content_type", f"contentType={given[:_LONGEST_QUOTE]}, expected application/json")
    return data


def _decode(data: bytes) -> Any:
    """JSON as the API server writes it: UTF-8, and no number that JSON doesn't have."""
    try:
        return json.loads(data.decode(), parse_constant=_no_constant, parse_float=_finite)
    except RecursionError as exc:
        raise _BadRequestError("not_json", "the body is nested too deeply") from exc
    except ValueError as exc:
        # The decoder's own text names a place in the body, never its content.
        place = f" at byte {exc.pos}" if isinstance(exc, json.JSONDecodeError) else ""
        raise _BadRequestError("not_json", f"the body is not JSON in UTF-8{place}") from exc


def _no_constant(_: str) -> NoReturn:
    raise ValueError("JSON has no NaN and no Infinity")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("the number is too large")
    return number


def _invalid(body: Any, exc: _BadRequestError) -> _Reply:
    answer = failure(body, exc.code, str(exc))
    return _Reply(text=_encode(answer), outcome="invalid", reason=exc.reason, fields=_NO_FIELDS | {"uid": _uid(body)})


def _uid(body: Any) -> str:
    return str(failure(body, _BAD_REQUEST, "")["response"]["uid"])
