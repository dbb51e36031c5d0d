"""Webhooks as processes, and callers of them."""

import http.client
import json
import os
import queue
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.serving.pki import Pki, SecretVolume

_PROGRAM = Path(__file__).with_name("served.py")
_ROOT = Path(__file__).parents[3]
_START_SECONDS = 30.0
JSON = {"Content-Type": "application/json"}


def review_of(name: str, uid: str = "u1", **spec: Any) -> bytes:
    """An AdmissionReview of a pod; its name says what the review does (served.py)."""
    pod = {"metadata": {"name": name}, "spec": spec}
    request = {"uid": uid, "resource": {"resource": "pods"}, "object": pod}
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()


class RunningWebhook:
    """served.py in a process of its own."""

    def __init__(self, folder: Path, pki: Pki, settings: dict[str, Any]) -> None:
        folder.mkdir(exist_ok=True)
        self.pki = pki
        self.volume = SecretVolume(folder / "certs")
        certificate, key, self.serial = pki.issue()
        self.volume.write(certificate, key)
        files = {"tls_cert_file": str(self.volume.cert_file), "tls_private_key_file": str(self.volume.key_file)}
        self.unready_file = folder / "unready"
        given = {**files, "unready_file": str(self.unready_file), **settings}
        self._stderr = folder / "stderr"
        self.events: list[dict[str, Any]] = []
        self.lines: list[str] = []
        self._listening: queue.Queue[dict[str, Any] | None] = queue.Queue()
        with self._stderr.open("wb") as stderr:
            self.process = subprocess.Popen(
                self.command(given),
                stdout=subprocess.PIPE,
                stderr=stderr,
                env={**os.environ, "PYTHONPATH": str(_ROOT)},
            )
        self._reader = threading.Thread(target=self._read_events, daemon=True)
        self._reader.start()
        try:
            said = self._listening.get(timeout=_START_SECONDS)
        except queue.Empty:
            said = None
        if said is None:
            self.kill()
            raise AssertionError(f"exit code {self.process.returncode}: {self.log()}")
        self.port = int(said["address"].rpartition(":")[2])
        self.telemetry_port = int(said.get("telemetry_address", ":0").rpartition(":")[2])

    def command(self, given: dict[str, Any]) -> list[str]:
        """The program, and these settings in its form."""
        return [sys.executable, str(_PROGRAM), json.dumps(given)]

    def _read_events(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line.decode())
            event = json.loads(line)
            self.events.append(event)
            if event["event"] == "listening":
                self._listening.put(event)
        self._listening.put(None)

    def log(self) -> str:
        """What was logged so far."""
        return self._stderr.read_text()

    def workers(self) -> set[int]:
        """Process ids of the workers."""
        found = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True, check=False
        )
        return {int(pid) for pid in found.stdout.split()}

    def wait_until_ready(self) -> None:
        """All workers have started when the first ones have answered a few times."""
        deadline = time.monotonic() + _START_SECONDS
        while len(self.workers()) < 2 or self._status("/readyz") != 200:
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)

    def _status(self, path: str) -> int:
        with self.caller() as caller:
            return caller.get(path)[0]

    def caller(self, *, timeout: float = 10.0) -> "Caller":
        """A new connection over TLS."""
        return Caller(self.port, self.pki.client_context(), timeout=timeout)

    def raw(self, *, tls: bool = True) -> socket.socket:
        """A connection for bytes that no client would send."""
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        return self.pki.client_context().wrap_socket(sock, server_hostname="localhost") if tls else sock

    def metric(self, sample: str) -> float:
        """One sample of /metrics."""
        with self.caller() as caller:
            text = caller.get("/metrics")[1].decode()
        return next(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(f"{sample} "))

    def terminate(self) -> None:
        """What the kubelet does first."""
        self.process.send_signal(signal.SIGTERM)

    def wait(self, timeout: float = 20.0) -> int:
        """The exit code, and every line that was written."""
        code = self.process.wait(timeout)
        self._reader.join(timeout)
        return code

    def kill(self) -> None:
        """End it at once, if it still runs: gunicorn's quick stop, which takes workers and files along."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            for pid in (*self.workers(), self.process.pid):
                os.kill(pid, signal.SIGKILL)
            self.process.wait(10)
        self._reader.join(10)
        assert self.process.stdout
        self.process.stdout.close()


class RealWebhook(RunningWebhook):
    """The webhook as operators start it."""

    def command(self, given: dict[str, Any]) -> list[str]:
        """Settings are flags."""
        flags = {"image": "registry.example/token-injector:1.0", "listen_address": "127.0.0.1:0", **given}
        del flags["unready_file"]
        words = [f"--{name.replace('_', '-')}={value}" for name, value in flags.items()]
        return [sys.executable, "-m", "webhook", "server", *words]


class Caller:
    """One keep-alive connection, as the API server holds it."""

    def __init__(self, port: int, context: ssl.SSLContext | None, *, timeout: float) -> None:
        if context is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        else:
            self.connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=timeout, context=context)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.connection.close()

    def post(self, body: bytes, headers: dict[str, str] | None = None) -> dict[str, Any]:
        """The AdmissionReview that answers."""
        self.connection.request("POST", "/pods", body=body, headers=JSON if headers is None else headers)
        response = self.connection.getresponse()
        text = response.read()
        assert response.status == 200, (response.status, text)
        found = json.loads(text)
        assert isinstance(found, dict)
        return found

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body."""
        self.connection.request("GET", path)
        response = self.connection.getresponse()
        return response.status, response.read()

    def serial(self) -> int:
        """Of the certificate that was served on this connection."""
        if self.connection.sock is None:
            self.connection.connect()
        assert isinstance(self.connection.sock, ssl.SSLSocket)
        certificate = self.connection.sock.getpeercert()
        assert certificate
        return int(str(certificate["serialNumber"]), 16)
