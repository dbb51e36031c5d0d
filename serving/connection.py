"""One caller's connection: TLS and a whole request, without ever blocking.

gthread reads in its threads: a slow sender holds a thread, and its sockets know no deadline. Here the worker's loop
collects the bytes and a thread gets the request when it is whole. No thread reads from a socket.
"""

import contextlib
import selectors
import socket
import ssl
from typing import Any, Literal

from gunicorn.workers.gthread import TConn

from serving.framing import BodyTooLargeError, Framing

# At least a TLS record (16 KB): a smaller read leaves the rest inside OpenSSL, where the poller can't see it.
_READ_BYTES = 64 * 1024
# Then the others' turn: a body of megabytes comes in several turns of the loop.
_READS_A_TURN = 4

State = Literal["arriving", "answered", "resting", "leaving"]


class HungUpError(Exception):
    """The caller is gone, or never spoke TLS. There is nobody to answer."""


class Connection(TConn):  # type: ignore[misc]  # gunicorn has no types
    """A gthread connection whose requests arrive in the loop."""

    def __init__(self, cfg: Any, sock: socket.socket, client: Any, server: Any, context: ssl.SSLContext | None) -> None:
        super().__init__(cfg, sock, client, server)
        self.sock: Any = sock
        self.state: State = "arriving"
        self.deadline = 0.0
        """Until when the request must be whole, or the caller gone. Monotonic."""
        self.watched = 0
        """The selector's events that wake the loop for this connection."""
        self.is_too_long = False
        """The body at hand is not whole, because it will be refused."""
        self.received = bytearray()
        self._framing: Framing | None = None
        self._in_handshake = context is not None
        self._end = 0
        if context is not None:
            self.sock = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)

    @property
    def is_in_handshake(self) -> bool:
        """Whether TLS is not yet agreed on."""
        return self._in_handshake

    def advance(self, longest_body: int) -> int:
        """Take what came; returns the selector's events to wait for, 0 when the request is whole.

        Raises `HungUpError` and `HeadTooLargeError`.
        """
        try:
            if self._in_handshake:
                self.sock.do_handshake()
                self._in_handshake = False
            return self._receive(longest_body)
        except (ssl.SSLWantReadError, BlockingIOError):
            return selectors.EVENT_READ
        except ssl.SSLWantWriteError:
            return selectors.EVENT_WRITE
        except (OSError, ValueError) as exc:  # ValueError: OpenSSL's binding on a socket that was reset meanwhile
            raise HungUpError from exc

    def _receive(self, longest_body: int) -> int:
        if self._is_whole(longest_body):
            return 0
        for _ in range(_READS_A_TURN):
            data = self.sock.recv(_READ_BYTES)
            if not data:
                raise HungUpError
            self.received += data
            if self._is_whole(longest_body):
                return 0
            self._invite_body()
        return selectors.EVENT_READ

    def _is_whole(self, longest_body: int) -> bool:
        if self._framing is None:
            self._framing = Framing(longest_body=longest_body)
        try:
            self._end = self._framing.end(self.received) or 0
        except BodyTooLargeError:
            self.is_too_long = True
            self._end = self._framing.head
        return bool(self._end)

    def _invite_body(self) -> None:
        """Who asked whether to go on waits for the answer (RFC 9110, section 10.1.1); curl does with large bodies."""
        if self._framing and self._framing.expects_continue:
            self._framing.expects_continue = False
            self.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def take(self) -> bytes:
        """The request's bytes; what came behind them stays for the next one. An overlong body is left out."""
        request = bytes(memoryview(self.received)[: self._end])
        del self.received[: self._end]
        self._framing = None
        return request

    def refuse(self, status: str) -> None:
        """Say no without a thread, as far as the socket takes it at once."""
        answer = f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        with contextlib.suppress(OSError, ValueError):
            self.sock.settimeout(0)
            self.sock.send(answer.encode())

    def half_close(self) -> None:
        """Say that nothing more comes. Raises OSError or ValueError if the caller is gone."""
        self.sock.settimeout(0)
        if isinstance(self.sock, ssl.SSLSocket) and not self._in_handshake:
            with contextlib.suppress(ssl.SSLError):
                self.sock.unwrap()
        self.sock.shutdown(socket.SHUT_WR)

    def discard(self) -> bool:
        """Throw away what still comes; whether the caller is gone."""
        try:
            return not self.sock.recv(_READ_BYTES)
        except (ssl.SSLWantReadError, BlockingIOError):
            return False
        except (OSError, ValueError):
            return True
