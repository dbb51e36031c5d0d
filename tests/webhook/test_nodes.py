"""The kubelet version floor of a cluster, over real sockets: nodes, the API server's version, and neither."""

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contract.annotations import ENABLED_LABEL, REFRESHER, ROLE_ARN
from demo.fakes.api_server import ApiServer
from demo.fakes.api_server.script import Answer, Compact, Hang, Play
from kube.config import Connection, TokenFile
from kube.errors import ForbiddenError, UnavailableError
from kube.watch import Pace
from tests.kube.following import wait_until
from webhook.decide import decide
from webhook.decision import Deny, Injection
from webhook.in_force import SettingsInForce
from webhook.nodes import PACE, WatchedNodes
from webhook.reviews import prepare_reviews
from webhook.settings import Settings, parse_settings

TOKEN = "tok-77ac01"
QUICK = Pace(backoff_first=0.01, backoff_cap=0.05, forbidden_cap=0.1, watch=60, silence=1.0, request=1.0, page_size=2)
POD: dict[str, Any] = {"metadata": {"labels": {ENABLED_LABEL: "true"}}, "spec": {"containers": [{"name": "app"}]}}
ROLE = {ROLE_ARN: "arn:aws:iam::123456789012:role/orders"}


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    """What the kubelet gives the pod."""
    path = tmp_path / "token"
    path.write_text(TOKEN)
    return path


@pytest.fixture
def server() -> Iterator[ApiServer]:
    """An API server of 1.36 that wants the token."""
    server = ApiServer(tokens={TOKEN})
    yield server
    server.close()


@pytest.fixture
def connection(server: ApiServer, token_file: Path) -> Connection:
    """As a pod reaches it."""
    return Connection(server=server.url, authorization=TokenFile(token_file, clock=time.monotonic))


def put_node(server: ApiServer, name: str, version: str) -> None:
    """Add a node, or upgrade it."""
    server.put("", name, {}, "nodes", fields={"status": {"nodeInfo": {"kubeletVersion": version}, "images": []}})


@contextmanager
def started(connection: Connection, *, pace: Pace = QUICK, look_seconds: float = 600) -> Iterator[WatchedNodes]:
    """As a worker has them; they must end at once."""
    nodes = WatchedNodes(connection, clock=time.monotonic, random=lambda: 1.0, pace=pace, look_seconds=look_seconds)
    nodes.start()
    try:
        yield nodes
    finally:
        began = time.monotonic()
        nodes.stop()
        assert time.monotonic() - began < 3


def test_follows_the_nodes(server: ApiServer, connection: Connection) -> None:
    """The floor moves with nodes that are added, upgraded and removed, over pages of the list and events."""
    for number in range(5):
        put_node(server, f"n{number}", "v1.36.3")
    with started(connection) as nodes:
        wait_until(lambda: nodes.version == (1, 36))
        assert nodes.floor.text == "1.36, the lowest of 5 nodes"
        assert (nodes.unready, nodes.problem) == ("", None)
        put_node(server, "old", "v1.28.4-gke.100")
        wait_until(lambda: nodes.version == (1, 28))
        put_node(server, "old", "v1.33.2-gke.100")
        wait_until(lambda: nodes.version == (1, 33))
        server.delete("", "old", "nodes")
        wait_until(lambda: nodes.version == (1, 36))
        assert nodes.floor.source == "nodes"


def test_resumes_and_lists_again(server: ApiServer, connection: Connection) -> None:
    """A watch that ends, an expired version, a compacted list cost nothing but requests: the code is the accounts'."""
    for number in range(5):
        put_node(server, f"n{number}", "v1.36.3")
    server.faults["list"].append(Compact())
    server.faults["watch"].extend([Play(end="close"), Play(end="expired"), Answer(status=410), Answer(status=503)])
    with started(connection) as nodes:
        wait_until(lambda: server.counts["watch"] == 5)
        put_node(server, "old", "v1.29.0-eks-1a2b3c4")
        wait_until(lambda: nodes.floor.text == "1.29, the lowest of 6 nodes")
        assert nodes.problem is None


def test_token_is_rotated_while_it_watches(
    server: ApiServer, connection: Connection, token_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The pod's old token is refused from one moment to the next: the new one is read, and no change is lost."""
    put_node(server, "a", "v1.36.3")
    with started(connection) as nodes:
        wait_until(lambda: server.counts["watch"] == 1)
        server.faults["watch"].append(Play())
        token_file.write_text("tok-rotated")
        server.tokens = {"tok-rotated"}
        server.down()
        put_node(server, "b", "v1.28.0")
        server.up()
        wait_until(lambda: nodes.version == (1, 28))
        wait_until(lambda: nodes.problem is None)
    assert server.counts["list"] == 1
    assert TOKEN not in caplog.text
    assert "tok-rotated" not in caplog.text


def test_nodes_are_forbidden_then_granted(
    server: ApiServer, connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    """Without RBAC the skew rule holds, as a detail and not a problem, logged once; a later grant is noticed."""
    put_node(server, "a", "v1.36.3")
    server.forbidden_resources = {"nodes"}
    with caplog.at_level(logging.INFO), started(connection) as nodes:
        wait_until(lambda: nodes.version == (1, 33))
        wait_until(lambda: not nodes.unready)
        wait_until(lambda: server.counts["list"] >= 4)
        assert nodes.floor.source == "api-server"
        assert nodes.floor.text == (
            "1.33, the API server's 1.36 less 3: nodes may not be read; grant list and watch on nodes by RBAC, or set "
            "--kubelet-version-floor"
        )
        assert nodes.problem is None
        server.forbidden_resources = set()
        wait_until(lambda: nodes.floor.text == "1.36, the lowest of 1 node")
        wait_until(lambda: nodes.problem is None)
    assert caplog.text.count("forbidden") == 1


def test_an_outage_takes_no_refusal_back(server: ApiServer, connection: Connection) -> None:
    """Where nodes may not be read a restart of the API server leaves floor and readiness as they are."""
    server.forbidden_resources = {"nodes"}
    with started(connection) as nodes:
        wait_until(lambda: nodes.version == (1, 33))
        wait_until(lambda: not nodes.unready)
        floor = nodes.floor
        server.down()
        wait_until(lambda: isinstance(nodes._watch.failure, UnavailableError))
        assert (nodes.unready, nodes.problem, nodes.floor) == ("", None, floor)


def test_forbidden_is_asked_for_rarely(connection: Connection) -> None:
    """Tries after a refusal by RBAC become as rare as one in five minutes; after an outage they stay frequent."""
    watch = WatchedNodes(connection, clock=float, random=lambda: 1.0, pace=PACE)._watch
    delays = [watch._failed(ForbiddenError("x")) for _ in range(10)]
    assert delays == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]
    assert watch._failed(UnavailableError("x")) == 30


def test_permission_is_withdrawn(server: ApiServer, connection: Connection) -> None:
    """Nodes that are known hold when RBAC takes the permission away, and that they grow old is told."""
    put_node(server, "a", "v1.36.3")
    server.faults["watch"].append(Play(end="expired"))
    with started(connection) as nodes:
        wait_until(lambda: nodes.version == (1, 36))
        server.forbidden_resources = {"nodes"}
        server.compact("nodes")
        server.down()
        server.up()
        wait_until(lambda: nodes.problem is not None and "forbidden" in nodes.problem)
        assert (nodes.version, nodes.unready) == ((1, 36), "")


def test_no_node(server: ApiServer, connection: Connection) -> None:
    """A cluster without nodes, or with nodes of no version, has the floor of the skew rule; the first node decides."""
    server.server_version = {"major": "1", "minor": "33+"}
    with started(connection) as nodes:
        wait_until(lambda: not nodes.unready)
        assert nodes.floor.text == "1.30, the API server's 1.33 less 3: there is no node"
        put_node(server, "a", "kwok")
        wait_until(lambda: nodes.floor.text.endswith("no node names its version"))
        put_node(server, "b", "v1.32.1")
        wait_until(lambda: nodes.floor.text == "1.32, the lowest of 1 node; 1 more names no version")


def test_control_plane_is_upgraded(server: ApiServer, connection: Connection) -> None:
    """The API server's version is asked for again and again where it decides."""
    server.forbidden_resources = {"nodes"}
    with started(connection, look_seconds=0.05) as nodes:
        wait_until(lambda: nodes.version == (1, 33))
        server.server_version = {"major": "1", "minor": "37"}
        wait_until(lambda: nodes.version == (1, 34))


def test_outage_changes_nothing(server: ApiServer, connection: Connection) -> None:
    """Once known, the floor holds while the API server is away; the problem is told."""
    put_node(server, "a", "v1.36.3")
    with started(connection) as nodes:
        wait_until(lambda: nodes.version == (1, 36))
        server.down()
        wait_until(lambda: nodes.problem is not None)
        assert nodes.floor.text == "1.36, the lowest of 1 node"
        assert nodes.unready == ""
        server.up()
        wait_until(lambda: nodes.problem is None)


def test_unreachable_at_the_start(server: ApiServer, connection: Connection) -> None:
    """Until something is known nothing is assumed, and the worker is not ready."""
    put_node(server, "a", "v1.36.3")
    server.down()
    with started(connection) as nodes:
        wait_until(lambda: nodes.problem is not None)
        assert nodes.version is None
        assert nodes.unready.startswith("nodes are not yet listed: ")
        assert nodes.floor.source == "unknown"
        assert nodes.floor.text.startswith("not known, nodes are not yet listed: ")
        assert nodes.floor.text.endswith(": what needs a newer kubelet is not used")
        server.up()
        wait_until(lambda: nodes.version == (1, 36))
        wait_until(lambda: nodes.unready == "")


def test_nobody_tells(server: ApiServer, connection: Connection) -> None:
    """Where neither nodes nor /version may be read the worker serves, with what every kubelet can run."""
    server.forbidden_resources = {"nodes"}
    server.faults["get"].extend([Answer(status=403)] * 1000)
    with started(connection) as nodes:
        wait_until(lambda: not nodes.unready)
        assert nodes.version is None
        assert nodes.floor.text == (
            "not known, as neither the nodes nor /version may be read: what needs a newer kubelet is not used"
        )
        assert "/version: 403" in (nodes.problem or "")


def test_waits_for_the_first_list(server: ApiServer, connection: Connection) -> None:
    """The API server's version is there first: the worker still waits for the nodes, which will decide."""
    server.faults["list"].append(Hang())
    with started(connection, pace=replace(QUICK, request=60)) as nodes:
        wait_until(lambda: nodes.version == (1, 33))
        assert nodes.unready == "nodes are not yet listed: the first list is on its way"


def test_a_worker_begins_when_the_floor_is_known(server: ApiServer, tmp_path: Path) -> None:
    """Its first review has it: the other workers of its pod may have made that ready before."""
    put_node(server, "a", "v1.36.3")
    flags = {"kubeconfig": [write_kubeconfig(tmp_path, server)], "mode": ["cluster"]}

    reviews = prepare_reviews(*parse_settings(flags, {}), {})()

    try:
        assert reviews.gauges().floor_version == "1.36"
    finally:
        reviews.stop()


def test_a_worker_does_not_wait_for_ever(server: ApiServer, connection: Connection) -> None:
    """Without an API server it begins all the same, and says that it is not ready."""
    server.down()
    with started(connection) as nodes:
        began = time.monotonic()
        nodes.await_floor(0.2)
        assert 0.2 <= time.monotonic() - began < 2
        assert nodes.unready


def write_kubeconfig(folder: Path, server: ApiServer) -> str:
    """A kubeconfig for the API server; its path."""
    user = {"name": "u", "user": {"token": TOKEN}}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": server.url}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [user],
    }
    (folder / "kubeconfig").write_text(json.dumps(config))
    return str(folder / "kubeconfig")


def test_a_given_version_watches_nothing(server: ApiServer, tmp_path: Path) -> None:
    """A version that the operator names holds, and neither nodes nor /version are asked for."""
    put_node(server, "a", "v1.36.3")
    flags = {"kubeconfig": [write_kubeconfig(tmp_path, server)], "kubelet-version-floor": ["1.28"], "mode": ["cluster"]}
    reviews = prepare_reviews(*parse_settings(flags, {}), {})()
    try:
        wait_until(lambda: reviews.readiness().is_ready)
        assert reviews.readiness().details == {"kubelet version floor": "1.28, as --kubelet-version-floor says"}
        assert (reviews.gauges().floor_version, reviews.gauges().floor_source) == ("1.28", "fixed")
        assert {seen.path for seen in server.requests} == {"/api/v1/serviceaccounts"}
    finally:
        reviews.stop()


def test_without_an_api_server(tmp_path: Path) -> None:
    """With --service-accounts auto is 1.33, and says that it is an assumption."""
    (tmp_path / "accounts.yaml").write_text("")
    flags = {"service-accounts": [str(tmp_path / "accounts.yaml")]}

    reviews = prepare_reviews(*parse_settings(flags, {}), {})()

    assert reviews.readiness().is_ready
    assert reviews.readiness().details == {
        "kubelet version floor": "1.33, assumed, as --service-accounts asks no API server"
    }
    assert reviews.gauges().floor_source == "offline"


def test_settings_follow(make_settings: object) -> None:
    """Review by review `refresher: auto` takes the shape that the floor of this moment allows."""
    base: Settings = make_settings()  # type: ignore[operator]  # the fixture's function
    floor: tuple[int, int] | None = None
    in_force = SettingsInForce(base, floor=lambda: floor, role_policy=lambda: None, broker_ca=lambda: "")

    def shape() -> str:
        decision = decide(POD, "shop", ROLE, in_force(), seed="uid")
        assert isinstance(decision, Injection)
        return decision.shape

    assert shape() == "sidecar"
    floor = (1, 36)
    assert shape() == "native"
    assert in_force() is in_force()
    floor = (1, 28)
    assert shape() == "sidecar"
    assert base.kubelet_version_floor == (1, 33)


@pytest.mark.parametrize(
    ("floor", "words"),
    [
        ((1, 28), "this cluster may have kubelets of 1.28: set"),
        (None, "does not know this cluster's kubelets yet: retry"),
    ],
)
def test_native_is_denied(floor: tuple[int, int] | None, words: str, settings: Settings) -> None:
    """Who asks for a native sidecar where it may not run is told which kubelets there are, or to retry."""
    pod = {**POD, "metadata": {**POD["metadata"], "annotations": {REFRESHER: "native"}}}

    decision = decide(pod, "shop", ROLE, replace(settings, kubelet_version_floor=floor), seed="uid")

    assert isinstance(decision, Deny)
    assert decision.reason == "native_sidecar"
    assert words in decision.message
