"""Debian's docker-registry as a process: open, with passwords, or with tokens; over plain HTTP or TLS."""

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.entrypoint.images import Pusher
from tests.kube.certificates import Authority

USER, PASSWORD = "puller", "pull-me"
# bcrypt of PASSWORD, the only kind that the registry takes.
_HTPASSWD = f"{USER}:$2y$05$abcdefghijklmnopqrstuuBp.n58v886n7kD7.z9i0nzqxtQ8I2P.\n"
_START_SECONDS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A registry that runs."""

    host: str
    """HOST:PORT"""
    pusher: Pusher


def installed() -> str:
    """The program; skips where there is none."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("needs docker-registry: apt-get install docker-registry")
    return program


@contextmanager
def registry(
    directory: Path, *, name: str = "127.0.0.1", authority: Authority | None = None, auth: dict[str, Any] | None = None
) -> Iterator[str]:
    """HOST:PORT of a registry that keeps everything in memory, by this name of the loopback address."""
    program = installed()
    port = _free_port()
    http: dict[str, Any] = {"addr": f"127.0.0.1:{port}"}
    if authority is not None:
        files = authority.issue(f"registry-{port}", dns="localhost")
        http["tls"] = {"certificate": str(files.certificate), "key": str(files.key)}
    config = {"version": 0.1, "log": {"level": "error"}, "storage": {"inmemory": {}}, "http": http}
    path = directory / f"registry-{port}.yml"
    path.write_text(json.dumps({**config, **({"auth": auth} if auth else {})}))  # JSON is YAML
    environment = {"OTEL_TRACES_EXPORTER": "none"}
    with (directory / f"registry-{port}.log").open("wb") as log:
        process = subprocess.Popen([program, "serve", str(path)], stdout=log, stderr=log, env=environment)
    try:
        _await(port, process, directory / f"registry-{port}.log")
        yield f"{name}:{port}"
    finally:
        process.terminate()
        process.wait(10)


def passwords(directory: Path) -> dict[str, Any]:
    """The auth of a registry that wants USER and PASSWORD."""
    (directory / "htpasswd").write_text(_HTPASSWD)
    return {"htpasswd": {"realm": "tests", "path": str(directory / "htpasswd")}}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def _await(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    pytest.fail(f"the registry does not start: {log.read_text()}")
