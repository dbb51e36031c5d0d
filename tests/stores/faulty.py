"""moto behind the strict STS, with a hook before it for what moto cannot do: refuse, throttle, hang, cut an answer."""

import io
import json
from collections import Counter
from collections.abc import Callable, Iterable
from threading import Event
from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Request, Response

from demo.fakes.google import GoogleSigner
from demo.fakes.sts import StsServer

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

Fault = Callable[[dict[str, Any]], Response | None]
"""From the request's JSON to another answer; None: moto's own."""


class FaultyAws(StsServer):
    """`faults` by operation; `asked` counts every request that came, by operation."""

    def __init__(self, signer: GoogleSigner) -> None:
        self.signer = signer
        super().__init__(google_jwks=signer.jwks)
        self.faults: dict[str, Fault] = {}
        self.asked: Counter[str] = Counter()
        self.released = Event()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Serve one request (WSGI)."""
        request = Request(environ)
        operation = request.headers.get("X-Amz-Target", "STS").rpartition(".")[2]
        self.asked[operation] += 1
        fault = self.faults.get(operation)
        if fault:
            answer = fault(json.loads(request.get_data(cache=True)) if operation != "STS" else {})
            if answer is not None:
                served: Iterable[bytes] = answer(environ, start_response)
                return served
            environ["wsgi.input"] = io.BytesIO(request.get_data())
        return super().__call__(environ, start_response)

    def hanging(self, _: dict[str, Any]) -> None:
        """A fault: nothing comes until the test is over."""
        self.released.wait(20)


def says(status: int, code: str, message: str = "") -> Fault:
    """A fault: this error, always."""
    return lambda _: error(status, code, message)


def error(status: int, code: str, message: str = "") -> Response:
    """An error in the form of the JSON protocol."""
    body = json.dumps({"__type": f"com.amazonaws#{code}", "message": message})
    return Response(body, status, content_type="application/x-amz-json-1.1")


def denied(
    action: str, resource: str = "*", why: str = "because no identity-based policy allows the {} action"
) -> Fault:
    """A fault: AccessDenied in the words of IAM."""
    text = (
        f"User: arn:aws:sts::123456789012:assumed-role/reader/ns.app is not authorized to perform: {action} "
        f"on resource: {resource} {why.format(action)}"
    )
    return says(400, "AccessDeniedException", text)
