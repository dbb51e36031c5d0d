"""Brokers as processes, as operators start them."""

import http.client
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.broker.world import World
from tests.serving.pki import Pki, SecretVolume

_ROOT = Path(__file__).parents[2]
_START_SECONDS = 30.0


def headers_of(token: str) -> dict[str, str]:
    """Of a question."""
    return {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}


class RunningBroker:
    """`token-injector-broker broker` in a process of its own."""

    def __init__(self, folder: Path, pki: Pki, world: World, *, log_level: str = "warning", **flags: Any) -> None:
        self.pki = pki
        volume = SecretVolume(folder / "certs")
        volume.write(*pki.issue()[:2])
        given = {
            "listen-address": "127.0.0.1:0",
            "tls-cert-file": volume.cert_file,
            "tls-private-key-file": volume.key_file,
            "kubeconfig": world.kubeconfig(folder),
            "web-identity-keys": f"https://accounts.google.com={world.keys.url}",
            **{name.replace("_", "-"): value for name, value in flags.items()},
        }
        words = [f"--{name}={value}" for name, value in given.items()]
        self._stderr = folder / "stderr"
        environ = {**os.environ, **world.aws.environment(), "PYTHONPATH": str(_ROOT)}
        with self._stderr.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "images.entrypoint", "--json", f"--log-level={log_level}", "broker", *words],
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=environ,
                cwd=_ROOT,
            )
        self.events: list[dict[str, Any]] = []
        self._listening: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            said = self._listening.get(timeout=_START_SECONDS)
        except queue.Empty:
            said = None
        if said is None:
            self.kill()
            raise AssertionError(f"exit code {self.process.returncode}: {self.log()}")
        self.port = int(said["address"].rpartition(":")[2])

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            event = json.loads(line)
            self.events.append(event)
            if event["event"] == "listening":
                self._listening.put(event)
        self._listening.put(None)

    def workers(self) -> list[int]:
        """The processes that answer."""
        process = self.process.pid
        return [int(pid) for pid in Path(f"/proc/{process}/task/{process}/children").read_text().split()]

    def log(self) -> str:
        """What was logged so far."""
        return self._stderr.read_text()

    def call(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of one request on a connection of its own."""
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=20, context=self.pki.client_context())
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return response.status, dict(response.headers), response.read()
        finally:
            connection.close()

    def ask(self, token: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Status and answer of a question."""
        status, _, answer = self.call("POST", "/v1/secrets", json.dumps(body).encode(), headers_of(token))
        return status, json.loads(answer)

    def kill(self) -> None:
        """End it, if it still runs."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
        self.process.wait(20)
        self._reader.join(10)
        assert self.process.stdout
        self.process.stdout.close()
