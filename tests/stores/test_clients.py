"""botocore's clients are few, whoever names how many regions."""

import gc
import time
import weakref

import pytest

from secretenv.references import Secret
from secretenv.stores import Fetched, Refusal
from secretenv.stores.aws import Aws
from secretenv.stores.clients import ATTEMPTS, Clients
from tests.stores.conftest import Setup
from tests.stores.faulty import FaultyAws


def test_the_least_recently_used_client_goes() -> None:
    """What was used last is kept and is the same; what nobody holds any more is freed."""
    clients = Clients(region="eu-west-1", most=2)
    kept = clients.theirs("sts", "eu-west-1")
    gone = weakref.ref(clients.theirs("sts", "eu-west-2"))
    assert clients.theirs("sts", "eu-west-1") is kept
    clients.theirs("sts", "eu-west-3")
    gc.collect()
    assert gone() is None
    assert clients.theirs("sts", "eu-west-1") is kept


@pytest.mark.parametrize("kind", ["own", "theirs", "unsigned"])
def test_how_requests_are_repeated(kind: str) -> None:
    """By botocore's standard mode: jitter, and a budget of repetitions, which its default (legacy) has not."""
    client = getattr(Clients(region="eu-west-1"), kind)("sts", "eu-west-1")
    assert client.meta.config.retries == {"mode": "standard", "total_max_attempts": ATTEMPTS}


def test_what_was_made_ready_asks_nobody_and_is_used(aws: FaultyAws, setup: Setup) -> None:
    """Clients are made before there is a token; the read afterwards makes none of its own but STS's, for the token."""
    setup("secretsmanager").create_secret(Name="db", SecretString="text")
    aws.asked.clear()
    made: list[str] = []
    clients = Clients(region="eu-west-1")
    clients.register("creating-client-class", lambda event_name, **_: made.append(event_name.rpartition(".")[2]))
    store = Aws(clients, clock=time.monotonic, role="reader")
    store.warm([Secret("db")])
    assert (sorted(made), dict(aws.asked)) == (["secrets-manager", "sts"], {})
    found = store.fetch([Secret("db")], timeout=10)[Secret("db")]
    assert isinstance(found, Fetched)
    assert (found.value, made.count("secrets-manager")) == ("text", 1)


def test_what_cannot_be_made_ready_is_told_by_the_read(store: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that is no URL stops nobody before he reads."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "no url")
    store.warm([Secret("db")])
    assert isinstance(store.fetch([Secret("db")], timeout=10)[Secret("db")], Refusal)
