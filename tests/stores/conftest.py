"""AWS for the stores: moto over HTTP, a role that the pod's token assumes, and the store that reads with it."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import botocore.endpoint
import botocore.loaders
import botocore.session
import pytest

from demo.fakes.fixtures import google_signer, signing_key
from demo.fakes.google import GoogleSigner
from demo.fakes.sts import ROOT_ACCESS_KEY_ID, ROOT_SECRET_ACCESS_KEY, Role
from secretenv.stores import single_flight
from secretenv.stores.aws import Aws
from secretenv.stores.clients import Clients
from tests.stores.faulty import FaultyAws

__all__ = ["google_signer", "signing_key"]

AUDIENCE = "token-injector/sts/assume-role-with-web-identity"
ROLE_ARN = "arn:aws:iam::123456789012:role/reader"
REGION = "eu-west-1"

Setup = Callable[..., Any]


@pytest.fixture
def aws(
    google_signer: GoogleSigner,
    loader: botocore.loaders.Loader,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[FaultyAws]:
    """An empty account, and the environment that the injected container has."""
    monkeypatch.setattr(botocore.session, "create_loader", lambda _: loader)
    with FaultyAws(google_signer) as server:
        server.reset()
        condition = {"accounts.google.com:sub": server.signer.unique_id, "accounts.google.com:oaud": AUDIENCE}
        statement = {
            "Effect": "Allow",
            "Principal": {"Federated": "accounts.google.com"},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": condition},
        }
        server.roles[ROLE_ARN] = Role(trust_policy={"Version": "2012-10-17", "Statement": [statement]})
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        (tmp_path / "token").write_text(server.signer.id_token(AUDIENCE))
        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
        monkeypatch.setenv("AWS_ROLE_ARN", ROLE_ARN)
        monkeypatch.setenv("AWS_ROLE_SESSION_NAME", "ns.app")
        try:
            yield server
        finally:
            server.released.set()


@pytest.fixture(scope="session")
def loader() -> botocore.loaders.Loader:
    """One for all tests: each service's model is read once."""
    return botocore.loaders.create_loader()


@pytest.fixture
def setup(aws: FaultyAws) -> Setup:
    """A client of the account's owner, who fills it."""
    session = botocore.session.Session()

    def client(service: str, region: str = REGION) -> Any:
        keys = {"aws_access_key_id": ROOT_ACCESS_KEY_ID, "aws_secret_access_key": ROOT_SECRET_ACCESS_KEY}
        return session.create_client(service, region_name=region, endpoint_url=aws.url, **keys)

    return client


@pytest.fixture
def store(aws: FaultyAws) -> Aws:
    """The store of a pod with a role and a token."""
    del aws  # its environment is what counts
    return Aws(Clients(), clock=time.monotonic, role="reader")


@pytest.fixture
def followers(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """One entry for each caller who has begun to wait for another one's read."""
    found: list[Event] = []

    class Landed(Event):
        def wait(self, timeout: float | None = None) -> bool:
            found.append(self)
            return super().wait(timeout)

    monkeypatch.setattr(single_flight, "Event", Landed)
    return found


def comes(fact: Callable[[], bool]) -> bool:
    """Whether it comes true, in a time that no busy machine needs."""
    end = time.monotonic() + 8
    while not fact() and time.monotonic() < end:
        time.sleep(0.002)
    return fact()


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Between attempts botocore does not sleep; how long it would have."""
    slept: list[float] = []
    clock = type("Clock", (), {"sleep": staticmethod(slept.append)})
    monkeypatch.setattr(botocore.endpoint, "time", clock)
    return slept
