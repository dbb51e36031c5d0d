"""List and watch against a real API server, the one that KUBECONFIG names.

Under test are `kube` and the webhook's sources; kubectl makes what they see. Each test has a namespace of its own, and
takes it away again.
"""

import json
import os
import random
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from contract.annotations import ROLE_ARN
from kube.client import Client
from kube.config import Connection, TokenFile, bearer, from_kubeconfig
from kube.errors import ForbiddenError, GoneError, KubeError, NotFoundError, UnauthorizedError
from kube.watch import Pace, Watch
from webhook.account_cache import Account, AccountCache, keep_account
from webhook.accounts import COLLECTION, WatchedServiceAccounts
from webhook.kubelet_version import kubelet_version, oldest_beside, server_version
from webhook.nodes import PACE, WatchedNodes

KUBECONFIG = os.environ.get("KUBECONFIG", "")
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.skipif(not KUBECONFIG, reason="needs a cluster: set KUBECONFIG, for example to kind's"),
    pytest.mark.skipif(not shutil.which("kubectl"), reason="needs kubectl in PATH"),
    pytest.mark.timeout(240),
]

ROLE = "arn:aws:iam::123456789012:role/reader"
# An event is there in milliseconds; a busy machine gets more.
SECONDS = 15
# The API server's bookmarks come about once a minute.
BOOKMARK_SECONDS = 100


def kubectl(*arguments: str, stdin: str | None = None) -> str:
    """What kubectl prints; it must succeed."""
    line = ["kubectl", *arguments]
    finished = subprocess.run(line, input=stdin, capture_output=True, text=True, timeout=60, check=False)
    assert finished.returncode == 0, f"{line}: {finished.stderr}"
    return finished.stdout


def wait_until(fact: Callable[[], object], seconds: float = SECONDS, *, every: float = 0.05) -> None:
    """Fail if it does not become true in time."""
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(every)


@pytest.fixture(scope="module")
def connection() -> Connection:
    """As an operator reaches the cluster."""
    return from_kubeconfig(KUBECONFIG)


@pytest.fixture
def namespace() -> Iterator[str]:
    """A fresh one."""
    name = f"token-injector-kube-{uuid.uuid4().hex[:8]}"
    kubectl("create", "namespace", name)
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


@contextmanager
def following(connection: Connection, **pace: float) -> Iterator[WatchedServiceAccounts]:
    """A worker's accounts, synced."""
    accounts = WatchedServiceAccounts(
        connection,
        clock=time.monotonic,
        random=random.random,
        pace=replace(Pace(), **pace),  # type: ignore[arg-type]  # seconds
    )
    accounts.start()
    try:
        wait_until(lambda: accounts.synced)
        yield accounts
    finally:
        accounts.stop()


def create_accounts(namespace: str, names: Sequence[str]) -> None:
    """Service accounts with a role each."""
    items = [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": name, "namespace": namespace, "annotations": {ROLE_ARN: ROLE, "other": "x"}},
        }
        for name in names
    ]
    kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))


class _Counting(AccountCache):
    """Counts the lists."""

    lists = 0

    def replace(self, items: list[Account], resource_version: str) -> None:
        self.lists += 1
        super().replace(items, resource_version)


def test_lists_in_pages(connection: Connection, namespace: str) -> None:
    """A list in pages of two holds what a list in one page holds, and each account of ours once."""
    names = [f"account-{number}" for number in range(7)]
    create_accounts(namespace, names)
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts"

    with closing(Client(connection)) as client:
        paged = client.list(path, keep=keep_account, page_size=2)
        whole = client.list(path, keep=keep_account)

    assert sorted(item.key for item in paged.items) == sorted(item.key for item in whole.items)
    found = {item.key: item.annotations for item in paged.items}
    assert {f"{namespace}/{name}": {ROLE_ARN: ROLE} for name in names}.items() <= found.items()
    assert len(found) == len(paged.items)
    assert int(paged.resource_version) > 0


def test_watch_sees_what_happens(connection: Connection, namespace: str) -> None:
    """An account is there, changed and gone within seconds of its creation, annotation and deletion, on one watch."""
    with following(connection) as accounts:
        before = accounts.size
        create_accounts(namespace, ["orders"])
        wait_until(lambda: accounts._cache.get(namespace, "orders") == {ROLE_ARN: ROLE})
        assert accounts.size > before
        kubectl("annotate", "-n", namespace, "serviceaccount", "orders", f"{ROLE_ARN}={ROLE}-2", "--overwrite")
        wait_until(lambda: accounts._cache.get(namespace, "orders") == {ROLE_ARN: f"{ROLE}-2"})
        kubectl("delete", "-n", namespace, "serviceaccount", "orders")
        wait_until(lambda: accounts._cache.get(namespace, "orders") is None)
        assert accounts.annotations(namespace, "orders") is None
        assert accounts.problem is None


def test_new_account_is_looked_up_live(connection: Connection, namespace: str) -> None:
    """An account that no watch has told yet is found by a request; one that is not there is none."""
    create_accounts(namespace, ["orders"])
    accounts = WatchedServiceAccounts(connection, clock=time.monotonic, random=random.random)
    try:
        assert accounts.annotations(namespace, "orders") == {ROLE_ARN: ROLE}
        assert accounts.annotations(namespace, "no-such") is None
    finally:
        accounts.stop()


def test_bookmarks_confirm(connection: Connection) -> None:
    """While nothing happens in the collection, bookmarks say that the cache is current, and nothing is listed again."""
    cache = _Counting()
    path = "/api/v1/namespaces/default/serviceaccounts"
    watch = Watch(
        Client(connection), path, keep=keep_account, consumer=cache, clock=time.monotonic, random=random.random
    )
    watch.start()
    try:
        wait_until(lambda: watch.confirmed_at is not None)
        first = watch.confirmed_at
        assert first is not None
        wait_until(lambda: (watch.confirmed_at or 0) > first, BOOKMARK_SECONDS)
        assert (cache.lists, watch.problem) == (1, None)
    finally:
        watch.stop()


def test_an_old_version_is_recovered_from(connection: Connection, namespace: str) -> None:
    """A watch from version 1 ends with what there is, by a new list or by every event since.

    Most API servers have compacted it away and answer 410; one that was just made still has it.
    """
    create_accounts(namespace, ["earlier"])
    cache = _Counting()
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    watch = Watch(
        Client(connection), path, keep=keep_account, consumer=cache, clock=time.monotonic, random=random.random
    )
    # As if the list had been made long ago.
    watch._progress.listed("1")
    watch.start()
    try:
        wait_until(lambda: cache.get(namespace, "earlier") == {ROLE_ARN: ROLE})
        create_accounts(namespace, ["orders"])
        wait_until(lambda: cache.get(namespace, "orders") == {ROLE_ARN: ROLE})
        wait_until(lambda: watch.problem is None)
        assert cache.lists == is_gone(connection, path)
    finally:
        watch.stop()


def is_gone(connection: Connection, path: str) -> bool:
    """Whether this API server has compacted version 1 away: it says so in the first line of the stream, or at once."""
    query = {"watch": "true", "resourceVersion": "1", "timeoutSeconds": "1"}
    try:
        with closing(Client(connection)) as client, client.stream(path, query, silence=10.0) as chunks:
            return b'"code":410' in b"".join(chunks)
    except GoneError:
        return True


def test_broken_continue_token_is_refused(connection: Connection, namespace: str) -> None:
    """An API server refuses a continue token that it did not write; the list does not end as if it were whole."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    with closing(Client(connection)) as client, pytest.raises(KubeError) as caught:
        client._json(path, {"limit": "1", "continue": "bm90IGEgdG9rZW4"}, 10, verb="list")
    assert not isinstance(caught.value, GoneError | NotFoundError)
    assert " 400" in str(caught.value)


@pytest.fixture
def account_connection(connection: Connection, namespace: str, tmp_path: Path) -> Connection:
    """As a pod of a service account that may list and watch the namespace's service accounts."""
    kubectl("create", "-n", namespace, "serviceaccount", "webhook")
    verbs = ["--verb=get,list,watch", "--resource=serviceaccounts"]
    kubectl("create", "-n", namespace, "role", "reader", *verbs)
    kubectl(
        "create", "-n", namespace, "rolebinding", "reader", "--role=reader", f"--serviceaccount={namespace}:webhook"
    )
    (tmp_path / "token").write_text(kubectl("create", "-n", namespace, "token", "webhook", "--duration=10m"))
    return replace(
        connection,
        client_certificate_file=None,
        client_key_file=None,
        authorization=TokenFile(tmp_path / "token", clock=time.monotonic),
    )


def test_token_is_rotated(account_connection: Connection, namespace: str, tmp_path: Path) -> None:
    """The account is made anew, so its old token is refused: the new one in the file is taken, and events go on."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    cache = AccountCache()
    client = Client(account_connection)
    watch = Watch(
        client,
        path,
        keep=keep_account,
        consumer=cache,
        clock=time.monotonic,
        random=random.random,
        pace=Pace(backoff_first=0.2, backoff_cap=1.0),
    )
    wait_until(lambda: _may_list(account_connection, path))
    watch.start()
    try:
        wait_until(lambda: cache.resource_version is not None)
        kubectl("delete", "-n", namespace, "serviceaccount", "webhook")
        kubectl("create", "-n", namespace, "serviceaccount", "webhook")
        # An open watch outlives its token, and the API server remembers for ten seconds that a token was good.
        wait_until(lambda: _is_refused(client, watch), 60, every=1)
        old = (tmp_path / "token").read_text().strip()
        assert old not in str(watch.failure)
        (tmp_path / "token").write_text(kubectl("create", "-n", namespace, "token", "webhook", "--duration=10m"))
        wait_until(lambda: watch.failure is None, 30)
        create_accounts(namespace, ["orders"])
        wait_until(lambda: cache.get(namespace, "orders") == {ROLE_ARN: ROLE})
    finally:
        watch.stop()


def _is_refused(client: Client, watch: Watch[Account]) -> bool:
    """Whether the watch has been told 401; it is made to ask again."""
    client.interrupt()
    return isinstance(watch.failure, UnauthorizedError)


def _may_list(connection: Connection, path: str) -> bool:
    """Whether the grant has reached the API server's authorizer."""
    with closing(Client(connection)) as client:
        try:
            client.list(path, keep=keep_account)
        except ForbiddenError:
            return False
        return True


def test_unknown_token_is_refused(connection: Connection) -> None:
    """A token that nobody issued is a 401 that says to renew it, without the token."""
    stranger = replace(
        connection,
        client_certificate_file=None,
        client_key_file=None,
        authorization=lambda *, refused: bearer("not-a-token", f"a test {refused and ''}"),
    )
    with closing(Client(stranger)) as client, pytest.raises(UnauthorizedError, match="renew the credentials") as caught:
        client.get(COLLECTION)
    assert "not-a-token" not in str(caught.value)


@contextmanager
def nodes_of(connection: Connection, pace: Pace = PACE) -> Iterator[WatchedNodes]:
    """A worker's nodes."""
    nodes = WatchedNodes(connection, clock=time.monotonic, random=random.random, pace=pace)
    nodes.start()
    try:
        wait_until(lambda: not nodes.unready)
        yield nodes
    finally:
        nodes.stop()


def test_floor_is_what_kubectl_says(connection: Connection) -> None:
    """The floor is the lowest of the versions that `kubectl get nodes` shows."""
    shown = kubectl("get", "nodes", "-o", "jsonpath={.items[*].status.nodeInfo.kubeletVersion}").split()
    versions = [version for text in shown if (version := kubelet_version(text))]
    if not versions:
        pytest.skip("the cluster has no node: run it with one")
    with nodes_of(connection) as nodes:
        assert nodes.floor.version == min(versions)
        assert nodes.floor.source == "nodes"
        assert nodes.problem is None


def test_floor_without_permission_then_with_it(account_connection: Connection, namespace: str) -> None:
    """Who may not read nodes has the skew rule's floor by GET /version; a grant is noticed without a restart."""
    quick = replace(PACE, backoff_first=0.5, forbidden_cap=1.0)
    name = f"{namespace}-nodes"
    with nodes_of(account_connection, quick) as nodes:
        version = json.loads(kubectl("get", "--raw", "/version"))
        assert nodes.floor.version == oldest_beside(server_version(version))
        assert nodes.floor.source == "api-server"
        assert nodes.problem is None
        try:
            kubectl("create", "clusterrole", name, "--verb=list,watch", "--resource=nodes")
            kubectl(
                "create", "clusterrolebinding", name, f"--clusterrole={name}", f"--serviceaccount={namespace}:webhook"
            )
            wait_until(
                lambda: nodes.floor.source != "api-server" or "nodes may not be read" not in nodes.floor.text, 30
            )
            wait_until(lambda: nodes.problem is None)
        finally:
            kubectl("delete", "clusterrolebinding,clusterrole", name, "--ignore-not-found")
