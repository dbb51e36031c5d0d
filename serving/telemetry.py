"""How does HTTP map to what operators ask? Liveness, readiness, metrics.

On the main listener beside what is served there, and alone on `--telemetry-listen-address`, which never speaks TLS.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol

from flask import Flask, Response, jsonify
from werkzeug.exceptions import HTTPException

from contract.server import LIVE_PATH, METRICS_PATH, READY_PATH
from serving.status import Readiness

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8"  # Prometheus' text exposition format


class RendersMetrics(Protocol):
    """The metrics of all worker processes."""

    def render(self) -> bytes:
        """In Prometheus' text format."""


def create_telemetry_app(readiness: Callable[[], Readiness], metrics: RendersMetrics) -> Flask:
    """A Flask application with /healthz, /readyz and /metrics."""
    app = Flask("serving", static_folder=None)

    @app.get(LIVE_PATH)
    def alive() -> Response:
        """Whoever can answer lives: a restart mends nothing that readiness reports."""
        return Response("ok\n", content_type="text/plain")

    @app.get(READY_PATH)
    def ready() -> tuple[Response, int]:
        found = readiness()
        parts = {"missing": found.missing, "problems": found.problems, "details": found.details}
        told = {name: dict(part) for name, part in parts.items() if part or name == "missing"}
        return jsonify(ready=found.is_ready, **told), 200 if found.is_ready else 503

    @app.get(METRICS_PATH)
    def exposition() -> Response:
        return Response(metrics.render(), content_type=_TEXT_FORMAT)

    @app.errorhandler(HTTPException)
    def refused(exc: HTTPException) -> Response:
        return Response(f"{exc.code} {exc.name}\n", status=exc.code, content_type="text/plain")

    return app


def by_listener(
    main: "WSGIApplication", telemetry: "WSGIApplication", telemetry_address: tuple[str, int]
) -> "WSGIApplication":
    """One WSGI application: `telemetry` on the telemetry listener's address, `main` elsewhere."""
    host, port = telemetry_address

    def dispatch(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        is_telemetry = environ["SERVER_NAME"] == host and environ["SERVER_PORT"] == str(port)
        return (telemetry if is_telemetry else main)(environ, start_response)

    return dispatch
