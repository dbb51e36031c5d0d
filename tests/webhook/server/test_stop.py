"""How it ends."""

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.webhook.server.conftest import Start
from tests.webhook.server.webhooks import JSON, RunningWebhook, review_of

pytestmark = pytest.mark.slow


def test_graceful_stop(start: Start) -> None:
    """After SIGTERM a review in flight is answered, new callers are served for a while and told to close, exit is 0."""
    running = start(graceful_timeout=16.0)  # of which 4 s drain
    running.wait_until_ready()
    answers: list[dict[str, Any]] = []

    def call() -> None:
        with running.caller() as caller:
            answers.append(caller.post(review_of("sleep-1.5")))

    in_flight = threading.Thread(target=call, daemon=True)
    idle = running.caller()
    idle.get("/healthz")
    in_flight.start()
    time.sleep(0.3)
    started = time.monotonic()
    running.terminate()
    while (said := _readiness(running))[0] == 200:
        assert time.monotonic() - started < 3
        time.sleep(0.05)
    assert said == (503, b'{"missing":{"server":"stopping"},"ready":false}\n')
    with running.caller() as caller:
        caller.connection.request("POST", "/pods", body=review_of("good"), headers=JSON)
        response = caller.connection.getresponse()
        assert (response.status, response.headers["Connection"]) == (200, "close")
        response.read()
    in_flight.join(10)

    assert running.wait() == 0
    assert 1.5 < time.monotonic() - started < 14
    assert [answer["response"]["allowed"] for answer in answers] == [True]
    idle.connection.close()


def _readiness(running: RunningWebhook) -> tuple[int, bytes]:
    """As a new caller has it."""
    with running.caller() as caller:
        return caller.get("/readyz")


def test_workers_that_are_just_starting_stop_too(start: Start) -> None:
    """A SIGTERM that comes before a worker has handlers of its own is not lost: the drain ends them, not SIGKILL."""
    running = start(fork_seconds=1.0, graceful_timeout=16.0)  # of which 4 s drain
    deadline = time.monotonic() + 15
    while len(running.workers()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    started = time.monotonic()
    running.terminate()

    assert running.wait() == 0
    assert time.monotonic() - started < 14


def test_stop_leaves_nothing_behind(start: Start) -> None:
    """No worker and no file of ours is left."""
    running = start(graceful_timeout=6.0)  # of which 1.5 s drain; who is killed after it is not buried at once
    running.wait_until_ready()
    workers = running.workers()
    folder = _metrics_folder(workers)
    assert folder.is_dir()
    running.terminate()

    assert running.wait() == 0
    assert not folder.exists()
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


def _metrics_folder(workers: set[int]) -> Path:
    """As the workers have it mapped."""
    if not Path("/proc/self/maps").exists():
        pytest.skip("needs /proc: Linux")
    maps = [line for worker in workers for line in Path(f"/proc/{worker}/maps").read_text().splitlines()]
    return Path(next(line.split()[-1] for line in maps if "token-injector-metrics-" in line)).parent


def test_killed_worker_is_replaced(start: Start) -> None:
    """A worker that dies is replaced; its counts stay, its gauges go."""
    running = start(workers=1)
    with running.caller() as caller:
        caller.post(review_of("good"))
    (worker,) = running.workers()
    os.kill(worker, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while running.workers() in ({worker}, set()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with running.caller() as caller:
        caller.post(review_of("good"))
    assert running.metric('token_injector_reviews_total{outcome="injected",reason="native"}') == 2
    assert running.metric('token_injector_build_info{version="1.2.3"}') == 1


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"tls_cert_file": "/nowhere/tls.crt"}, "exit code 2: .*/nowhere/tls.crt"),
        ({"listen_address": "nonsense"}, "exit code 2: .*--listen-address: 'nonsense' is not"),
    ],
)
def test_start_that_fails_says_why(start: Start, settings: dict[str, str], said: str) -> None:
    """A start without certificate or address ends with exit code 2 and one line."""
    with pytest.raises(AssertionError, match=said):
        start(**settings)
