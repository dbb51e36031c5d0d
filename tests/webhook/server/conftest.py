"""Webhooks over real TLS, in processes of their own."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving.pki import Pki
from tests.webhook.server.webhooks import RunningWebhook

Start = Callable[..., RunningWebhook]


@pytest.fixture
def start(tmp_path: Path, pki: Pki) -> Iterator[Start]:
    """Start webhooks with settings of their own; all are ended with the test."""
    started: list[RunningWebhook] = []

    def begin(**settings: Any) -> RunningWebhook:
        folder = tmp_path / f"webhook-{len(started)}"
        folder.mkdir()
        started.append(RunningWebhook(folder, pki, settings))
        return started[-1]

    yield begin
    for webhook in started:
        webhook.kill()


@pytest.fixture(scope="module")
def webhook(tmp_path_factory: pytest.TempPathFactory, pki: Pki) -> Iterator[RunningWebhook]:
    """One webhook with short deadlines for a whole file."""
    running = RunningWebhook(
        tmp_path_factory.mktemp("webhook"),
        pki,
        {"telemetry_listen_address": "127.0.0.1:0", "read_timeout": 2.0, "max_body_bytes": 65536},
    )
    try:
        running.wait_until_ready()
        yield running
    finally:
        running.kill()
