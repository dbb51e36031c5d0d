"""One bounded GET over plain HTTP/1.1: no redirects, no proxies, no keep-alive, never more than LIMIT bytes.

Not `http.client`: with it a first token takes 7 times the instructions of a bare start of the interpreter (6 without
`ssl`), with this 4. Not HTTP/1.0: Envoy, which stands before the metadata server in a mesh, refuses that. An answer
whose end cannot be known is refused, because a cut token still looks like one.
"""

from __future__ import annotations

import socket
from time import monotonic

from injector.record import Record

# Of the whole answer; a token has at most 20,000 characters.
LIMIT = 64 * 1024
HEX = frozenset(b"0123456789abcdefABCDEF")
OK = 200
# Two different ones of these would leave it to chance what the answer says.
ONCE = {"content-length", "transfer-encoding", "metadata-flavor"}


class MalformedAnswerError(Exception):
    """The answer is not the HTTP that this client accepts."""


class Answer(Record):
    """Header names are lower case; of an error's body there may be less than was sent."""

    status: int
    headers: dict[str, str]
    body: bytes


def get(*, host: str, port: int, path: str, headers: dict[str, str], timeout: float) -> Answer:
    """Fetch `path` within `timeout` seconds; `headers` has the Host.

    Raises OSError (TimeoutError among them) where the network fails, MalformedAnswerError where the answer does.
    """
    give_up = monotonic() + timeout
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "Connection: close"]
    with _connect(host, port, give_up) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode("ascii"))
        return _answer(_Reader(connection, give_up))


def _connect(host: str, port: int, give_up: float) -> socket.socket:
    # As bytes: a str goes through the idna codec, whose import costs a quarter of a bare start.
    found = socket.getaddrinfo(host.encode("ascii"), port, 0, socket.SOCK_STREAM)
    error = OSError("no address")
    for family, kind, protocol, _, address in found:
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(_left(give_up))
            connection.connect(address)
        except OSError as exc:
            connection.close()
            error = exc
        else:
            return connection
    raise error


def _left(give_up: float) -> float:
    left = give_up - monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


class _Reader:
    """Gives lines and bodies of a connection; the deadline holds for all reads together, so no drip can stretch it."""

    def __init__(self, connection: socket.socket, give_up: float) -> None:
        self._connection = connection
        self._give_up = give_up
        self._unread = b""
        self._received = 0

    def line(self) -> bytes:
        """The next line without its CRLF."""
        while b"\r\n" not in self._unread:
            self._receive()
        line, _, self._unread = self._unread.partition(b"\r\n")
        return line

    def exactly(self, size: int) -> bytes:
        """The next `size` bytes."""
        while len(self._unread) < size:
            self._receive()
        found, self._unread = self._unread[:size], self._unread[size:]
        return found

    def _receive(self) -> None:
        self._connection.settimeout(_left(self._give_up))
        data = self._connection.recv(LIMIT)
        if not data:
            raise MalformedAnswerError(f"the connection ended in the middle of the answer, {self._received} bytes in")
        self._unread += data
        self._received += len(data)
        if self._received > LIMIT:
            raise MalformedAnswerError(f"the answer is larger than {LIMIT} bytes")


def _answer(reader: _Reader) -> Answer:
    version, _, rest = reader.line().partition(b" ")
    code = rest[:3]
    if version not in {b"HTTP/1.0", b"HTTP/1.1"} or not code.isdigit() or len(code) != len("200"):
        raise MalformedAnswerError("the answer does not begin with an HTTP/1.1 status line")
    headers: dict[str, str] = {}
    while line := reader.line():
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or not name or name != name.strip():
            raise MalformedAnswerError("the answer has a malformed header line")
        name = name.lower()
        if headers.setdefault(name, value.strip()) != value.strip() and name in ONCE:
            raise MalformedAnswerError(f"the answer has two different {name} headers")
    status = int(code)
    return Answer(status=status, headers=headers, body=_body(reader, status, headers))


def _body(reader: _Reader, status: int, headers: dict[str, str]) -> bytes:
    coding = headers.get("transfer-encoding")
    if coding is not None:
        if coding.lower() != "chunked":
            raise MalformedAnswerError("the answer has a transfer coding other than chunked")
        return _chunks(reader)
    length = headers.get("content-length")
    if length is None:
        if status == OK:
            raise MalformedAnswerError("the answer has neither Content-Length nor chunks, so a cut one cannot be told")
        return b""
    # Before int(): Python refuses thousands of digits with an error of its own.
    if not (length.isascii() and length.isdigit()) or len(length) > len(str(LIMIT)) or int(length) > LIMIT:
        raise MalformedAnswerError(f"the answer's Content-Length is no number up to {LIMIT}")
    return reader.exactly(int(length))


def _chunks(reader: _Reader) -> bytes:
    body = b""
    while True:
        size = reader.line().partition(b";")[0].strip()
        if not size or len(size) > len(f"{LIMIT:x}") or not HEX.issuperset(size):
            raise MalformedAnswerError("the answer has a malformed chunk")
        if int(size, 16) == 0:
            return body
        body += reader.exactly(int(size, 16))
        if reader.exactly(2) != b"\r\n":
            raise MalformedAnswerError("the answer has a chunk that does not end where it says")
