"""Service accounts of a cluster, over real sockets: the cache, the live lookup behind it, and both without answers."""

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.annotations import ANNOTATIONS, EKS_ROLE_ARN, GOOGLE_SERVICE_ACCOUNT, PREFIX, ROLE_ARN
from demo.fakes.api_server import ApiServer
from demo.fakes.api_server.script import Answer, Drip, Hang, Slow
from kube.config import Connection, bearer
from kube.errors import UnexpectedObjectError
from kube.watch import Pace
from webhook.account_cache import NONE, keep_account
from webhook.account_lookup import LookupLimits
from webhook.accounts import WatchedServiceAccounts
from webhook.review import AccountsUnavailableError, ServiceAccounts

TOKEN = "tok-51d0aa"
ROLE = {ROLE_ARN: "arn:aws:iam::111122223333:role/reader"}
QUICK = Pace(backoff_first=0.01, backoff_cap=0.05, watch=60, silence=1.0, request=1.0)


def authorization(*, refused: str | None) -> str:
    """A header that never changes."""
    del refused
    return bearer(TOKEN, "a test")


@pytest.fixture
def server() -> Iterator[ApiServer]:
    """An API server that wants the token."""
    server = ApiServer(tokens={TOKEN})
    yield server
    server.close()


def make_accounts(server: ApiServer, **limits: float) -> WatchedServiceAccounts:
    """As a worker makes them; not started."""
    return WatchedServiceAccounts(
        Connection(server=server.url, authorization=authorization),
        clock=time.monotonic,
        random=random.random,
        limits=LookupLimits(**limits),  # type: ignore[arg-type]  # seconds and counts
        pace=QUICK,
    )


@contextmanager
def started(server: ApiServer, **limits: float) -> Iterator[WatchedServiceAccounts]:
    """A worker's accounts, synced."""
    accounts = make_accounts(server, **limits)
    accounts.start()
    try:
        wait_until(lambda: accounts.synced)
        yield accounts
    finally:
        accounts.stop()


def wait_until(fact: object) -> None:
    """Fail if it does not become true in time."""
    deadline = time.monotonic() + 10
    while not fact():  # type: ignore[operator]  # a lambda of the test
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)


def test_known_accounts_cost_no_request(server: ApiServer) -> None:
    """What the watch has told is answered from memory, changes and all."""
    server.put("shop", "web", ROLE)
    with started(server) as accounts:
        source: ServiceAccounts = accounts
        assert source.annotations("shop", "web") == ROLE
        server.put("shop", "web", {})
        wait_until(lambda: accounts.annotations("shop", "web") == {})
        assert accounts.size == 1
        assert accounts.problem is None
    assert server.counts["get"] == 0


def test_new_account(server: ApiServer) -> None:
    """An account that was made a moment ago is found by one live request, wherever the watch stands."""
    server.faults["watch"].append(Slow(seconds=0.3))
    with started(server) as accounts:
        server.put("shop", "web", ROLE)
        assert accounts.annotations("shop", "web") == ROLE
        assert accounts.annotations("shop", "no-such") is None
        assert server.counts["get"] == 2
        wait_until(lambda: accounts.size == 1)


def test_deleted_account(server: ApiServer) -> None:
    """A deleted account is no more there once the watch has told it, and is there again when made again."""
    server.put("shop", "web", ROLE)
    with started(server) as accounts:
        server.delete("shop", "web")
        wait_until(lambda: accounts.size == 0)
        assert accounts.annotations("shop", "web") is None
        server.put("shop", "web", {EKS_ROLE_ARN: "again"})
        wait_until(lambda: accounts.annotations("shop", "web") == {EKS_ROLE_ARN: "again"})


def test_before_the_first_list(server: ApiServer) -> None:
    """Reviews need not wait for the list: accounts are looked up live until it is here."""
    server.put("shop", "web", ROLE)
    server.faults["list"].append(Hang())
    accounts = make_accounts(server)
    accounts.start()
    assert accounts.annotations("shop", "web") == ROLE
    assert not accounts.synced
    assert accounts.age_seconds(time.monotonic()) is None
    accounts.stop()


def test_storm(server: ApiServer) -> None:
    """Two hundred reviews that miss the same account at once cost one request."""
    server.put("shop", "web", ROLE)
    server.faults["get"].append(Slow(seconds=0.3))
    accounts = make_accounts(server, timeout=10, patience=10)
    with ThreadPoolExecutor(200) as threads:
        assert list(threads.map(lambda _: accounts.annotations("shop", "web"), range(200))) == [ROLE] * 200
    assert server.counts["get"] == 1
    accounts.stop()


def test_api_server_away(server: ApiServer) -> None:
    """Known accounts are served on; an unknown one is refused by name, with the word retry; then all is well again."""
    server.put("shop", "web", ROLE)
    with started(server, memory=0.05) as accounts:
        server.down()
        wait_until(lambda: accounts.problem is not None)
        assert accounts.annotations("shop", "web") == ROLE
        with pytest.raises(AccountsUnavailableError, match=r"shop/api .*retry") as caught:
            accounts.annotations("shop", "api")
        assert TOKEN not in str(caught.value)
        server.put("shop", "api", ROLE)
        server.up()
        wait_until(lambda: accounts.size == 2)
        assert accounts.problem is None
        assert accounts.annotations("shop", "api") == ROLE


def test_dripping_api_server(server: ApiServer) -> None:
    """An answer that never ends, a byte at a time, is ended by us: the next one comes through."""
    server.put("shop", "web", ROLE)
    server.faults["get"].append(Drip(seconds=0.05))
    with started(server, timeout=0.3, memory=0.1, concurrent=1) as accounts:
        accounts._cache.replace([], "1")
        with pytest.raises(AccountsUnavailableError, match=r"no answer.*retry"):
            accounts.annotations("shop", "web")
        wait_until(lambda: _or_none(accounts, "web") == ROLE)


def _or_none(accounts: WatchedServiceAccounts, name: str) -> object:
    try:
        return accounts.annotations("shop", name)
    except AccountsUnavailableError:
        return None


def test_hanging_api_server(server: ApiServer) -> None:
    """An API server that takes requests and never answers: each caller is refused within the limit."""
    server.faults["get"].extend([Hang()] * 8)
    with started(server, timeout=0.2) as accounts:
        began = time.monotonic()
        for _ in range(5):
            with pytest.raises(AccountsUnavailableError, match=r"shop/api.*no answer.*retry"):
                accounts.annotations("shop", "api")
        assert time.monotonic() - began < 5
        assert server.counts["get"] <= 2


@pytest.mark.parametrize("status", [401, 403, 429, 500])
def test_refused_lookup(server: ApiServer, status: int) -> None:
    """Whatever the API server answers but 404, the pod is not waved through as one without a role."""
    server.faults["get"].append(Answer(status=status))
    with started(server) as accounts, pytest.raises(AccountsUnavailableError, match=str(status)):
        accounts.annotations("shop", "web")


def test_watch_forbidden(server: ApiServer) -> None:
    """Without list and watch nothing is synced, the reason is readable, and live lookups go on."""
    server.put("shop", "web", ROLE)
    server.forbidden = {"list", "watch"}
    accounts = make_accounts(server)
    accounts.start()
    wait_until(lambda: accounts.problem is not None)
    assert "grant list on it" in (accounts.problem or "")
    assert not accounts.synced
    assert accounts.annotations("shop", "web") == ROLE
    server.forbidden = set()
    wait_until(lambda: accounts.synced and accounts.problem is None)
    accounts.stop()


def test_age(server: ApiServer) -> None:
    """The age grows from the last confirmation, and never below zero."""
    with started(server) as accounts:
        now = time.monotonic()
        age = accounts.age_seconds(now + 100)
        assert age is not None
        assert 99 < age < 111
        assert accounts.age_seconds(0) == 0


@pytest.mark.parametrize("name", ["", ".", "..", "../secrets/x", "a/b", "a?x=y", "A", "a\n", "a%2e", "-a", "x" * 254])
def test_impossible_names(server: ApiServer, name: str) -> None:
    """What can be no account's name is no account, and never gets into a path."""
    with started(server) as accounts:
        assert accounts.annotations("shop", name) is None
        assert accounts.annotations(name, "web") is None
    assert server.counts["get"] == 0


def test_ends_at_once(server: ApiServer) -> None:
    """The end does not wait for requests that hang."""
    server.faults["get"].append(Hang())
    accounts = make_accounts(server, timeout=60)
    accounts.start()
    caller = threading.Thread(target=lambda: _swallow(accounts))
    caller.start()
    wait_until(lambda: server.counts["get"] == 1)
    began = time.monotonic()
    accounts.stop()
    caller.join(10)
    assert time.monotonic() - began < 5


def _swallow(accounts: WatchedServiceAccounts) -> None:
    with suppress(AccountsUnavailableError):
        accounts.annotations("shop", "web")


@pytest.mark.slow
def test_made_before_fork(server: ApiServer) -> None:
    """Accounts made in a parent may be started in its forked workers: there is no thread or socket before."""
    server.put("shop", "web", ROLE)
    code = f"""
import os, random, time
from kube.config import Connection, bearer
from webhook.accounts import WatchedServiceAccounts
connection = Connection(server={server.url!r}, authorization=lambda *, refused: bearer({TOKEN!r}, "a test"))
accounts = WatchedServiceAccounts(connection, clock=time.monotonic, random=random.random)
children = []
for _ in range(2):
    child = os.fork()
    if child == 0:
        accounts.start()
        deadline = time.monotonic() + 10
        while not accounts.synced and time.monotonic() < deadline:
            time.sleep(0.01)
        accounts.annotations("shop", "no-such")
        accounts.stop()
        os._exit(0 if accounts.size == 1 else 1)
    children.append(child)
assert all(os.waitpid(child, 0)[1] == 0 for child in children)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, env={**os.environ})
    assert server.counts["list"] == 2


def account(annotations: object = None, **metadata: object) -> dict[str, object]:
    """A ServiceAccount object."""
    return {"metadata": {"name": "web", "namespace": "shop", "annotations": annotations, **metadata}, "secrets": []}


@given(st.dictionaries(st.text() | st.sampled_from([row.key for row in ANNOTATIONS]), st.text()))
def test_kept_annotations(annotations: dict[str, str]) -> None:
    """Kept are our keys and the aliases that the webhook reads; nothing else stays in memory."""
    read = {key for row in ANNOTATIONS if "service account" in row.places for key in (row.key, row.alias)}
    expected = {key: value for key, value in annotations.items() if key in read or key.startswith(PREFIX)}
    assert keep_account(account(annotations)).annotations == expected


@pytest.mark.parametrize("annotations", [None, {}, {GOOGLE_SERVICE_ACCOUNT: "x@example.com"}])
def test_accounts_without_annotations_share_one(annotations: object) -> None:
    """Most of ten thousand accounts have nothing for us: they cost a key and a reference."""
    assert keep_account(account(annotations)).annotations is NONE


@pytest.mark.parametrize(
    ("obj", "said"),
    [
        ({}, "metadata.name"),
        ({"metadata": []}, "metadata.name"),
        (account(name=None), "metadata.name"),
        (account(namespace=7), "metadata.namespace"),
        (account([]), "must be a mapping"),
        (account({ROLE_ARN: 7}), "put it in quotes"),
    ],
)
def test_no_account(obj: dict[str, object], said: str) -> None:
    """What is no ServiceAccount says why."""
    with pytest.raises(UnexpectedObjectError, match=said):
        keep_account(obj)
