"""Any order of events and faults: in the end the consumer holds what the API server holds."""

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo.fakes.api_server import ApiServer
from demo.fakes.api_server.script import Again, Answer, Bookmark, Compact, Cut, Delete, Fault, Play, Put, Raw, Slow
from tests.kube.following import TOKEN, following, settle, wait_until

NAMES = st.sampled_from(["a", "b", "c"])
STEPS = st.one_of(
    st.builds(
        Put, namespace=st.just("shop"), name=NAMES, annotations=st.fixed_dictionaries({"n": st.text(max_size=3)})
    ),
    st.builds(Delete, namespace=st.just("shop"), name=NAMES),
    st.just(Bookmark()),
    st.builds(Again, events=st.integers(1, 3)),
)
BROKEN = st.sampled_from(
    [
        b"{\n",
        b"null\n",
        b"\xff\n",
        b'{"type":"ADDED","object":{}}\n',
        b'{"type":"ADDED","object":{"metadata":{"resourceVersion":"1"}}}\n',
    ]
)
PLAYS = st.builds(
    Play,
    steps=st.tuples() | st.lists(STEPS, max_size=5).map(tuple),
    end=st.sampled_from(["close", "cut", "expired"]),
    cut_at=st.integers(0, 1500),
    piece=st.sampled_from([1, 7, 100, 1 << 20]),
) | st.builds(
    lambda steps, data: Play(steps=(*steps, Raw(data=data)), end="close"), st.lists(STEPS, max_size=3), BROKEN
)
WATCH_FAULTS = st.lists(PLAYS | st.builds(Answer, status=st.sampled_from([410, 429, 500, 503, 401, 404])), max_size=6)
LIST_FAULTS = st.lists(
    st.builds(Answer, status=st.sampled_from([410, 429, 500, 503, 403]))
    | st.builds(Answer, status=st.just(200), body=st.sampled_from([b"", b"{}", b"[1]"]))
    | st.builds(Cut, at=st.integers(0, 300))
    | st.just(Compact())
    | st.just(Slow(seconds=0.01)),
    max_size=4,
)


@pytest.mark.slow
@settings(max_examples=150)
@given(before=st.lists(NAMES, max_size=8), lists=LIST_FAULTS, watches=WATCH_FAULTS)
def test_every_order(before: list[str], lists: list[Fault], watches: list[Fault]) -> None:
    """After any order of events, duplicates, half lines, disconnects, 410s and refusals the cache equals the server."""
    server = ApiServer(tokens={TOKEN})
    for number, name in enumerate(before):
        server.put("shop", f"{name}{number}", {"n": str(number)})
    server.faults["list"].extend(lists)
    server.faults["watch"].extend(watches)
    try:
        with following(server, dice=float) as (watch, kept):
            # One watch more than the scripted ones: what they do is done.
            wait_until(lambda: server.counts["watch"] > len(watches))
            settle(server, kept)
            wait_until(lambda: watch.problem is None)
    finally:
        server.close()


@pytest.mark.slow
@settings(max_examples=25)
@given(seed=st.integers(0, 1 << 32))
def test_changes_while_it_goes_away(seed: int) -> None:
    """Changes at any moment, compactions and restarts of the API server among them: the cache catches up."""
    dice = random.Random(seed)
    server = ApiServer(tokens={TOKEN})
    try:
        with following(server) as (_, kept):
            for _ in range(dice.randrange(30)):
                name = f"a{dice.randrange(5)}"
                match dice.randrange(12):
                    case 0:
                        server.down()
                        server.put("shop", name, {"n": "down"})
                        server.up()
                    case 1:
                        server.compact()
                    case 2 | 3 | 4:
                        server.delete("shop", name)
                    case 5:
                        time.sleep(0.005)
                    case _:
                        server.put("shop", name, {"n": str(dice.random())})
            settle(server, kept)
    finally:
        server.close()
