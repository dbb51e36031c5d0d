"""The oldest kubelet, from what nodes and API servers write."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube.errors import UnexpectedObjectError
from webhook.kubelet_version import (
    Floor,
    Node,
    NodeVersions,
    keep_node,
    kubelet_version,
    oldest_beside,
    server_version,
    shown,
)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("v1.36.3", (1, 36)),
        ("v1.33.2-gke.100", (1, 33)),
        ("v1.29.0-gke.1234567", (1, 29)),
        ("v1.29.0-eks-1a2b3c4", (1, 29)),
        ("v1.33.4+k3s1", (1, 33)),
        ("v1.28.15-rc.0", (1, 28)),
        ("v1.19.10-vk-azure-aci-1.4.4", (1, 19)),
        ("1.31.0", (1, 31)),
        ("v1.29.0-alpha.3", (1, 28)),
        ("v1.29.0-beta.0.12+0123456789abcd", (1, 28)),
        ("v1.29.0-rc.1", (1, 28)),
        ("v1.29.0-rc.1-gke.5", (1, 28)),
        ("fake", None),
        ("", None),
        ("v1", None),
        ("kwok-v0.6", None),
    ],
)
def test_kubelet_version(text: str, version: tuple[int, int] | None) -> None:
    """Vendors' suffixes are no pre-releases; a pre-release of a minor counts as the minor before it."""
    assert kubelet_version(text) == version


@pytest.mark.parametrize(
    ("answer", "version"),
    [
        ({"major": "1", "minor": "36", "gitVersion": "v1.36.3"}, (1, 36)),
        ({"major": "1", "minor": "33+", "gitVersion": "v1.33.2-gke.100"}, (1, 33)),
        ({"major": "1", "minor": "29+"}, (1, 29)),
    ],
)
def test_server_version(answer: dict[str, str], version: tuple[int, int]) -> None:
    """The answer to GET /version; managed clusters write a plus behind the minor."""
    assert server_version(answer) == version


@pytest.mark.parametrize("answer", [{}, {"major": "1"}, {"major": "1", "minor": ""}, {"major": "v1", "minor": "3.3"}])
def test_no_server_version(answer: dict[str, str]) -> None:
    """What is no answer to GET /version says what was expected."""
    with pytest.raises(UnexpectedObjectError, match="expected major and minor"):
        server_version(answer)


def test_skew() -> None:
    """Kubernetes supports kubelets of three minors below the API server, and no minor is below zero."""
    assert oldest_beside((1, 36)) == (1, 33)
    assert oldest_beside((2, 1)) == (2, 0)


@pytest.mark.parametrize(
    ("obj", "version"),
    [
        ({"metadata": {"name": "a"}, "status": {"nodeInfo": {"kubeletVersion": "v1.36.3"}}}, (1, 36)),
        ({"metadata": {"name": "a"}, "status": {"nodeInfo": {"kubeletVersion": 136}}}, None),
        ({"metadata": {"name": "a"}, "status": {"nodeInfo": None}}, None),
        ({"metadata": {"name": "a"}, "status": None}, None),
        ({"metadata": {"name": "a"}}, None),
    ],
)
def test_keep_node(obj: dict[str, object], version: tuple[int, int] | None) -> None:
    """Of a node stay its name and its version; one that has not said its version yet is a node all the same."""
    assert keep_node(obj) == Node("a", version)


@pytest.mark.parametrize("obj", [{}, {"metadata": None}, {"metadata": {"name": 7}}])
def test_no_node(obj: dict[str, object]) -> None:
    """What is no Node is no node of ours."""
    with pytest.raises(UnexpectedObjectError, match=r"metadata\.name"):
        keep_node(obj)


def test_floor_in_words() -> None:
    """The version, or that it is not known, and why."""
    assert Floor(version=(1, 36), source="nodes", reason="the lowest of 3 nodes").text == "1.36, the lowest of 3 nodes"
    assert Floor(version=None, source="unknown", reason="why").text == "not known, why"
    assert shown(None) == ""


@pytest.mark.parametrize(
    ("nodes", "lowest", "reason"),
    [
        ([], None, "there is no node"),
        ([Node("a", None)], None, "no node names its version"),
        ([Node("a", (1, 36))], (1, 36), "the lowest of 1 node"),
        ([Node("a", (1, 36)), Node("b", (1, 9)), Node("c", (1, 10))], (1, 9), "the lowest of 3 nodes"),
        ([Node("a", (1, 36)), Node("b", None)], (1, 36), "the lowest of 1 node; 1 more names no version"),
        ([Node("a", (1, 36)), *(Node(n, None) for n in "bc")], (1, 36), "the lowest of 1 node; 2 more name no version"),
    ],
)
def test_lowest_of(nodes: list[Node], lowest: tuple[int, int] | None, reason: str) -> None:
    """Versions are compared as numbers; nodes without one are counted and do not lower the floor."""
    versions = NodeVersions()
    assert not versions.is_listed
    versions.replace(nodes, "1")
    assert versions.is_listed
    assert (versions.lowest, versions.reason) == (lowest, reason)


NODES = st.builds(Node, st.sampled_from("abc"), st.sampled_from([None, (1, 28), (1, 29), (1, 36)]))
EVENTS = st.lists(st.tuples(st.sampled_from(["upsert", "delete"]), NODES))


@given(st.lists(NODES, unique_by=lambda node: node.name), EVENTS)
def test_any_order_of_events(first: list[Node], events: list[tuple[str, Node]]) -> None:
    """After any events, deletions that are told twice among them, the lowest is that of the nodes that are there."""
    versions = NodeVersions()
    versions.replace(first, "1")
    expected = {node.name: node.version for node in first}
    for kind, node in events:
        if kind == "upsert":
            versions.upsert(node)
            expected[node.name] = node.version
        else:
            versions.delete(node)
            expected.pop(node.name, None)
        known = [version for version in expected.values() if version is not None]
        assert versions.lowest == min(known, default=None)
        assert versions._counts == Counter(known)
