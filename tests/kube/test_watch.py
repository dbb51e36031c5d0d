"""The watch over real sockets: when it lists, when it resumes, how long it waits, and how it ends."""

import logging
import time
from dataclasses import replace

import pytest

from demo.fakes.api_server import ApiServer
from demo.fakes.api_server.script import Answer, Bookmark, Cut, Fault, Hang, Play, Put, Raw, Slow
from kube.client import Client
from kube.config import Connection
from kube.errors import GoneError, UnavailableError
from kube.watch import Watch
from tests.kube.following import COLLECTION, QUICK, TOKEN, Item, Kept, always, following, keep, settle, wait_until


def test_follows(server: ApiServer) -> None:
    """Creations, changes, deletions and re-creations arrive, on one list and one watch."""
    server.put("shop", "web", {"n": "1"})
    with following(server, pace=replace(QUICK, request=60, silence=60)) as (watch, kept):
        wait_until(lambda: kept.accounts == {"shop/web": {"n": "1"}})
        server.put("shop", "web", {"n": "2"})
        server.put("shop", "api", {})
        server.delete("shop", "web")
        settle(server, kept)
        server.put("shop", "web", {"n": "3"})
        settle(server, kept)
        assert watch.problem is None
        assert watch.confirmed_at is not None
    assert server.counts == {"list": 1, "watch": 1}
    query = server.requests[-1].query
    assert query["allowWatchBookmarks"] == "true"
    assert 60 <= int(query["timeoutSeconds"]) <= 120


def test_resumes_after_an_ordinary_end(server: ApiServer) -> None:
    """A watch that the server ends is taken up at the last version, bookmarks included, without a list."""
    put = Put(namespace="shop", name="web", annotations={})
    server.faults["watch"].extend([Play(steps=(put,), end="close"), Play(steps=(Bookmark(),), end="close")])
    with following(server, pace=replace(QUICK, request=60, silence=60)) as (_, kept):
        wait_until(lambda: server.counts["watch"] == 3)
        settle(server, kept)
        assert kept.lists == 1
    watches = [seen.query["resourceVersion"] for seen in server.requests if seen.verb == "watch"]
    assert watches == ["1000", "1001", "1001"]


@pytest.mark.parametrize(
    "fault",
    [
        Play(end="expired"),
        Answer(status=410),
        Play(steps=(Raw(data=b"<html>\n"),)),
        Answer(status=400),
        Answer(status=404),
    ],
)
def test_lists_again(server: ApiServer, fault: Fault) -> None:
    """410 as an event or as a status, data that can't be read, and refusals of the version lead to a new list."""
    server.faults["watch"].append(fault)
    with following(server) as (watch, kept):
        wait_until(lambda: kept.lists == 2)
        settle(server, kept)
        assert watch.problem is None


@pytest.mark.parametrize("fault", [Answer(status=503), Answer(status=429), Hang(), Play(end="cut", cut_at=3)])
def test_resumes_without_a_list(server: ApiServer, fault: Fault) -> None:
    """An API server that does not answer, or breaks off, costs no list: the version is still good."""
    server.faults["watch"].append(fault)
    with following(server, pace=replace(QUICK, silence=0.2)) as (_, kept):
        wait_until(lambda: server.counts["watch"] >= 2)  # each silence makes one more
        settle(server, kept)
        assert kept.lists == 1


def test_silent_connection(server: ApiServer) -> None:
    """A watch on which nothing comes, not even a bookmark, is given up and resumed."""
    with following(server, pace=replace(QUICK, silence=0.1, steady=0.05)) as (_, kept):
        wait_until(lambda: server.counts["watch"] >= 3)
        settle(server, kept)
        assert kept.lists == 1


def test_reader_sees_whole_lists(server: ApiServer) -> None:
    """While the list is repeated, the old collection stays until the whole new one is there."""
    for number in range(9):
        server.put("shop", f"a{number}", {})
    with following(server) as (_, kept):
        wait_until(lambda: len(kept.accounts) == 9)
        server.faults["list"].extend([Slow(seconds=0.05), Cut(at=10), Slow(seconds=0.05), Slow(seconds=0.05)])
        server.faults["watch"].append(Answer(status=410))
        server.down()
        server.up()
        sizes = set()
        while kept.lists < 2:
            sizes.add(len(kept.accounts))
        assert sizes == {9}


@pytest.mark.parametrize("verb", ["list", "watch"])
def test_forbidden(server: ApiServer, verb: str, caplog: pytest.LogCaptureFixture) -> None:
    """Without RBAC the problem is readable, said once in the log, and over as soon as the verb is granted."""
    server.forbidden = {verb}  # type: ignore[arg-type]  # one of the parameters
    with caplog.at_level(logging.INFO, logger="kube"), following(server) as (watch, kept):
        wait_until(lambda: server.counts[verb] >= 3)
        assert watch.problem is not None
        assert f"grant {verb} on it" in watch.problem
        server.forbidden = set()
        settle(server, kept)
        wait_until(lambda: watch.problem is None)
    assert caplog.text.count("grant") == 1
    assert "works again" in caplog.text
    assert TOKEN not in caplog.text


def test_backoff(client: Client) -> None:
    """Failures double the ceiling of the wait up to the cap, dice choose below it, and Retry-After is a floor."""
    watch = Watch(client, COLLECTION, keep=keep, consumer=Kept(), clock=float, random=lambda: 0.5)
    assert [watch._failed(UnavailableError("x")) for _ in range(7)] == [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0]
    assert watch._failed(UnavailableError("x", retry_after=20)) == 20
    assert watch._failed(UnavailableError("x", retry_after=999)) == 30
    for _ in range(5000):
        assert watch._failed(GoneError("x")) == 15


def test_a_watch_that_ends_at_once(server: ApiServer) -> None:
    """A server, or a proxy, that ends each watch at once is not asked in a busy loop."""
    server.faults["watch"].extend([Play(end="close")] * 1000)
    with following(server, dice=lambda: 1.0) as (watch, _):
        wait_until(lambda: server.counts["watch"] >= 4)
        time.sleep(0.3)
        assert server.counts["watch"] < 20
        assert watch.problem is not None
        assert "ended it at once" in watch.problem


def test_a_watch_that_ends_soon(server: ApiServer) -> None:
    """A server that tells something and ends each watch at once is no failure, and is not asked without a pause."""
    server.faults["watch"].extend([Play(steps=(Bookmark(),), end="close")] * 10_000)
    with following(server, dice=lambda: 1.0) as (watch, _):
        began, before = time.monotonic(), server.counts["watch"]
        time.sleep(0.5)
        # A pause of 10 ms: a hundred a second. Without it some two thousand.
        assert server.counts["watch"] - before < 200 * (time.monotonic() - began)
        assert watch.problem is None


def test_bug_of_the_consumer(server: ApiServer, caplog: pytest.LogCaptureFixture) -> None:
    """A bug is logged with its traceback, and the collection is built anew."""
    server.put("shop", "web", {})

    class Clumsy(Kept):
        def upsert(self, item: Item) -> None:
            if not self.accounts:
                raise RuntimeError("a bug")
            super().upsert(item)

    kept = Clumsy()
    server.delete("shop", "web")
    client = Client(Connection(server=server.url, authorization=always(TOKEN)))
    watch = Watch(client, COLLECTION, keep=keep, consumer=kept, clock=time.monotonic, random=lambda: 0.0, pace=QUICK)
    watch.start()
    wait_until(lambda: kept.lists == 1)
    server.put("shop", "api", {})
    wait_until(lambda: kept.lists == 2)
    settle(server, kept)
    watch.stop()
    assert "RuntimeError: a bug" in caplog.text


@pytest.mark.parametrize("fault", [Hang(), Slow(seconds=0.5), None])
@pytest.mark.parametrize("verb", ["list", "watch"])
def test_stops_at_once(server: ApiServer, verb: str, fault: Fault | None) -> None:
    """Stopping does not wait for the API server, whatever the watch is waiting for; `following` takes the time."""
    if fault is not None:
        server.faults[verb].append(fault)  # type: ignore[index]  # one of the parameters
    with following(server, pace=replace(QUICK, request=60, silence=60)) as (watch, _):
        wait_until(lambda: server.counts[verb] == 1)
    assert watch._thread is not None
    assert not watch._thread.is_alive()


def test_stopped_while_away(server: ApiServer, caplog: pytest.LogCaptureFixture) -> None:
    """Stopping ends the wait for the next try; the end of the connection is no news."""
    server.down()
    with following(server, pace=replace(QUICK, backoff_first=60, backoff_cap=60), dice=lambda: 1.0) as (watch, _):
        wait_until(lambda: watch.problem is not None)
    assert caplog.text.count("interrupted") == 1


def test_confirmed(server: ApiServer) -> None:
    """The clock of the last confirmation moves with the list, events and bookmarks, and with nothing else."""
    now = [100.0]
    kept = Kept()
    client = Client(Connection(server=server.url, authorization=always(TOKEN)))
    watch = Watch(client, COLLECTION, keep=keep, consumer=kept, clock=lambda: now[0], random=lambda: 0.0, pace=QUICK)
    assert watch.confirmed_at is None
    watch.start()
    wait_until(lambda: watch.confirmed_at == 100.0)
    now[0] = 200.0
    wait_until(lambda: server.counts["watch"] >= 1)
    assert watch.confirmed_at == 100.0
    server.put("shop", "web", {})
    wait_until(lambda: watch.confirmed_at == 200.0)
    now[0] = 300.0
    server.faults["watch"].append(Play(steps=(Bookmark(),)))
    server.down()
    assert watch.confirmed_at == 200.0
    server.up()
    wait_until(lambda: watch.confirmed_at == 300.0)
    watch.stop()
