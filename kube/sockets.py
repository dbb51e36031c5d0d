"""Which sockets are open, so that another thread can end a read that waits for bytes."""

import contextlib
import socket
import threading
import weakref
from typing import Any


class OpenSockets:
    """The sockets of one client's connections. Once closed, each new one is closed too."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._closed = False

    def tracked(self, connection_class: Any) -> Any:
        """This urllib3 connection class, whose sockets are known here."""
        opened = self._opened

        class Tracked(connection_class):  # type: ignore[misc]  # two classes of urllib3's, told apart by scheme
            def connect(self) -> None:
                super().connect()
                opened(self.sock)

        return Tracked

    def close(self) -> None:
        """Every reader sees the end of its stream."""
        with self._lock:
            self._closed = True
        self.end()

    def end(self) -> None:
        """The same for the sockets of this moment."""
        with self._lock:
            sockets = list(self._sockets)
        for each in sockets:
            _end(each)

    def _opened(self, opened: socket.socket) -> None:
        with self._lock:
            self._sockets.add(opened)
            closed = self._closed
        if closed:
            _end(opened)


def _end(opened: socket.socket) -> None:
    # Not SSLSocket.shutdown: it takes the TLS object away under the thread that reads from it.
    with contextlib.suppress(OSError):  # the server was faster
        socket.socket.shutdown(opened, socket.SHUT_RDWR)
