"""Bytes of a watch in, changes out: no sockets, no threads."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube.errors import GoneError, KubeError, UnavailableError
from kube.progress import LINE_BYTES, Change, Progress, WatchBrokenError
from tests.kube.following import TOKEN, Item, keep


def make_progress() -> Progress[Item]:
    """After a list of version 10."""
    progress = Progress(keep, "GET /c (watch)")
    progress.listed("10")
    progress.opened()
    return progress


def line(kind: str, name: str, version: int, **annotations: str) -> bytes:
    """An event as the API server writes it."""
    metadata = {"name": name, "namespace": "shop", "resourceVersion": str(version), "annotations": annotations}
    return json.dumps({"type": kind, "object": {"metadata": metadata}}).encode() + b"\n"


def bookmark(version: int) -> bytes:
    """A bookmark's object has nothing but its version."""
    return json.dumps({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(version)}}}).encode() + b"\n"


STREAM = (
    line("ADDED", "a", 11, x="1") + line("MODIFIED", "a", 12, x="é\n") + b"\n" + bookmark(20) + line("DELETED", "a", 21)
)
CHANGES: list[Change[Item]] = [
    Change(kind="upsert", item=("shop/a", {"x": "1"})),
    Change(kind="upsert", item=("shop/a", {"x": "é\n"})),
    Change(kind="bookmark"),
    Change(kind="delete", item=("shop/a", {})),
]


@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_pieces(cuts: list[int]) -> None:
    """However the bytes arrive, the changes are the same, and the version is the last one."""
    progress = make_progress()
    edges = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[start:end] for start, end in itertools.pairwise(edges)]
    assert [change for piece in pieces for change in progress.feed(piece)] == CHANGES
    assert progress.resource_version == "21"


@given(end=st.integers(0, len(STREAM)))
def test_cut_and_resumed(end: int) -> None:
    """A stream that breaks anywhere and goes on after the last version tells each change once."""
    progress = make_progress()
    seen = list(progress.feed(STREAM[:end]))
    version = int(progress.resource_version or 0)
    progress.opened()
    rest = [part + b"\n" for part in STREAM.split(b"\n") if part]
    later = [part for part in rest if int(json.loads(part)["object"]["metadata"]["resourceVersion"]) > version]
    assert seen + list(progress.feed(b"".join(later))) == CHANGES


def test_version_follows_the_consumer() -> None:
    """The version moves on only after the change has been taken: a consumer that fails sees it again."""
    progress = make_progress()
    changes = progress.feed(line("ADDED", "a", 11))
    next(changes)
    assert progress.resource_version == "10"
    assert list(changes) == []
    assert progress.resource_version == "11"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"{\n", "no event"),
        (b"null\n", "no event"),
        (b'"ADDED"\n', "no event"),
        (b'{"type":"ADDED","object":[]}\n', "no event"),
        (b'{"type":"ADDED"}\n', "no event"),
        (b"\xff\xfe\n", "no event"),
        (b'{"type":"ADDED","object":{}}\n', "resourceVersion"),
        (b'{"type":"ADDED","object":{"metadata":null}}\n', "resourceVersion"),
        (b'{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":""}}}\n', "resourceVersion"),
        (b'{"type":"PATCHED","object":{"metadata":{"resourceVersion":"11"}}}\n', "unknown type"),
        (b'{"type":["ADDED"],"object":{"metadata":{"resourceVersion":"11"}}}\n', "unknown type"),
        (b'{"type":"ADDED","object":{"metadata":{"resourceVersion":"11"}}}\n', "no metadata.name"),
        (b"[" * 100_000 + b"\n", "no event"),
    ],
)
def test_not_understood(data: bytes, said: str) -> None:
    """What is no event ends the trust in the whole stream: a list has to come, and the bytes are not repeated."""
    progress = make_progress()
    with pytest.raises(WatchBrokenError, match=said) as caught:
        list(progress.feed(line("ADDED", "a", 11) + data))
    assert progress.resource_version is None
    assert len(str(caught.value)) < 200


def test_endless_line() -> None:
    """A line that never ends does not fill the memory."""
    progress = make_progress()
    for _ in range(LINE_BYTES // 65_536):
        assert list(progress.feed(b"x" * 65_536)) == []
    with pytest.raises(WatchBrokenError, match="bytes"):
        list(progress.feed(b"x"))


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ({"code": 410, "message": "too old"}, GoneError),
        ({"code": 500, "message": "etcdserver: no leader"}, UnavailableError),
        ({"code": 429}, UnavailableError),
        ({"code": "410"}, KubeError),
        ({}, KubeError),
    ],
)
def test_error_event(status: dict[str, Any], error: type[KubeError]) -> None:
    """An ERROR event ends the stream, and a list has to come whatever its code."""
    progress = make_progress()
    with pytest.raises(error):
        list(progress.feed(json.dumps({"type": "ERROR", "object": status}).encode() + b"\n"))
    assert progress.resource_version is None


def test_long_message() -> None:
    """A message of the API server is cut, and control characters in it do not reach a terminal."""
    progress = make_progress()
    status = {"code": 410, "message": "\x1b[31m" + "x" * 1000 + TOKEN}
    with pytest.raises(GoneError) as caught:
        list(progress.feed(json.dumps({"type": "ERROR", "object": status}).encode() + b"\n"))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400
    assert TOKEN not in str(caught.value)
