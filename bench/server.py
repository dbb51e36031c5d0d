"""The measured server: `python -m bench.server product|noop|constant CERT KEY`.

The first two differ in one function, the review; the last has another Flask application under the same gunicorn.
"""

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest import mock

from flask import Flask, Response, request

import webhook.server
from bench.review import ACCOUNT, SETTINGS
from serving import log
from serving.status import always_ready
from webhook.review import Answer, review
from webhook.reviews import Reviews
from webhook.server import run
from webhook.settings import parse_settings
from webhook.status import Gauges


class _OneAccount:
    def annotations(self, namespace: str, name: str) -> dict[str, str]:
        """The same for everybody."""
        return ACCOUNT if namespace and name else {}


_ACCOUNTS = _OneAccount()
_RESPONSE = {"uid": "7b1f2c3d-0000-4000-8000-000000000001", "allowed": True}
_NOTHING = Answer(
    body={"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": _RESPONSE},
    outcome="unchanged",
    reason="no_label",
    fields={"uid": "", "namespace": "", "pod": "", "service_account": ""},
)


def do_nothing(_: Any) -> Answer:
    """The floor: allow whatever comes."""
    return _NOTHING


def product(body: Any) -> Answer:
    """The real review, of a service account that is in the cache."""
    return review(body, accounts=_ACCOUNTS, settings=SETTINGS)


def constant_app(*_: Any) -> Flask:
    """The floor below the floor: HTTP alone."""
    app = Flask("constant")

    @app.post("/pods")
    def pods() -> Response:
        request.get_data(cache=False)
        return Response(b"{}", content_type="application/json")

    return app


def main() -> int:
    """Serve until told to stop."""
    kind, certificate, key = sys.argv[1:]
    reviews = Reviews(
        review=product if kind == "product" else do_nothing,
        readiness=always_ready,
        gauges=lambda: Gauges(service_accounts=1, age=0.0),
        stop=lambda: None,
    )
    flags = {"listen-address": ["127.0.0.1:0"], "tls-cert-file": [certificate], "tls-private-key-file": [key]}
    _, server = parse_settings(flags, {})
    log.configure(server.log_level, as_json=True)
    with mock.patch.object(webhook.server, "create_app", constant_app) if kind == "constant" else nullcontext():
        return run(server, lambda _: reviews, Path(__file__).stem)


if __name__ == "__main__":
    sys.exit(main())
