"""How does HTTP map to a question? POST /v1/secrets (secretenv/wire.py), and piggy's POST /secret where it is on.

Nothing of a request is logged but names: the pod, its service account, and what was asked for.
"""

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from flask import Flask, Request, Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from secretenv import wire
from secretenv.broker import legacy as piggy_protocol
from secretenv.broker.answering import Answering, outcomes_of
from secretenv.broker.caller import Callers
from secretenv.broker.grants import as_granted
from secretenv.broker.legacy import Legacy
from secretenv.broker.refused import RefusedError
from serving.framing import BodyTooLargeError
from serving.log import EventLog, describe_exception
from serving.status import Readiness
from serving.telemetry import RendersMetrics, create_telemetry_app

_log = logging.getLogger(__name__)

_BUG = 500
_JSON = "application/json"
_TEXT = "text/plain; charset=utf-8"
_BEARER = "bearer "


class Metrics(RendersMetrics, Protocol):
    """What requests count."""

    def answered(self, protocol: str, outcome: str, seconds: float) -> None:
        """One request was answered."""

    def references(self, outcomes: Mapping[str, int]) -> None:
        """So many references ended how."""

    def bug(self) -> None:
        """Our own code failed."""


class Events(Protocol):
    """Where the line of each request goes."""

    def write(self, event: str, fields: Mapping[str, Any]) -> None:
        """Write one event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the routes call."""

    callers: Callers
    answering: Answering
    legacy: Legacy | None
    """None: piggy's protocol is off."""
    api_place: Callable[[], AbstractContextManager[None]]
    """Entered while the API server is asked."""
    max_body_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Protocol:
    """How one of the two protocols answers."""

    name: str
    answer: "Callable[[Request, _Told], bytes]"
    """The body of a 200. Raises `RefusedError`."""
    refuse: Callable[[str], bytes]
    """The body of any other answer, from its message."""
    refusal_type: str


_Told = dict[str, Any]
"""What the log line says, as far as it is known."""


def create_app(
    parts: Parts, readiness: Callable[[], Readiness], metrics: Metrics, events: Events | None = None
) -> Flask:
    """The broker's Flask application."""
    app = create_telemetry_app(readiness, metrics)
    app.config["MAX_CONTENT_LENGTH"] = parts.max_body_bytes
    written = events or EventLog()
    ours = _Protocol(
        name="v1",
        answer=lambda received, told: _secrets(received, told, parts, metrics),
        refuse=wire.encode_message,
        refusal_type=_JSON,
    )
    app.add_url_rule(wire.PATH, "secrets", lambda: _respond(ours, metrics, written), methods=["POST"])
    if (legacy := parts.legacy) is not None:
        piggys = _Protocol(
            name="piggy",
            answer=lambda received, told: _legacy(received, told, parts, legacy),
            refuse=lambda message: message.encode(errors="replace"),
            refusal_type=_TEXT,
        )
        app.add_url_rule(piggy_protocol.PATH, "secret", lambda: _respond(piggys, metrics, written), methods=["POST"])
    return app


def _respond(protocol: _Protocol, metrics: Metrics, events: Events) -> Response:
    started = time.perf_counter()
    told: _Told = {"protocol": protocol.name}
    try:
        response = Response(protocol.answer(request, told), content_type=_JSON)
        outcome = "answered"
    except RefusedError as exc:
        response = Response(protocol.refuse(str(exc)), exc.status, content_type=protocol.refusal_type)
        outcome = exc.reason
        if exc.retry_after is not None:
            response.headers["Retry-After"] = str(exc.retry_after)
    except Exception as exc:  # noqa: BLE001 - the outermost edge of a request: the process serves the next one
        metrics.bug()
        _log.error("a bug: this request failed\n%s", describe_exception(exc))
        message = "the broker failed: a bug; its log has the traceback"
        response = Response(protocol.refuse(message), _BUG, content_type=protocol.refusal_type)
        outcome = "bug"
    response.headers["Cache-Control"] = "no-store"
    seconds = time.perf_counter() - started
    metrics.answered(protocol.name, outcome, seconds)
    events.write(
        "secrets",
        {**told, "status": response.status_code, "outcome": outcome, "milliseconds": round(seconds * 1000, 3)},
    )
    return response


def _secrets(received: Request, told: _Told, parts: Parts, metrics: Metrics) -> bytes:
    token = received.headers.get("Authorization", "")
    if not token.lower().startswith(_BEARER):
        raise RefusedError(401, "no_token", "expected the header Authorization: Bearer TOKEN")
    body = _body(received, too_long_status=413)
    try:
        question = wire.decode_question(body)
    except wire.WireError as exc:
        raise RefusedError(400, "bad_question", str(exc)) from exc
    with parts.api_place():
        caller = parts.callers.bound(token[len(_BEARER) :].strip())
    told |= {"namespace": caller.namespace, "pod": caller.pod, "service_account": caller.service_account}
    asked = parts.answering.ask(caller, question)
    told |= {"role": asked.identity.role_arn, "asked": _names(question.references)}
    answer = parts.answering.answer(asked, question)
    outcomes = outcomes_of(answer)
    metrics.references(outcomes)
    told["outcomes"] = dict(outcomes)
    return wire.encode_answer(answer)


def _legacy(received: Request, told: _Told, parts: Parts, legacy: Legacy) -> bytes:
    """In piggy's order."""
    if received.mimetype != _JSON:
        raise RefusedError(400, "content_type", "invalid content type, expected application/json")
    token = received.headers.get(piggy_protocol.TOKEN_HEADER, "").strip()
    if not token:
        raise RefusedError(401, "no_token", "missing X-Token")
    question = piggy_protocol.read_question(_body(received, too_long_status=400))
    with parts.api_place():
        caller, config = legacy.identify(token, question)
    told |= {"namespace": caller.namespace, "pod": caller.pod, "service_account": caller.service_account}
    answer = legacy.answer(caller, config)
    told["asked"] = as_granted(answer.source)
    return piggy_protocol.write_answer(answer)


def _body(received: Request, *, too_long_status: int) -> bytes:
    try:
        body = received.get_data(cache=False)
    except (RequestEntityTooLarge, BodyTooLargeError) as exc:
        message = f"request body is larger than {received.max_content_length} bytes (--max-body-bytes)"
        raise RefusedError(too_long_status, "too_large", message) from exc
    if received.mimetype != _JSON:
        raise RefusedError(400, "content_type", "expected Content-Type: application/json")
    return body


def _names(references: tuple[str, ...]) -> str:
    """What was asked for, as far as a log line goes; references hold names, never values."""
    return " ".join(references)
