"""One port for all of AWS: AssumeRoleWithWebIdentity is ours, everything else is moto's behind the gate.

moto's state belongs to the process: two servers in one process share their buckets.
"""

import io
import itertools
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import BaseWSGIServer, make_server
from werkzeug.test import Client
from werkzeug.wrappers import Request, Response

from demo.fakes.sts import gate, permission
from demo.fakes.sts.assume import issue, trusted
from demo.fakes.sts.errors import RefusedError
from demo.fakes.sts.parameters import ACTION
from demo.fakes.sts.registry import Account, Call, Jwks, Session

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

POLL_SECONDS = 0.02


# moto's handler keeps the headers' names; `calls` are the log, not a line on stderr per request.
QUIET_HANDLER = type("QuietHandler", (MotoRequestHandler,), {"log": lambda *_: None})


class StsServer(Account):
    """A context manager on `host`:`port` (0: a free one)."""

    def __init__(
        self, *, google_jwks: Jwks, host: str = "127.0.0.1", port: int = 0, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__(google_jwks=google_jwks)
        self.clock = clock
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._turns = itertools.count()
        self._server: BaseWSGIServer = make_server(host, port, self, threaded=True, request_handler=QUIET_HANDLER)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(POLL_SECONDS,), daemon=True)

    @property
    def url(self) -> str:
        """The value of AWS_ENDPOINT_URL."""
        return f"http://{self._server.host}:{self._server.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def environment(self) -> dict[str, str]:
        """Give the environment in which an AWS SDK calls this server and looks nowhere else."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_REGION": "eu-west-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }

    def reset(self) -> None:
        """Forget everything but Google's keys, moto's state too."""
        super().reset()
        Client(self._moto, Response).post("/moto-api/reset")

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Serve one request (WSGI)."""
        request = Request(environ)
        form = _form(request)
        answer = self._cannot_answer(request, form)
        if answer is None:
            answer = self._assume_role(form) if form.get("Action") == ACTION else self._stopped_at_gate(request, form)
        application = answer or self._moto
        served: Iterable[bytes] = application(environ, start_response)
        return served

    def _assume_role(self, form: Mapping[str, str]) -> Response:
        request_id = str(uuid.uuid4())
        try:
            asked, identity = trusted(form, self, now=self.clock())
        except RefusedError as error:
            self.calls.append(
                Call(
                    action=ACTION,
                    outcome=error.code,
                    role_arn=form.get("RoleArn"),
                    session_name=form.get("RoleSessionName"),
                )
            )
            return Response(error.xml(request_id), error.status, content_type="text/xml")
        issued = issue(
            asked,
            identity,
            self._forward,
            session_scale=self.session_scale,
            now=self.clock(),
            request_id=request_id,
        )
        self.sessions[issued.access_key_id] = issued.session
        self._record(ACTION, None, issued.session)
        return Response(issued.xml, content_type="text/xml")

    def _cannot_answer(self, request: Request, form: Mapping[str, str]) -> Response | None:
        """What AWS says where it is away, and to every second call where it throttles."""
        if self.clock() < self.away_until:
            refusal = RefusedError("ServiceUnavailable", "Service unavailable", HTTPStatus.SERVICE_UNAVAILABLE)
        elif self.throttles and next(self._turns) % 2:
            refusal = RefusedError("Throttling", "Rate exceeded")
        else:
            return None
        self._record(_action(request, form), refusal, None)
        request.get_data()  # a kept-alive connection needs its body read
        return gate.answer(refusal, request, gate.signer_of(request), str(uuid.uuid4()))

    def _stopped_at_gate(self, request: Request, form: Mapping[str, str]) -> Response | None:
        signer = gate.signer_of(request)
        refusal = gate.refusal(signer, self.sessions, now=self.clock())
        session = self.sessions.get(signer.access_key_id) if signer else None
        role = self.roles.get(session.role_arn) if session else None
        if refusal is None and signer and role and request.headers.get("X-Amz-Target"):
            called = f"{signer.service}:{_action(request, form).rpartition('.')[2]}"
            refusal = permission.denial(called, _read_json(request), role.reads)
        self._record(_action(request, form), refusal, session)
        if refusal is None:
            return None
        request.get_data()  # as above
        return gate.answer(refusal, request, signer, str(uuid.uuid4()))

    def _forward(self, form: Mapping[str, str]) -> str:
        return Client(self._moto, Response).post("/", data=dict(form)).get_data(as_text=True)

    def _record(self, action: str, refusal: RefusedError | None, session: Session | None) -> None:
        self.calls.append(
            Call(
                action=action,
                outcome=refusal.code if refusal else "ok",
                role_arn=session.role_arn if session else None,
                session_name=session.session_name if session else None,
                subject=session.subject if session else None,
            )
        )


def _action(request: Request, form: Mapping[str, str]) -> str:
    return form.get("Action") or request.headers.get("X-Amz-Target") or f"{request.method} {request.path}"


def _read_json(request: Request) -> Mapping[str, Any]:
    """Read the body of a call in the JSON protocol, and put it back for moto."""
    body = request.get_data(cache=True)
    request.environ["wsgi.input"] = io.BytesIO(body)
    asked = json.loads(body or b"{}")
    return asked if isinstance(asked, dict) else {}


def _form(request: Request) -> dict[str, str]:
    """Read the parameters of a query API call from body or URL, and put the body back for moto."""
    if request.path != "/":
        return {}
    if request.method != "POST":
        return dict(parse_qsl(request.query_string.decode(), keep_blank_values=True))
    if request.mimetype != "application/x-www-form-urlencoded":
        return {}
    body = request.get_data(cache=True)
    request.environ["wsgi.input"] = io.BytesIO(body)
    return dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
