"""Replicas of a webhook: real TLS servers on loopback that serve the Secret which the fake API server holds, late."""

import base64
import contextlib
import socket
import ssl
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from demo.fakes.api_server.state import State

_WAIT = 5.0


class Replica:
    """Serves the certificate of some time ago; `lag` is how long the kubelet takes to renew a mounted Secret."""

    def __init__(self, state: State, namespace: str, secret: str, *, lag: float) -> None:
        self._state = state
        self._where = (namespace, secret)
        self.lag = lag
        self._next: tuple[str, float] | None = None
        self._context: ssl.SSLContext | None = None
        self._mounted = ""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address, self.port = self._listener.getsockname()[:2]
        self._closing = False
        self._reload()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop; nobody can connect any more."""
        self._closing = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(_WAIT)

    def endpoint(self, **conditions: bool) -> dict[str, Any]:
        """As a slice has it."""
        return {
            "addresses": [self.address],
            "conditions": {"ready": True, "serving": True, "terminating": False} | conditions,
            "targetRef": {"kind": "Pod", "name": f"hook-{self.port}"},
        }

    def _serve(self) -> None:
        while not self._closing:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(_WAIT)
            self._reload()
            with contextlib.suppress(OSError), connection:
                if self._context is not None:
                    with self._context.wrap_socket(connection, server_side=True) as tls:
                        tls.recv(1)

    def _reload(self) -> None:
        found = self._state.find("secrets", *self._where)
        data = (found or {}).get("data") or {}
        content = data.get("tls.crt", "")
        if not content or content == self._mounted:
            return
        if self._next is None or self._next[0] != content:
            self._next = (content, time.monotonic())
        if self._context is None or time.monotonic() - self._next[1] >= self.lag:
            self._context, self._mounted = _context(data), content


def _context(data: dict[str, str]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as directory:
        for key in ("tls.crt", "tls.key"):
            Path(directory, key).write_bytes(base64.b64decode(data[key]))
        context.load_cert_chain(Path(directory, "tls.crt"), Path(directory, "tls.key"))
    return context
