"""The small HTTP client, against a socket that writes exactly what a test says."""

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from injector import http_get
from injector.http_get import LIMIT, Answer, MalformedAnswerError, get

Serve = Callable[[Callable[[socket.socket], None]], int]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serves connections with a function; gives the port."""
    listening = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def serving(answer: Callable[[socket.socket], None]) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                answer(connection)

    def start(answer: Callable[[socket.socket], None]) -> int:
        threads.append(threading.Thread(target=serving, args=(answer,), daemon=True))
        threads[-1].start()
        return int(listening.getsockname()[1])

    yield start
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    for thread in threads:
        thread.join(5)


def fetched(port: int, *, timeout: float = 5) -> Answer:
    """Ask that port."""
    headers = {"Host": f"127.0.0.1:{port}", "Metadata-Flavor": "Google"}
    return get(host="127.0.0.1", port=port, path="/a?b=c", headers=headers, timeout=timeout)


def wrote(data: bytes, *, asked: list[bytes] | None = None) -> Callable[[socket.socket], None]:
    """Read the request, write these bytes, hang up."""

    def answer(connection: socket.socket) -> None:
        request = connection.recv(65536)
        if asked is not None:
            asked.append(request)
        connection.sendall(data)

    return answer


def test_request(serve: Serve) -> None:
    """One GET over HTTP/1.1 that asks for no keep-alive; nothing else is sent."""
    asked: list[bytes] = []
    port = serve(wrote(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", asked=asked))
    assert fetched(port).body == b"hi"
    host = f"127.0.0.1:{port}".encode()
    assert asked == [b"GET /a?b=c HTTP/1.1\r\nHost: %s\r\nMetadata-Flavor: Google\r\nConnection: close\r\n\r\n" % host]


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length:5\r\n\r\nhello", b"hello"),
        (b"HTTP/1.0 200\r\nContent-Length: 5\r\n\r\nhello and more", b"hello"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n", b"hello"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n00A\r\n0123456789\r\n0\r\n", b"0123456789"),
        (b"HTTP/1.1 503 Busy\r\n\r\nsorry", b""),
    ],
)
def test_bodies(serve: Serve, data: bytes, body: bytes) -> None:
    """Content-Length and chunks are read; an error may have no body that can be told."""
    assert fetched(serve(wrote(data))).body == body


def test_headers(serve: Serve) -> None:
    """Header names are lower case, values without white space around them."""
    answer = fetched(serve(wrote(b"HTTP/1.1 404 No\r\nMetadata-FLAVOR:  Google \r\nX: 1\r\nX: 2\r\n\r\n")))
    assert (answer.status, answer.headers) == (404, {"metadata-flavor": "Google", "x": "1"})


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "ended in the middle"),
        (b"HTTP/1.1 200 OK\r\n", "ended in the middle"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello", "ended in the middle"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "ended in the middle"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", "ended in the middle"),
        (b"HTTP/1.1 200 OK\r\n\r\nhello", "neither Content-Length nor chunks"),
        (b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", "ended in the middle"),
        (b"SSH-2.0-OpenSSH_9\r\n\r\n", "status line"),
        (b"HTTP/2 200 OK\r\n\r\n", "status line"),
        (b"HTTP/1.1 abc OK\r\n\r\n", "status line"),
        (b"HTTP/1.1 20\r\n\r\n", "status line"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "header line"),
        (b"HTTP/1.1 200 OK\r\n: x\r\n\r\n", "header line"),
        (b"HTTP/1.1 200 OK\r\nX: 1\r\n folded: 2\r\n\r\n", "header line"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nhi", "two different content-length"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "other than chunked"),
        *(
            (b"HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n" % length, "no number up to")
            for length in (b"x", b"-1", b"+1", b"1_0", b"65537", b"9" * 5000, b"\xb2")
        ),
        *(
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\n" % size, "malformed chunk")
            for size in (b"", b"x", b"-1", b"0x1", b"1_0", b"FFFFFFFFFF")
        ),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", "does not end where it says"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * LIMIT + b"\r\n\r\n", "larger than"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"8000\r\n" + b"x" * 0x8000 + b"\r\n8000\r\n" + b"x" * 0x8000 + b"\r\n",
            "larger than",
        ),
    ],
)
def test_what_is_refused(serve: Serve, data: bytes, reason: str) -> None:
    """Everything that is not exactly such an answer is refused, a cut one first of all."""
    with pytest.raises((MalformedAnswerError, ConnectionResetError), match=rf"{reason}|reset"):
        fetched(serve(wrote(data)))


def test_refused_connection() -> None:
    """A port where nobody listens is an OSError at once."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionRefusedError):
            fetched(bound.getsockname()[1])


@pytest.mark.parametrize("drip", [b"", b"x"])
def test_the_deadline_is_one_for_all_reads(serve: Serve, drip: bytes) -> None:
    """A server that says nothing, or a byte now and then, is left when the time is over."""

    def slow(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        try:
            for _ in range(30):
                time.sleep(0.02)
                connection.sendall(drip)
        except OSError:
            return

    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        fetched(serve(slow), timeout=0.2)
    assert time.monotonic() - begun < 1.5


def test_no_proxy(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy in the environment is not asked: it would see the token."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert fetched(serve(wrote(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"))).body == b"hi"


PIECES = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\n",
        b"Content-Length: 3\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"\r\n",
        b"3\r\nabc\r\n",
        b"0\r\n",
        b"\n",
    ]
)


@given(data=st.lists(PIECES | st.binary(max_size=20), max_size=8).map(b"".join))
def test_any_bytes(data: bytes) -> None:
    """Whatever comes, it is an answer or a refusal."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(data)
        theirs.close()
        try:
            answer = http_get._answer(http_get._Reader(ours, time.monotonic() + 5))
        except MalformedAnswerError:
            return
    assert len(answer.body) <= LIMIT
