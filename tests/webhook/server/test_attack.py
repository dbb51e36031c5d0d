"""Callers that hang up, drip and send rubbish, while others want their reviews ("Must hold" 5)."""

import random
import socket
import ssl
import threading
import time
from collections.abc import Callable

import pytest

from tests.webhook.server.conftest import Start
from tests.webhook.server.webhooks import RunningWebhook, review_of

pytestmark = pytest.mark.slow

HANG_UPS = 200
DRIPPERS = 16
BAD_BODIES = 20
MOST_P99 = 0.250
PACE = 0.01


def test_good_reviews_go_on_under_attack(start: Start) -> None:
    """200 hang-ups, 16 senders of a byte a second, 8 MiB and malformed bodies: same workers, others' p99 ≤ 250 ms."""
    running = start(workers=2, threads=4, read_timeout=5.0)
    running.wait_until_ready()
    workers = running.workers()
    stop = threading.Event()
    drippers = [threading.Thread(target=_drip, args=(running, kind % 3, stop), daemon=True) for kind in range(DRIPPERS)]
    attackers = [threading.Thread(target=attack, args=(running,), daemon=True) for attack in (_hang_up, _send_rubbish)]
    for thread in drippers:
        thread.start()
    time.sleep(0.5)
    for thread in attackers:
        thread.start()
    seconds = _measure(running, while_=lambda: any(thread.is_alive() for thread in attackers), at_least=8.0)
    stop.set()
    for thread in (*attackers, *drippers):
        thread.join(15)

    assert running.workers() == workers
    assert len(seconds) > 300
    seconds.sort()
    p99 = seconds[int(len(seconds) * 0.99)]
    print(f"\n{len(seconds)} reviews: p50 {seconds[len(seconds) // 2] * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms")  # noqa: T201 - the measurement
    assert p99 <= MOST_P99, f"p99 {p99 * 1000:.0f} ms, worst {seconds[-1] * 1000:.0f} ms"
    assert running.metric('token_injector_connections_refused_total{reason="deadline"}') >= DRIPPERS


def _measure(running: RunningWebhook, *, while_: Callable[[], bool], at_least: float) -> list[float]:
    """Reviews one after the other, half of them on new connections as after a hang-up; each one's seconds."""
    seconds: list[float] = []
    started = time.monotonic()
    body = review_of("good")
    while while_() or time.monotonic() - started < at_least:
        with running.caller() as caller:
            for _ in range(2):
                began = time.perf_counter()
                assert caller.post(body)["response"]["allowed"]
                seconds.append(time.perf_counter() - began)
                time.sleep(PACE)
        assert time.monotonic() - started < 60
    return seconds


def _hang_up(running: RunningWebhook) -> None:
    """Go away at a random byte: of the handshake, the headers or the body; some with a reset."""
    dice = random.Random(5)
    body = review_of("good")
    request = (
        f"POST /pods HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    )
    for number in range(HANG_UPS):
        if number % 3 == 0:
            with running.raw(tls=False) as sock:
                sock.sendall(_client_hello()[: dice.randrange(200)])
                _reset(sock, dice)
            continue
        with running.raw() as sock:
            sock.sendall(request[: dice.randrange(len(request) + 1)])
            _reset(sock, dice)


def _reset(sock: socket.socket, dice: random.Random) -> None:
    """Half of the callers go with RST, half with FIN."""
    if dice.random() < 0.5:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")


def _client_hello() -> bytes:
    """The first bytes of a real handshake."""
    outgoing = ssl.MemoryBIO()
    session = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        session.do_handshake()
    return outgoing.read()


def _drip(running: RunningWebhook, kind: int, stop: threading.Event) -> None:
    """One byte a second: in the handshake, in the headers, or in the body; again as soon as it is thrown out."""
    while not stop.is_set():
        with running.raw(tls=kind != 0) as sock:
            sent = _client_hello() if kind == 0 else b"POST /pods HTTP/1.1\r\nContent-Length: 100000\r\n\r\n"
            if kind == 2:
                sock.sendall(sent)
                sent = review_of("good") * 2
            for byte in sent:
                try:
                    sock.sendall(bytes([byte]))
                except OSError:
                    break
                if stop.wait(1.0):
                    return


def _send_rubbish(running: RunningWebhook) -> None:
    """Bodies of 8 MiB, and bodies that are no JSON; an answer is read where there is one."""
    for number in range(BAD_BODIES):
        with running.caller() as caller:
            body = b"[" * (8 * 1024 * 1024) if number % 2 else b"[" * (64 * 1024)
            code = caller.post(body)["response"]["status"]["code"]
            assert code == (413 if number % 2 else 400)
