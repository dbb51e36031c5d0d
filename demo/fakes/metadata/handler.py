"""HTTP in, HTTP out: maps a request to the server's answer and lets the fault spoil it."""

from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qsl, urlsplit

from demo.fakes.metadata.answers import FLAVOR, Answer, Asked
from demo.fakes.metadata.faults import Fault, Garbage, NoFlavor, NotHttp, Redirect, Status, Truncated


class MetadataHandler(BaseHTTPRequestHandler):
    """Subclassed by each server with its own `answer`."""

    answer: Callable[[Asked], tuple[Answer, Fault | None]]
    protocol_version = "HTTP/1.1"
    # A client that sends half a request must not hold a thread for ever.
    timeout = 60

    def version_string(self) -> str:
        """Give the Server header."""
        return "GKE Metadata Server"

    def log_message(self, *_: object) -> None:
        """Keep quiet: the server's `requests` are the log."""

    def serve(self) -> None:
        """Answer one request of any method."""
        url = urlsplit(self.path)
        asked = Asked(
            method=self.command,
            path=url.path,
            query=dict(parse_qsl(url.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
        )
        if self.command != "GET":
            self.close_connection = True  # its body stays unread
        answer, fault = self.answer(asked)
        if isinstance(fault, NotHttp):
            self.wfile.write(fault.data)
            self.close_connection = True
            return
        self._write(spoiled(answer, fault), cut=fault.bytes if isinstance(fault, Truncated) else None)

    def _write(self, answer: Answer, *, cut: int | None) -> None:
        self.send_response(answer.code)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body[:cut])
        if cut is not None:
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = serve  # noqa: N815 - http.server's names


def spoiled(answer: Answer, fault: Fault | None) -> Answer:
    """Give the answer that the client sees instead of this one. Pure."""
    match fault:
        case Status(code, body, None):
            return Answer(code=code, body=body.encode(), content_type="text/plain; charset=utf-8")
        case Status(code, body, retry_after):
            headers = (FLAVOR, ("Retry-After", str(retry_after)))
            return Answer(code=code, body=body.encode(), content_type="text/plain; charset=utf-8", headers=headers)
        case Garbage(garbage):
            return Answer(body=garbage)
        case NoFlavor():
            return Answer(code=answer.code, body=answer.body, content_type=answer.content_type, headers=())
        case Redirect(target):
            return Answer(code=HTTPStatus.FOUND, headers=(FLAVOR, ("Location", target)))
        case _:
            return answer
