"""The broker as a process: real gunicorn, real TLS, the image's entrypoint."""

import itertools
import json
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.broker.brokers import RunningBroker, headers_of
from tests.broker.world import REGION, World
from tests.serving.pki import Pki
from tests.stores.faulty import says

pytestmark = pytest.mark.slow

SECRET = "sm://shop/db#password"
VALUE = "hunter2-the-canary"
Start = Callable[..., RunningBroker]


@pytest.fixture
def start(tmp_path: Path, pki: Pki, world: World) -> Iterator[Start]:
    """Start brokers with flags of their own; all are ended with the test."""
    started: list[RunningBroker] = []
    numbers = itertools.count()

    def begin(**flags: Any) -> RunningBroker:
        folder = tmp_path / f"broker-{next(numbers)}"
        folder.mkdir()
        started.append(RunningBroker(folder, pki, world, **flags))
        return started[-1]

    yield begin
    for broker in started:
        broker.kill()


@pytest.fixture
def question(world: World) -> dict[str, Any]:
    """What pod a asks."""
    world.secret("shop/db", {"password": VALUE})
    world.pod("a")
    role, token = world.role("shop"), world.web_identity()
    return {"references": [SECRET], "role_arn": role, "web_identity_token": token, "region": REGION}


def wait_for(what: Callable[[], bool]) -> None:
    """Until it is so."""
    deadline = time.monotonic() + 15
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_day(world: World, start: Start, question: dict[str, Any]) -> None:
    """An answer, its line, its metrics; no token and no value in any of them; SIGTERM ends it with 0."""
    broker, token = start(log_level="debug"), world.token("a")

    status, answer = broker.ask(token, question)

    assert (status, answer["values"]) == (200, {SECRET: {"text": VALUE}})
    refused, _ = broker.ask(world.token("a", audience="vault"), question)
    assert refused == 401
    metrics = broker.call("GET", "/metrics")[2].decode()
    assert 'token_injector_broker_requests_total{outcome="answered",protocol="v1"} 1.0' in metrics
    assert 'token_injector_broker_requests_total{outcome="bad_token",protocol="v1"} 1.0' in metrics
    assert 'token_injector_broker_aws_calls_total{api="AssumeRoleWithWebIdentity",outcome="ok"} 1.0' in metrics
    assert 'token_injector_broker_sources_total{origin="aws"} 1.0' in metrics
    assert broker.call("GET", "/readyz")[0] == 200
    for process in (broker.process.pid, *broker.workers()):
        limits = Path(f"/proc/{process}/limits").read_text().splitlines()
        # One byte: none, and no program at the other end of a pipe gets one.
        assert next(line.split()[4:6] for line in limits if line.startswith("Max core file size")) == ["1", "1"]
    broker.process.send_signal(signal.SIGTERM)
    assert broker.process.wait(30) == 0
    broker._reader.join(10)
    line = next(event for event in broker.events if event["event"] == "secrets")
    assert (line["namespace"], line["pod"], line["service_account"], line["outcome"]) == (
        "shop",
        "a",
        "api",
        "answered",
    )
    assert line["asked"] == SECRET
    written = broker.log() + json.dumps(broker.events) + metrics
    for canary in (VALUE, token, question["web_identity_token"], token.split(".")[2]):
        assert canary not in written


def test_readiness_follows_the_api_server(world: World, start: Start) -> None:
    """Without it no pod can be told from another; liveness has nothing to do with it."""
    broker = start()
    wait_for(lambda: broker.call("GET", "/readyz")[0] == 200)
    world.api.down()
    wait_for(lambda: broker.call("GET", "/readyz")[0] == 503)
    assert b"API server" in broker.call("GET", "/readyz")[2]
    assert broker.call("GET", "/healthz")[0] == 200
    world.api.up()
    wait_for(lambda: broker.call("GET", "/readyz")[0] == 200)


def test_an_api_server_that_is_away_is_later(world: World, start: Start, question: dict[str, Any]) -> None:
    """503 with Retry-After, which the injected container heeds."""
    broker = start()
    world.api.down()
    headers = headers_of(world.token("a"))
    status, said, _ = broker.call("POST", "/v1/secrets", json.dumps(question).encode(), headers)
    assert (status, said["Retry-After"]) == (503, "1")


def test_a_dead_aws_holds_up_nobody_else(world: World, start: Start, question: dict[str, Any]) -> None:
    """While every place waits for AWS, probes and what is in memory are answered, and others told to come later."""
    broker = start(threads=16, request_timeout=6)
    world.pod("b", "shop:web")
    assert broker.ask(world.token("a"), question)[0] == 200
    world.aws.faults["STS"] = world.aws.hanging
    others = question | {"web_identity_token": world.web_identity("99887766554433221100")}
    statuses: list[int] = []
    waiting = [
        threading.Thread(
            target=lambda: statuses.append(broker.ask(world.token("b", "shop:web"), others)[0]), daemon=True
        )
        for _ in range(14)
    ]
    for thread in waiting:
        thread.start()
    wait_for(lambda: 503 in statuses)

    started = time.monotonic()
    assert broker.call("GET", "/healthz")[0] == 200
    assert broker.ask(world.token("a"), question)[1]["values"] == {SECRET: {"text": VALUE}}
    assert time.monotonic() - started < 2
    for thread in waiting:
        thread.join(15)
    assert set(statuses) == {200, 503}


def test_pods_that_start_while_aws_is_away_wait_and_then_start(
    world: World, start: Start, question: dict[str, Any]
) -> None:
    """What AWS cannot answer is said to be passing; the same question gets its values when AWS is back."""
    broker, token = start(request_timeout=3), world.token("a")
    world.aws.faults["STS"] = says(503, "ServiceUnavailable")
    status, answer = broker.ask(token, question)
    assert status == 200, answer
    assert answer["refusals"][SECRET]["reason"] == "unavailable"
    world.aws.faults.clear()
    wait_for(lambda: bool(broker.ask(token, question)[1].get("values")))


@pytest.mark.parametrize("size", [(1 << 20) + 1, 20 << 20])
def test_an_oversized_body_is_refused(world: World, start: Start, size: int) -> None:
    """413, before the API server is asked."""
    broker = start()
    headers = headers_of(world.token("a"))
    seen = len(world.api.requests)
    try:
        status = broker.call("POST", "/v1/secrets", b" " * size, headers)[0]
    except OSError:
        status = 413  # it has hung up on the rest
    assert status == 413
    assert not any(request.path.endswith("tokenreviews") for request in world.api.requests[seen:])


def test_slow_senders_hold_no_thread(world: World, start: Start, question: dict[str, Any]) -> None:
    """More senders of a byte at a time than there are threads: a pod is answered meanwhile."""
    broker = start(threads=8, read_timeout=10)
    assert broker.ask(world.token("a"), question)[0] == 200  # its clients are made by the first question
    slow: list[socket.socket] = []
    for _ in range(16):
        sock = socket.create_connection(("127.0.0.1", broker.port), timeout=10)
        slow.append(broker.pki.client_context().wrap_socket(sock, server_hostname="localhost"))
        slow[-1].sendall(b"POST /v1/secrets HTTP/1.1\r\nContent-Length: 1000\r\n\r\n{")
    started = time.monotonic()
    assert broker.ask(world.token("a"), question)[0] == 200
    assert time.monotonic() - started < 8
    for each in slow:
        each.close()


def test_changed_grants_hold_without_a_restart(
    world: World, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is broken leaves the last good grants in force, and readiness says so."""
    world.secret("shop/db", {"password": VALUE})
    world.pod("a")
    grants, own = tmp_path / "grants.yaml", tmp_path / "own"
    own.write_text(world.web_identity())
    grants.write_text("grants: [{name: g, serviceAccounts: ['bank:*'], secrets: ['sm://*']}]")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(own))
    broker = start(shared_role_arn=world.role("broker"), grants=grants)
    asked = {"references": [SECRET], "region": REGION}
    assert broker.ask(world.token("a"), asked)[1]["refusals"][SECRET]["reason"] == "access_denied"
    grants.write_text("grants: [{name: g, serviceAccounts: ['shop:*'], secrets: ['sm://*']}]")
    assert broker.ask(world.token("a"), asked)[1]["values"] == {SECRET: {"text": VALUE}}
    grants.write_text("grants: 5")
    assert broker.ask(world.token("a"), asked)[1]["values"] == {SECRET: {"text": VALUE}}
    assert b"grants: expected a list of grants" in broker.call("GET", "/readyz")[2]
    wait_for(lambda: b"token_injector_broker_grants_reload_failures_total 1.0" in broker.call("GET", "/metrics")[2])


def test_a_start_that_fails_says_why(start: Start, tmp_path: Path) -> None:
    """Exit code 2, and one line for whoever can mend it."""
    (tmp_path / "grants.yaml").write_text("grants: 5")
    with pytest.raises(AssertionError, match=r"exit code 2.*--shared-role-arn and --grants belong together"):
        start(grants=tmp_path / "grants.yaml")
    with pytest.raises(AssertionError, match=r"exit code 2.*no such file"):
        start(kubeconfig=tmp_path / "nowhere")
