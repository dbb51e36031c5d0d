"""What the stores say when AWS, the network or the identity fails: in time, with the reason, without values."""

import logging
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from threading import Barrier, Event
from typing import Any

import pytest
from werkzeug.wrappers import Response

from demo.fakes.sts import ROOT_ACCESS_KEY_ID, ROOT_SECRET_ACCESS_KEY
from secretenv.references import Item, Parameter, ParameterPath, Secret, Source
from secretenv.stores import Fetched, Reason, Refusal
from secretenv.stores.aws import Aws
from secretenv.stores.bucket import RATES
from secretenv.stores.clients import ATTEMPTS, Clients, Credentials
from tests.stores.conftest import Setup, comes
from tests.stores.faulty import Fault, FaultyAws, error, says
from tests.stores.outcomes import refused

SECRET = Secret("app/db")
EVERY_KIND: tuple[Source, ...] = (
    SECRET,
    Parameter("/app/db"),
    ParameterPath("/app"),
    Item("secrets", "k", "name", "value"),
)


def all_refused(store: Aws, *sources: Source, timeout: float = 10) -> dict[Source, Refusal]:
    """The refusals; nothing else may come."""
    found = store.fetch(sources or [SECRET], timeout=timeout)
    return {source: refused(found, source) for source in found}


def first(store: Aws, **how: Any) -> Refusal:
    """The refusal of SECRET."""
    return all_refused(store, **how)[SECRET]


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "ThrottlingException"),
        (400, "TooManyUpdates"),
        (429, "Whatever"),
        (500, "InternalServiceError"),
        (503, ""),
        (400, "ProvisionedThroughputExceededException"),
    ],
)
@pytest.mark.usefixtures("hurried")
def test_unavailable(aws: FaultyAws, store: Aws, status: int, code: str) -> None:
    """Throttling and server errors are retried, and then time's to mend."""
    aws.faults["GetSecretValue"] = says(status, code)
    expected: Reason = "invalid" if code == "TooManyUpdates" else "unavailable"
    assert first(store).reason == expected
    if expected == "unavailable" and code != "Whatever":
        assert aws.asked["GetSecretValue"] == ATTEMPTS


def every_other_is_throttled() -> Fault:
    """The first request, the third, and so on."""
    number = count()
    return lambda _: None if next(number) % 2 else error(400, "ThrottlingException")


@pytest.mark.usefixtures("hurried")
def test_half_of_the_requests_are_throttled(aws: FaultyAws, store: Aws, setup: Setup) -> None:
    """Every second request of each operation fails, and every source is there."""
    setup("secretsmanager").create_secret(Name="app/db", SecretString="secret")
    setup("ssm").put_parameter(Name="/app/db", Value="parameter", Type="SecureString")
    for operation in ("GetSecretValue", "GetParameter", "GetParametersByPath"):
        aws.faults[operation] = every_other_is_throttled()
    found = store.fetch(EVERY_KIND[:3], timeout=10)
    assert all(isinstance(outcome, Fetched) for outcome in found.values())


def test_a_batch_that_is_throttled_is_not_taken_apart(aws: FaultyAws, store: Aws, hurried: list[float]) -> None:
    """Twenty single reads would make it worse."""
    aws.faults["BatchGetSecretValue"] = says(400, "ThrottlingException")
    assert {each.reason for each in all_refused(store, Secret("a"), Secret("b")).values()} == {"unavailable"}
    assert aws.asked["GetSecretValue"] == 0
    assert len(hurried) == ATTEMPTS - 1


@pytest.mark.parametrize("missing", [0, 10], ids=["no JSON", "cut"])
@pytest.mark.parametrize("source", EVERY_KIND, ids=lambda source: type(source).__name__)
@pytest.mark.usefixtures("hurried")
def test_a_cut_answer(aws: FaultyAws, store: Aws, source: Any, missing: int) -> None:
    """It is unavailable, never an empty value or a missing one, and what came of it is quoted nowhere."""
    body = '{"SecretString": "canary-of-the-cut-answer'
    for operation in ("GetSecretValue", "GetParameter", "GetParametersByPath", "GetItem"):
        aws.faults[operation] = lambda _: Response(iter([body]), 200, {"Content-Length": str(len(body) + missing)})
    outcome = all_refused(store, source, timeout=10)[source]
    assert outcome.reason == "unavailable"
    assert "canary" not in outcome.message


def test_a_peer_that_hangs(aws: FaultyAws, store: Aws) -> None:
    """The caller has his answer when he said; what came in time is not lost."""
    assert all_refused(store, Parameter("/missing"))[Parameter("/missing")].reason == "not_found"
    aws.faults["GetSecretValue"] = aws.hanging
    store.warm([SECRET])  # or making the client would take some of the time
    started = time.monotonic()
    found = store.fetch([SECRET, Parameter("/missing")], timeout=2.5)
    assert time.monotonic() - started < 10  # it hangs for 20
    assert found[SECRET] == Refusal(reason="unavailable", message="secret app/db: no answer from AWS within 2.5 s")
    assert refused(found, Parameter("/missing")).reason == "not_found"


def test_sts_that_hangs(aws: FaultyAws, store: Aws) -> None:
    """The refusal names who did not answer, and for which role: no secret has been asked for yet."""
    aws.faults["STS"] = aws.hanging
    found = store.fetch([SECRET], timeout=1.5)
    assert found[SECRET] == Refusal(reason="unavailable", message="role reader: no answer from STS in time")
    assert aws.asked["GetSecretValue"] == 0


def test_a_hanging_read_is_given_up_and_asked_again(aws: FaultyAws, setup: Setup, hurried: list[float]) -> None:
    """No single read uses up the caller's time."""
    setup("secretsmanager").create_secret(Name="app/db", SecretString="secret")
    number = count()
    aws.faults["GetSecretValue"] = lambda asked: aws.hanging(asked) if next(number) == 0 else None
    store = Aws(Clients(read_timeout=1), clock=time.monotonic)
    assert isinstance(store.fetch([SECRET], timeout=10)[SECRET], Fetched)
    assert hurried  # more than once where a good answer takes a second


def test_our_own_rate_is_kept(aws: FaultyAws, setup: Setup) -> None:
    """Requests beyond the rate wait; who cannot wait so long is refused without a request."""
    setup("ssm").put_parameter(Name="/p", Value="v", Type="String")
    slept: list[float] = []
    clients = Clients(clock=lambda: 0.0, sleep=slept.append)
    store = Aws(clients, clock=time.monotonic)
    rate = RATES["GetParameter"].per_second
    for _ in range(int(rate) + 2):
        assert isinstance(store.fetch([Parameter("/p")], timeout=10)[Parameter("/p")], Fetched)
    assert slept == pytest.approx([1 / rate, 2 / rate])
    for _ in range(100):
        clients._reserve("GetParameter", clients.region, 60)
    aws.asked.clear()
    assert all_refused(store, Parameter("/p"), timeout=1)[Parameter("/p")].reason == "unavailable"
    assert not aws.asked


def test_nobody_listens(aws: FaultyAws, monkeypatch: pytest.MonkeyPatch, hurried: list[float]) -> None:
    """An endpoint that refuses connections is unavailable, for STS and for a store."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    for service in ("SECRETS_MANAGER", "STS"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", f"http://127.0.0.1:{port}")
        outcome = first(Aws(Clients(), clock=time.monotonic, role="reader"))
        assert (outcome.reason, "EndpointConnectionError" in outcome.message) == ("unavailable", True)
    assert hurried
    assert not aws.asked["GetSecretValue"]


def test_an_endpoint_that_is_no_url(aws: FaultyAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said as a refusal, not as a crash."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", "not a url")
    del aws
    assert first(Aws(Clients(), clock=time.monotonic)).reason == "invalid"


@pytest.mark.parametrize(
    ("break_it", "reason", "said"),
    [
        (
            lambda aws, _: aws.roles.clear(),
            "access_denied",
            "STS says AccessDenied; run `kubectl token-injector doctor`",
        ),
        (lambda _, token: token.write_text("no token"), "access_denied", "STS says InvalidIdentityToken"),
        (lambda aws, token: token.write_text(aws.signer.id_token("t", lifetime=-5)), "access_denied", "ExpiredToken"),
        (lambda _, token: token.unlink(), "unavailable", "No such file"),
        (lambda aws, _: setattr(aws, "jwks_reachable", False), "unavailable", "STS cannot answer now (IDPComm"),
    ],
)
@pytest.mark.usefixtures("hurried")
def test_identity(aws: FaultyAws, store: Aws, tmp_path: Path, break_it: Any, reason: str, said: str) -> None:
    """A role that cannot be assumed refuses every source alike, before any store is asked."""
    break_it(aws, tmp_path / "token")
    outcomes = all_refused(store, *EVERY_KIND)
    assert len(outcomes) == len(EVERY_KIND)
    (outcome,) = {(each.reason, each.message) for each in outcomes.values()}
    assert outcome[0] == reason
    assert said in outcome[1]
    assert outcome[1].startswith("role reader")
    assert set(aws.asked) <= {"STS"}


def test_no_credentials_at_all(aws: FaultyAws, store: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a pod without a role."""
    monkeypatch.delenv("AWS_WEB_IDENTITY_TOKEN_FILE")
    outcome = first(store)
    assert (outcome.reason, "doctor" in outcome.message) == ("access_denied", True)
    assert not aws.asked


def test_no_region(aws: FaultyAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named, with the annotation; Clients may be told one where the environment has none."""
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    keys = root()
    outcome = first(Aws(Clients(), clock=time.monotonic, credentials=keys))
    assert (outcome.reason, "admission.token-injector/region" in outcome.message) == ("invalid", True)
    assert first(Aws(Clients(region="eu-west-1"), clock=time.monotonic, credentials=keys)).reason == "not_found"
    del aws


def root() -> Credentials:
    """The owner's, as somebody's session."""
    return Credentials(access_key_id=ROOT_ACCESS_KEY_ID, secret_access_key=ROOT_SECRET_ACCESS_KEY, session_token="t")


def test_credentials_of_the_caller(aws: FaultyAws, setup: Setup) -> None:
    """One Clients serves many identities: each request is signed with its caller's, and STS is not asked."""
    setup("secretsmanager").create_secret(Name="app/db", SecretString="secret")
    clients = Clients()
    stranger = Credentials(access_key_id="ASIASTRANGER", secret_access_key="s", session_token="t")
    stores = [Aws(clients, clock=time.monotonic, credentials=keys) for keys in (root(), stranger, root())]
    aws.asked.clear()
    with ThreadPoolExecutor(3) as threads:
        found = list(threads.map(lambda store: store.fetch([SECRET], timeout=10)[SECRET], stores))
    assert [isinstance(outcome, Fetched) for outcome in found] == [True, False, True]
    assert isinstance(found[1], Refusal)
    assert found[1].reason == "access_denied"
    assert aws.asked == {"GetSecretValue": 3}
    assert "root-of-the-fake" not in repr(stores[0].__dict__)


def test_threads_share_a_read(aws: FaultyAws, store: Aws, setup: Setup, followers: list[Event]) -> None:
    """Eight threads, one STS call, one GetSecretValue."""
    setup("secretsmanager").create_secret(Name="app/db", SecretString="secret")
    together, aws.asked["GetSecretValue"] = Barrier(8), 0

    def slow(_: Any) -> None:
        comes(lambda: len(followers) == 7)

    aws.faults["GetSecretValue"] = slow

    def ask(_: int) -> Any:
        together.wait(10)
        return store.fetch([SECRET], timeout=10)[SECRET]

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(ask, range(8)))
    assert len(set(map(repr, found))) == 1
    assert isinstance(found[0], Fetched)
    assert (aws.asked["STS"], aws.asked["GetSecretValue"]) == (1, 1)


@pytest.fixture
def everything_logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Everybody's records, at every level."""
    with caplog.at_level(logging.DEBUG):
        yield caplog


def test_no_value_is_seen(
    aws: FaultyAws, store: Aws, setup: Setup, everything_logged: pytest.LogCaptureFixture
) -> None:
    """Neither in a repr of what was fetched nor in a log that has all there is to log."""
    setup("secretsmanager").create_secret(Name="app/db", SecretString="canary-of-the-log")
    found = store.fetch([SECRET], timeout=10)
    assert isinstance(found[SECRET], Fetched)
    assert "canary" not in repr(found)
    assert "canary" not in everything_logged.text
    assert "urllib3" in everything_logged.text
    del aws


def test_the_protocols_load_without_botocore() -> None:
    """Who only names a store, as the webhook and the token tool do, loads nothing of it."""
    program = (
        "import sys; import secretenv.stores, secretenv.stores.bucket, secretenv.stores.single_flight, "
        "secretenv.stores.deadline, secretenv.stores.arn, secretenv.stores.attribute, secretenv.stores.together; "
        "assert not {'botocore', 'urllib3', 'ssl'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
