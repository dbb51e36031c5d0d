"""How HTTP maps to the state, and how it breaks."""

import json
import ssl
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from demo.fakes.api_server.objects import KINDS, Object, RefusalError
from demo.fakes.api_server.reviews import Reviews
from demo.fakes.api_server.script import (
    Again,
    Answer,
    Bookmark,
    Compact,
    Cut,
    Delete,
    Drip,
    Drop,
    Hang,
    Play,
    Put,
    Raw,
    Slow,
    Step,
)
from demo.fakes.api_server.state import Seen, State, Verb
from demo.fakes.api_server.stream import HangUpError, Stream

# How long a thread may sleep before it looks whether the server ends.
_POLL_SECONDS = 0.2
REVIEWS_PATH = "/apis/authentication.k8s.io/v1/tokenreviews"


def handler(state: State, tls: ssl.SSLContext | None) -> type[BaseHTTPRequestHandler]:
    """The handler of one server."""
    return type("Handler", (_Handler,), {"state": state, "tls": tls})


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    state: State
    tls: ssl.SSLContext | None
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        if self.tls is not None:
            self.request = self.tls.wrap_socket(self.request, server_side=True)
        super().setup()

    def finish(self) -> None:
        try:
            super().finish()
        finally:
            if self.tls is not None:
                self.request.close()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Say nothing."""

    def do_GET(self) -> None:
        """Whatever a watching client asks."""
        url = urlsplit(self.path)
        query = {key: values[-1] for key, values in parse_qs(url.query).items()}
        route = _route(url.path)
        resource, namespace, name = route or ("", "", "")
        is_version = url.path == "/version"
        verb: Verb = "get" if name or is_version else "watch" if query.get("watch") == "true" else "list"
        self.state.requests.append(Seen(verb=verb, path=url.path, query=query))
        try:
            is_served = route or is_version
            missing = Answer(status=404, message="404 page not found")
            refusal = self._refusal(verb, resource, name) if is_served else missing
            if refusal is not None:
                self._status(refusal)
            elif is_version:
                self._body(200, json.dumps(dict(self.state.server_version)).encode(), self._fault("get"))
            elif verb == "watch":
                self._watch(resource, query)
            elif verb == "list":
                self._list(resource, namespace, query)
            else:
                self._get(resource, namespace, name)
        except (HangUpError, OSError):
            self.close_connection = True

    def do_POST(self) -> None:
        """Create; a TokenReview is answered and not kept."""
        if urlsplit(self.path).path == REVIEWS_PATH and self.state.reviews is not None:
            self._review(self.state.reviews)
            return
        self._write("create", lambda resource, namespace, _, body: self.state.create(resource, namespace, body))

    def do_PUT(self) -> None:
        """Replace."""
        self._write("update", self.state.replace)

    def do_PATCH(self) -> None:
        """Patch."""
        media_type = self.headers.get("Content-Type", "")

        def patch(resource: str, namespace: str, name: str, body: Any) -> Object:
            return self.state.patch(resource, namespace, name, media_type, body)

        self._write("patch", patch)

    def _write(self, verb: Verb, store: Callable[[str, str, str, Any], Object]) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        url = urlsplit(self.path)
        resource, namespace, name = _route(url.path) or ("", "", "")
        self.state.requests.append(Seen(verb=verb, path=url.path, query={}))
        try:
            refusal = self._refusal(verb, resource, name)
            if resource not in KINDS or bool(name) is (verb == "create"):
                refusal = Answer(status=404, message="404 page not found")
            if verb != "patch" and self.headers.get("Content-Type") != "application/json":
                refusal = refusal or Answer(status=415, reason="UnsupportedMediaType")
            if refusal is not None:
                self._status(refusal)
                return
            fault = self._fault(verb)
            obj = store(resource, namespace, name, json.loads(body))
            self._body(201 if verb == "create" else 200, json.dumps(obj).encode(), fault)
        except RefusalError as exc:
            self._status(Answer(status=exc.status, message=exc.message, reason=exc.reason))
        except (HangUpError, OSError):
            self.close_connection = True

    def _review(self, reviews: Reviews) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.state.requests.append(Seen(verb="create", path=REVIEWS_PATH, query={}))
        try:
            refusal = self._refusal("create", "tokenreviews", "")
            if refusal is not None:
                self._status(refusal)
                return
            fault = self._fault("create")
            review = json.loads(body)
            self._body(201, json.dumps({**review, "status": reviews.status(review["spec"])}).encode(), fault)
        except (HangUpError, OSError):
            self.close_connection = True

    def _refusal(self, verb: Verb, resource: str, name: str) -> Answer | None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.state.tokens is not None and token not in self.state.tokens:
            return Answer(status=401, message="Unauthorized")
        if not self.state.allows(verb, resource, name):
            who = 'User "scripted"'
            told = f'{resource} is forbidden: {who} cannot {verb} resource "{resource}"'
            return Answer(status=403, message=told, reason="Forbidden")
        return None

    def _get(self, resource: str, namespace: str, name: str) -> None:
        fault = self._fault("get")
        obj = self.state.find(resource, namespace, name)
        if obj is None:
            self._status(Answer(status=404, message=f'{resource} "{name}" not found'))
        else:
            self._body(200, json.dumps(obj).encode(), fault)

    def _list(self, resource: str, namespace: str, query: Mapping[str, str]) -> None:
        fault = self._fault("list")
        page = self.state.page(resource, int(query.get("limit", 0)), query.get("continue", ""), namespace)
        if isinstance(fault, Compact):
            self.state.compact(resource)
        if page is None:
            self._status(Answer(status=410, message="The provided continue parameter is too old"))
        else:
            self._body(200, json.dumps(page).encode(), fault)

    def _fault(self, verb: Verb) -> Any:
        """The fault that is not an answer of its own."""
        fault = self.state.next_fault(verb)
        match fault:
            case Answer():
                self._status(fault)
                raise HangUpError
            case Hang():
                with self.state.changed:
                    while not self.state.closing:
                        self.state.changed.wait(_POLL_SECONDS)
                raise HangUpError
            case Drop():
                raise HangUpError
            case Slow():
                time.sleep(fault.seconds)
        return fault

    def _watch(self, resource: str, query: Mapping[str, str]) -> None:
        fault = self._fault("watch")
        play = fault if isinstance(fault, Play) else Play()
        version = int(query.get("resourceVersion") or 0)
        if self.state.events_after(resource, version) is None:
            return self._status(Answer(status=410, message="too old resource version"))
        deadline = time.monotonic() + float(query.get("timeoutSeconds", 300))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        stream = Stream(self.wfile, play)
        for step in play.steps:
            version = self._step(resource, step, version, stream)
        if play.end == "expired":
            stream.error("The resourceVersion for the provided watch is too old.")
        if play.end == "cut":
            raise HangUpError
        while play.end == "stay" and time.monotonic() < deadline:
            version = self._events(resource, version, stream)
            with self.state.changed:
                if self.state.closing:
                    raise HangUpError
                if not self.state.events_after(resource, version):
                    self.state.changed.wait(min(_POLL_SECONDS, max(0.0, deadline - time.monotonic())))
        return stream.end()

    def _step(self, resource: str, step: Step, version: int, stream: Stream) -> int:
        match step:
            case Put():
                self.state.put(step.namespace, step.name, step.annotations, resource)
            case Delete():
                self.state.delete(step.namespace, step.name, resource)
            case Again():
                stream.again(step.events)
            case Raw():
                stream.write(step.data)
        version = self._events(resource, version, stream)
        if isinstance(step, Bookmark):
            stream.bookmark(version)
        return version

    def _events(self, resource: str, version: int, stream: Stream) -> int:
        events = self.state.events_after(resource, version)
        if events is None:
            stream.error("too old resource version")
            stream.end()
            raise HangUpError
        for happened, event in events:
            stream.event(event)
            version = happened
        return version

    def _status(self, answer: Answer) -> None:
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure"}
        said = {"message": answer.message, "reason": answer.reason, "code": answer.status}
        body = json.dumps({**status, **{key: value for key, value in said.items() if value}}).encode()
        self._body(answer.status, body if answer.body is None else answer.body, retry_after=answer.retry_after)

    def _body(self, status: int, body: bytes, fault: Any = None, *, retry_after: str | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if retry_after is not None:
            self.send_header("Retry-After", retry_after)
        self.end_headers()
        match fault:
            case Cut():
                self.wfile.write(body[: fault.at])
                raise HangUpError
            case Drip():
                for byte in body:
                    self.wfile.write(bytes([byte]))
                    time.sleep(fault.seconds)
            case _:
                self.wfile.write(body)


def _route(path: str) -> tuple[str, str, str] | None:
    """Resource, namespace and name, of which the latter two may be empty; None for what is not served."""
    match [unquote(part) for part in path.split("/")]:
        case ["", "api", "v1", "namespaces", namespace, resource, name]:
            return resource, namespace, name
        case ["", "api", "v1", "namespaces", namespace, resource]:
            return resource, namespace, ""
        case ["", "api", "v1", resource, name]:
            return resource, "", name
        case ["", "api", "v1", resource]:
            return resource, "", ""
        case ["", "apis", group, version, *rest]:
            return _route_of_group(f"{group}/{version}", rest)
    return None


def _route_of_group(version: str, rest: list[str]) -> tuple[str, str, str] | None:
    match rest:
        case ["namespaces", namespace, resource, *name] if KINDS.get(resource, ())[::2] == (version, True):
            return resource, namespace, "/".join(name)
        case [resource, *name] if KINDS.get(resource, ())[::2] == (version, False):
            return resource, "", "/".join(name)
    return None
