"""An HTTP server on a thread whose port can refuse connections for a while and come back."""

import argparse
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# How soon a server notices that it shall stop.
POLL_SECONDS = 0.02
PORTS = 65536


def address(text: str) -> tuple[str, int]:
    """Read the HOST:PORT of a command line; raises ArgumentTypeError."""
    host, _, port = text.rpartition(":")
    if not host or not (port.isascii() and port.isdigit() and int(port) < PORTS):
        raise argparse.ArgumentTypeError(f"{text!r} is not valid; expected HOST:PORT, for example 127.0.0.1:8080")
    return host, int(port)


class _Server(ThreadingHTTPServer):
    """Knows its open connections, so that going down also ends those that are kept alive."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, listening: socket.socket, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(listening.getsockname()[:2], handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.server_activate()
        self.lock = threading.Lock()
        self.connections: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self.lock:
            self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self.lock:
            self.connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that hangs up is an ordinary day for a fake."""

    def hang_up(self) -> None:
        with self.lock:
            open_connections = list(self.connections)
        for connection in open_connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # its client was faster


class Listener:
    """Serves a handler at one address; `down` keeps the port but refuses connections, `up` serves again."""

    def __init__(self, host: str, port: int, handler: type[BaseHTTPRequestHandler]) -> None:
        self._handler = handler
        self._bound: socket.socket | None = _bind(host, port)
        self.address: tuple[str, int] = self._bound.getsockname()[:2]
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def host(self) -> str:
        """HOST:PORT, as GCE_METADATA_HOST and URLs have it."""
        return f"{self.address[0]}:{self.address[1]}"

    def up(self) -> None:
        """Accept connections; nothing happens if it does already."""
        if self._server is not None:
            return
        self._server = _Server(self._bound or _bind(*self.address), self._handler)
        self._bound = None
        self._thread = threading.Thread(target=self._server.serve_forever, args=(POLL_SECONDS,), daemon=True)
        self._thread.start()

    def down(self) -> None:
        """Refuse connections and end the open ones; the port stays ours."""
        self._stop()
        if self._bound is None:
            self._bound = _bind(*self.address)

    def close(self) -> None:
        """Stop and give the port back."""
        self._stop()
        if self._bound is not None:
            self._bound.close()
            self._bound = None

    def _stop(self) -> None:
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server.hang_up()
        self._server = None


def _bind(host: str, port: int) -> socket.socket:
    # A bound socket that does not listen refuses connections, and nobody else can take its port.
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((host, port))
    return bound
