"""A broker on loopback over real TLS: it answers what a test put into it, and remembers what it was asked."""

import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Self

from cryptography import x509

from certjob.certificates import certificates_pem, issue_authority, issue_leaf, key_pem, new_private_key
from certjob.names import Names
from secretenv import wire
from secretenv.wire import Answer, Question

Answering = Callable[[Question], Answer]


class FakeBroker:
    """A context manager. `status` other than 200 is answered with `message`; `raw` is answered as it is."""

    def __init__(self, folder: Path, answer: Answering) -> None:
        self.answer = answer
        self.status = 200
        self.statuses: list[int] = []
        self.message = "because"
        self.retry_after: str | None = None
        self.raw: bytes | None = None
        self.questions: list[Question] = []
        self.tokens: list[str] = []
        now = datetime.now(UTC)
        ca = issue_authority(key=new_private_key(), serial=1, now=now, lifetime=timedelta(days=1))
        leaf = issue_leaf(
            ca,
            key=new_private_key(),
            serial=2,
            common_name="broker",
            names=Names(dns=("localhost",)),
            now=now,
            lifetime=timedelta(days=1),
        )
        self.ca = _pem(ca.certificate)
        (folder / "broker.pem").write_bytes(key_pem(leaf.key) + certificates_pem(leaf.certificate))
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(folder / "broker.pem")
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def address(self) -> str:
        """As the plan has it."""
        return f"https://localhost:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        broker = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                broker.tokens.append(self.headers["Authorization"])
                broker.questions.append(wire.decode_question(body))
                assert self.path == wire.PATH
                assert self.headers["Content-Type"] == "application/json"
                status = broker.statuses.pop(0) if broker.statuses else broker.status
                answered = broker.raw
                if answered is None:
                    good = status == 200
                    answered = (
                        wire.encode_answer(broker.answer(broker.questions[-1]))
                        if good
                        else wire.encode_message(broker.message)
                    )
                self.send_response(status)
                if broker.retry_after is not None:
                    self.send_header("Retry-After", broker.retry_after)
                self.send_header("Content-Length", str(len(answered)))
                self.end_headers()
                self.wfile.write(answered)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler


def _pem(certificate: x509.Certificate) -> str:
    return certificates_pem(certificate).decode()
