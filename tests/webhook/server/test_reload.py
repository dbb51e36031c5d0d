"""A renewed certificate under load."""

import threading
import time

import pytest

from tests.serving.pki import Pki
from tests.webhook.server.conftest import Start
from tests.webhook.server.webhooks import RunningWebhook, review_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

REVIEWS = 5_000
SWAPS = 20
REVIEWS_A_CONNECTION = 25
CALLERS = 3


class Load:
    """Callers that reconnect now and then, and what they saw."""

    def __init__(self, running: RunningWebhook) -> None:
        self._running = running
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.served = 0
        self.serials: set[int] = set()
        self.failures: list[BaseException] = []
        self._threads = [threading.Thread(target=self._call, daemon=True) for _ in range(CALLERS)]
        for thread in self._threads:
            thread.start()

    def _call(self) -> None:
        body = review_of("good")
        while not self._stop.is_set():
            try:
                with self._running.caller() as caller:
                    serial = caller.serial()
                    for _ in range(REVIEWS_A_CONNECTION):
                        assert caller.post(body)["response"]["allowed"]
            except (OSError, AssertionError) as exc:
                self.failures.append(exc)
                return
            with self._lock:
                self.serials.add(serial)
                self.served += REVIEWS_A_CONNECTION

    def wait_for_serial(self, serial: int) -> None:
        """Until a connection was served this certificate."""
        deadline = time.monotonic() + 20
        while serial not in self.serials and not self.failures:
            assert time.monotonic() < deadline, "the renewed certificate was never served"
            time.sleep(0.005)

    def finish(self) -> None:
        """Go on to the whole number of reviews, then end."""
        deadline = time.monotonic() + 200
        while self.served < REVIEWS and not self.failures and time.monotonic() < deadline:
            time.sleep(0.02)
        self._stop.set()
        for thread in self._threads:
            thread.join(10)


def test_certificate_is_renewed_under_load(start: Start, pki: Pki) -> None:
    """5,000 reviews across 20 swaps: none fails, each new certificate is served, the same workers live on."""
    running = start(workers=2)
    running.wait_until_ready()
    workers = running.workers()
    load = Load(running)
    issued = [running.serial]
    for _ in range(SWAPS):
        certificate, key, serial = pki.issue()
        running.volume.write(certificate, key)
        issued.append(serial)
        load.wait_for_serial(serial)
    load.finish()

    assert load.failures == []
    assert load.served >= REVIEWS
    assert set(issued[1:]) <= load.serials <= set(issued)
    assert running.workers() == workers
    assert running.metric("token_injector_certificate_reload_failures_total") == 0


def test_broken_renewal_keeps_serving(start: Start, pki: Pki) -> None:
    """A certificate without its key leaves the last good pair in force, is logged and counted, and is mended."""
    running = start(workers=1)
    certificate, key, serial = pki.issue()
    running.volume.write(certificate, pki.issue()[1])
    for _ in range(3):
        with running.caller() as caller:
            assert caller.serial() == running.serial
            assert caller.post(review_of("good"))["response"]["allowed"]

    assert running.metric("token_injector_certificate_reload_failures_total") == 1
    assert running.log().count("the last good one stays") == 1
    assert "PRIVATE KEY" not in running.log()
    running.volume.write(certificate, key)
    with running.caller() as caller:
        assert caller.serial() == serial
