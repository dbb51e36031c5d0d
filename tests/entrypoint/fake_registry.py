"""A registry that does what a test says: strict about paths, it records every request and can misbehave in every way.

It serves at 127.0.0.1:PORT, which is localhost:PORT too: two hosts for whoever looks at names.
"""

import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, Self

from demo.fakes.listener import Listener
from tests.entrypoint.images import OCI_INDEX, Image, digest_of, index


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One request."""

    method: str
    host: str
    path: str
    authorization: str | None


@dataclass(slots=True, kw_only=True)
class Reply:
    """One answer."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    before: Callable[[], object] = lambda: None
    """Called before anything is sent: it may wait."""
    raw: Callable[[], Iterator[bytes]] | None = None
    """What is written in the answer's place, piece by piece."""


class FakeRegistry:
    """`routes` maps `METHOD PATH` to a reply; what is in none is 404."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.routes: dict[str, Reply] = {}
        self.seen: list[Seen] = []
        self.connections = 0
        self.closing = threading.Event()
        handler: Any = type("Handler", (_Handler,), {"registry": self, "tls": context})
        self._listener = Listener("127.0.0.1", 0, handler)

    @property
    def host(self) -> str:
        """127.0.0.1:PORT."""
        return self._listener.host

    @property
    def other_host(self) -> str:
        """The same server by another name."""
        return f"localhost:{self._listener.address[1]}"

    def serve(self, repository: str, tag: str, image: Image) -> None:
        """An image, as a registry without authentication has it."""
        headers = {"Content-Type": image.media_type, "Docker-Content-Digest": image.digest}
        for reference in (tag, image.digest):
            for method in ("GET", "HEAD"):
                path = f"{method} /v2/{repository}/manifests/{reference}"
                self.routes[path] = Reply(body=image.manifest, headers=headers)
        self.routes[f"GET /v2/{repository}/blobs/{digest_of(image.config)}"] = Reply(body=image.config)

    def serve_index(self, repository: str, tag: str, *images: Image) -> None:
        """An image for several platforms."""
        for image in images:
            self.serve(repository, image.architecture, image)
        body = index(*images)
        headers = {"Content-Type": OCI_INDEX, "Docker-Content-Digest": digest_of(body)}
        for method, reference in (("HEAD", tag), ("GET", digest_of(body))):
            self.routes[f"{method} /v2/{repository}/manifests/{reference}"] = Reply(body=body, headers=headers)

    def paths(self, method: str) -> list[str]:
        """Where requests of this method went."""
        return [seen.path for seen in list(self.seen) if seen.method == method]

    def down(self) -> None:
        """Refuse connections."""
        self._listener.down()

    def up(self) -> None:
        """Accept connections again."""
        self._listener.up()

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._listener.close()


class _Handler(BaseHTTPRequestHandler):
    registry: FakeRegistry
    tls: ssl.SSLContext | None
    protocol_version = "HTTP/1.1"
    timeout = 20

    def setup(self) -> None:
        if self.tls is not None:
            self.request = self.tls.wrap_socket(self.request, server_side=True, do_handshake_on_connect=False)
        self.registry.connections += 1
        super().setup()

    def finish(self) -> None:
        try:
            super().finish()
        finally:
            self.request.close()

    def answer(self) -> None:
        """One request of any method."""
        registry = self.registry
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        del body
        registry.seen.append(
            Seen(
                method=self.command,
                host=self.headers["Host"],
                path=self.path,
                authorization=self.headers.get("Authorization"),
            )
        )
        reply = registry.routes.get(f"{self.command} {self.path.partition('?')[0]}", Reply(status=404))
        reply.before()
        if reply.raw is not None:
            self.close_connection = True
            for piece in reply.raw():
                self.wfile.write(piece)
                self.wfile.flush()
            return
        self.send_response(reply.status)
        for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    do_GET = do_HEAD = do_POST = answer  # noqa: N815 - http.server's names

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's
        """Say nothing: `seen` is the log."""
