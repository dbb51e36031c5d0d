"""A review over TLS: server CPU and requests per second, against the same server with a review that does nothing.

The floor does all that the server does for any review (TLS, HTTP, JSON in and out, the log line, the metrics) and
allows what comes. Eight keep-alive connections, rounds of product and floor in turn. CPU is that of the server's
processes (utime + stime).
"""

import os
import selectors
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from json import loads
from pathlib import Path
from typing import NamedTuple, TypedDict

from bench.result import BenchError, Result
from bench.review import body

CPU_BOUND = 1.4
RATE_BOUND = 1.4
# Decoding 7.9 KB of JSON, encoding the answer and the patch, the log line and the metrics cost as much as the decision.
WHOLE_BOUND = 2.6
CONNECTIONS = 8
_ROUNDS = 11
_REVIEWS = 1500
_NAME = "admission-webhook-svc.webhook.svc"
_ROOT = Path(__file__).parent.parent
_TICKS = os.sysconf("SC_CLK_TCK")


class Sample(NamedTuple):
    """One round."""

    cpu: float
    """Microseconds of server CPU per review."""
    rate: float
    """Reviews per second."""


def measure() -> list[Result]:
    """The medians of the ratios of interleaved rounds."""
    with tempfile.TemporaryDirectory() as folder:
        certify = [sys.executable, "-m", "certjob", "certify", "--output-dir", folder]
        subprocess.run(certify, check=True, capture_output=True, cwd=_ROOT)
        with (
            _server("constant", folder) as constant,
            _server("noop", folder) as floor,
            _server("product", folder) as product,
        ):
            servers = (constant, floor, product)
            for server in servers:
                server.load(_REVIEWS // 4)  # warm
            rounds = [[server.load(_REVIEWS) for server in servers] for _ in range(_ROUNDS)]
    constants, floors, products = zip(*rounds, strict=True)
    cpu = [[sample.cpu for sample in side] for side in (constants, floors, products)]
    times = [[1e6 / sample.rate for sample in side] for side in (floors, products)]
    return [
        Result(
            name="CPU of a review over TLS",
            floor="the same server (TLS, HTTP, JSON, log line), a review that does nothing",
            **_paired(cpu[1], cpu[2]),
            unit="us/review",
            bound=CPU_BOUND,
        ),
        Result(
            name="time of a review, 8 connections",
            floor="the same server (TLS, HTTP, JSON, log line), a review that does nothing; 1 s / requests per second",
            **_paired(times[0], times[1]),
            unit="us/review",
            bound=RATE_BOUND,
        ),
        Result(
            name="CPU of a review, all of it",
            floor="the same server, an application that reads the body and answers a constant: no JSON, log or metrics",
            **_paired(cpu[0], cpu[2]),
            unit="us/review",
            bound=WHOLE_BOUND,
        ),
    ]


class _Pair(TypedDict):
    floor_value: float
    value: float


def _paired(floors: Sequence[float], products: Sequence[float]) -> _Pair:
    """The median of the rounds' ratios: a machine that slows down does so for both halves of a round."""
    floor = statistics.median(floors)
    ratios = (product / floor for floor, product in zip(floors, products, strict=True))
    return _Pair(floor_value=floor, value=floor * statistics.median(ratios))


class _Server:
    """A running server, its processes and where it listens."""

    def __init__(self, process: subprocess.Popen[str], port: int, folder: str) -> None:
        self._process = process
        self._port = port
        self._context = ssl.create_default_context(cafile=f"{folder}/ca.crt")

    def load(self, reviews: int) -> Sample:
        """Send so many reviews."""
        connections = [_Connection(self._context, self._port) for _ in range(CONNECTIONS)]
        cpu, started = self._cpu_seconds(), time.perf_counter()
        _drive(connections, reviews)
        seconds = time.perf_counter() - started
        used = self._cpu_seconds() - cpu
        for connection in connections:
            connection.sock.close()
        return Sample(cpu=used / reviews * 1e6, rate=reviews / seconds)

    def _cpu_seconds(self) -> float:
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        return sum(_ticks(pid) for pid in (str(self._process.pid), *children)) / _TICKS


class _Connection:
    """One request at a time; the answer's length is known after the first."""

    def __init__(self, context: ssl.SSLContext, port: int) -> None:
        self.sock = context.wrap_socket(socket.create_connection(("127.0.0.1", port), 10), server_hostname=_NAME)
        self._received = b""

    def ask(self, request: bytes) -> None:
        """Send it whole."""
        self.sock.sendall(request)

    def answered(self) -> bool:
        """Take what came; whether the answer is whole. Raises for any other status than 200."""
        self._received += self.sock.recv(65536)
        head, found, answer = self._received.partition(b"\r\n\r\n")
        if not found:
            return False
        if not head.startswith(b"HTTP/1.1 200"):
            raise BenchError(f"the server answered {head[:60]!r}")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        if len(answer) < length:
            return False
        self._received = b""
        return True


def _drive(connections: list[_Connection], reviews: int) -> None:
    content = body()
    head = (
        f"POST /pods HTTP/1.1\r\nHost: {_NAME}\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n"
    )
    request = head.encode() + b"\r\n" + content
    selector = selectors.DefaultSelector()
    for connection in connections:
        selector.register(connection.sock, selectors.EVENT_READ, connection)
        connection.ask(request)
    sent, done = len(connections), 0
    while done < reviews:
        for key, _ in selector.select(10):
            connection = key.data
            if not connection.answered():
                continue
            done += 1
            if sent < reviews:
                sent += 1
                connection.ask(request)
    selector.close()


@contextmanager
def _server(kind: str, folder: str) -> Iterator[_Server]:
    """The log line of each review goes to a file: it is a part of what is measured."""
    line = [sys.executable, "-m", "bench.server", kind, f"{folder}/tls.crt", f"{folder}/tls.key"]
    path = Path(folder) / f"{kind}.log"
    with path.open("w") as log, subprocess.Popen(line, cwd=_ROOT, stdout=log, stderr=log, text=True) as process:
        try:
            yield _Server(process, _port(process, path), folder)
        finally:
            process.terminate()


def _port(process: subprocess.Popen[str], log: Path) -> int:
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        listening = [line for line in log.read_text().splitlines() if '"listening"' in line]
        if listening:
            return int(loads(listening[0])["address"].rpartition(":")[2])
        time.sleep(0.05)
    raise BenchError(f"the server did not start: {log.read_text()}")


def _ticks(pid: str) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
