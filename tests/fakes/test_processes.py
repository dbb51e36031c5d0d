"""The fakes as processes of their own, sharing the key and the JWKS through files."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.conftest import AUDIENCE, ROLE_ARN, Get, google_trust

pytestmark = pytest.mark.slow

Start = Callable[..., tuple[subprocess.Popen[str], str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start `python -m MODULE …`; give the process and the first line that it prints."""
    running: list[subprocess.Popen[str]] = []

    def started(module: str, *arguments: str) -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen([sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, text=True)
        running.append(process)
        assert process.stdout
        return process, process.stdout.readline().strip()

    yield started
    for process in running:
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()


def test_both_processes_serve_boto3(start: Start, get: Get, tmp_path: Path) -> None:
    """A token from the one process is trusted by the other, real boto3 works, and SIGTERM ends both with 0."""
    jwks = tmp_path / "jwks.json"
    unique_id = "100000000000000000042"
    metadata, host = start(
        "demo.fakes.metadata",
        f"--key-file={tmp_path / 'key.pem'}",
        f"--jwks-file={jwks}",
        f"--unique-id={unique_id}",
    )
    roles = tmp_path / "roles.json"
    roles.write_text(json.dumps({ROLE_ARN: {"trust_policy": google_trust(unique_id)}}))
    sts, url = start("demo.fakes.sts", f"--google-jwks={jwks}", f"--roles={roles}")
    path = "/computeMetadata/v1/instance/service-accounts/default/identity?audience="
    (tmp_path / "token").write_bytes(get(host, path + AUDIENCE)[2])
    application = subprocess.run(
        [sys.executable, "-c", "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"],
        env={
            **os.environ,
            "AWS_ENDPOINT_URL": url,
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"),
            "AWS_ROLE_ARN": ROLE_ARN,
            "AWS_ROLE_SESSION_NAME": "ns.app",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert application.stdout == "arn:aws:sts::123456789012:assumed-role/reader/ns.app\n"
    for process in (metadata, sts):
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0


@pytest.mark.parametrize("module", ["demo.fakes.metadata", "demo.fakes.sts"])
def test_help_has_an_example(module: str) -> None:
    """--help explains the flags and shows a command that works."""
    shown = subprocess.run([sys.executable, "-m", module, "--help"], capture_output=True, text=True, check=True)
    assert f"python -m {module} --listen" in shown.stdout


def test_unbound_process(start: Start, get: Get) -> None:
    """--unbound answers GKE's 404 for the pod's own service account."""
    _, host = start("demo.fakes.metadata", "--unbound", "--pod-service-account=prod/api")
    status, _, body = get(host, "/computeMetadata/v1/instance/service-accounts/default/identity?audience=a")
    assert (status, b"(prod/api)" in body) == (404, True)


def test_taken_port_is_said() -> None:
    """A port that somebody else has is a wrong command line, not a crash."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        line = [sys.executable, "-m", "demo.fakes.metadata", f"--listen={listen}"]
        finished = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)

    assert finished.returncode == 2
    assert finished.stderr.endswith(f"error: --listen {listen}: Address already in use\n")
