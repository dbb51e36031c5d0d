"""What the tests of `kube` share: a token, a consumer, and waiting."""

import itertools
import random
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

from demo.fakes.api_server import ApiServer
from kube.client import Client
from kube.config import Authorization, Connection, bearer
from kube.errors import UnexpectedObjectError
from kube.watch import Pace, Watch

# Must appear in no log, error or repr.
TOKEN = "tok-8f3b7c"
COLLECTION = "/api/v1/serviceaccounts"
ONE = "/api/v1/namespaces/shop/serviceaccounts/web"
# The product's pace, a hundred times faster.
QUICK = Pace(backoff_first=0.01, backoff_cap=0.1, watch=60, silence=1.0, steady=5, request=1.0, page_size=3)

Item = tuple[str, dict[str, str]]


def keep(obj: dict[str, Any]) -> Item:
    """NAMESPACE/NAME and annotations."""
    metadata = obj["metadata"]
    if "name" not in metadata:
        raise UnexpectedObjectError("no metadata.name")
    return f"{metadata['namespace']}/{metadata['name']}", metadata.get("annotations") or {}


class Kept:
    """A consumer of a watch."""

    def __init__(self) -> None:
        self.accounts: dict[str, dict[str, str]] = {}
        self.lists = 0

    def replace(self, items: list[Item], resource_version: str) -> None:
        """The whole collection."""
        assert resource_version
        self.accounts = dict(items)
        self.lists += 1

    def upsert(self, item: Item) -> None:
        """One that is new or changed."""
        self.accounts[item[0]] = item[1]

    def delete(self, item: Item) -> None:
        """One that is gone."""
        self.accounts.pop(item[0], None)


def always(token: str) -> Authorization:
    """A header that never changes."""

    def header(*, refused: str | None) -> str | None:
        del refused
        return bearer(token, "a test")

    return header


def reaches(connection: Connection, server: ApiServer) -> bool:
    """Whether a request is let in."""
    server.put("shop", "web", {})
    with closing(Client(connection)) as client:
        return bool(client.get(ONE))


def wait_until(fact: Callable[[], bool], *, seconds: float = 10) -> None:
    """Fail if it does not become true in time."""
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)


@contextmanager
def following(
    server: ApiServer, *, pace: Pace = QUICK, dice: Callable[[], float] = random.random
) -> Iterator[tuple[Watch[Item], Kept]]:
    """A watch at work; it must end at once."""
    kept = Kept()
    client = Client(Connection(server=server.url, authorization=always(TOKEN)))
    watch = Watch(client, COLLECTION, keep=keep, consumer=kept, clock=time.monotonic, random=dice, pace=pace)
    watch.start()
    try:
        yield watch, kept
    finally:
        began = time.monotonic()
        watch.stop()
        assert time.monotonic() - began < 3


_SETTLED = itertools.count()


def settle(server: ApiServer, kept: Kept) -> None:
    """A last change arrives after everything before it; then both sides are equal."""
    server.put("settled", "sentinel", {"n": str(next(_SETTLED))})
    last = server.annotations()["settled/sentinel"]
    wait_until(lambda: kept.accounts.get("settled/sentinel") == last)
    assert kept.accounts == server.annotations()
