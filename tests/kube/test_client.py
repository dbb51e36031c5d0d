"""Requests over real sockets, and how each failure reads."""

import json
import threading
import time

import pytest

from demo.fakes.api_server import ApiServer
from demo.fakes.api_server.script import Answer, Compact, Cut, Drop, Fault, Hang
from kube.client import Client
from kube.config import Connection
from kube.errors import (
    ForbiddenError,
    GoneError,
    KubeError,
    NotFoundError,
    RefusedError,
    UnauthorizedError,
    UnavailableError,
    UnexpectedObjectError,
)
from tests.kube.following import COLLECTION, ONE, TOKEN, always, keep


def test_get(server: ApiServer, client: Client) -> None:
    """An object comes as the dict that it is on the wire, and the connection is kept."""
    server.put("shop", "web", {"a": "b"})
    for _ in range(3):
        assert client.get(ONE)["metadata"]["annotations"] == {"a": "b"}


def test_path_prefix(server: ApiServer) -> None:
    """A server behind a path (a proxy for many clusters) is asked below it."""
    client = Client(Connection(server=server.url + "/k8s/clusters/c-1/", authorization=always(TOKEN)))
    with pytest.raises(NotFoundError):
        client.get(ONE)
    assert server.requests[-1].path == "/k8s/clusters/c-1" + ONE
    client.close()


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 7])
def test_list_in_pages(server: ApiServer, client: Client, size: int) -> None:
    """A list is whole whatever the pages, and begins a watch at the version of its first page."""
    for number in range(size):
        server.put("shop", f"a{number}", {})
    listing = client.list(COLLECTION, keep=keep, page_size=3)
    assert dict(listing.items) == server.annotations()
    assert listing.resource_version == str(1000 + size)
    assert server.counts["list"] == max(1, -(-size // 3))


def test_expired_continue_token(server: ApiServer, client: Client) -> None:
    """When a page's token has expired, one list without pages follows; the items are there once."""
    for number in range(7):
        server.put("shop", f"a{number}", {})
    server.faults["list"].append(Compact())
    listing = client.list(COLLECTION, keep=keep, page_size=3)
    assert sorted(listing.items) == sorted(server.annotations().items())
    assert [("limit" in seen.query, "continue" in seen.query) for seen in server.requests] == [
        (True, False),
        (True, True),
        (False, False),
    ]


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ({"metadata": {"resourceVersion": "1", "continue": "x"}, "items": []}, "names the same next one"),
        ({"metadata": {"resourceVersion": "1", "continue": 5}, "items": []}, "wrong type"),
        ({"metadata": {"resourceVersion": "1"}, "items": [5]}, "wrong type"),
        ({"metadata": {"resourceVersion": "1"}, "items": [None]}, "wrong type"),
        ({"metadata": {"resourceVersion": 1}, "items": []}, "no list"),
    ],
)
def test_list_that_is_none(server: ApiServer, client: Client, page: dict[str, object], said: str) -> None:
    """A list with wrong types, or with no end, is no answer: it is not asked for again and again at once."""
    server.faults["list"].extend([Answer(status=200, body=json.dumps(page).encode())] * 1000)
    with pytest.raises(UnavailableError, match=said):
        client.list(COLLECTION, keep=keep)
    assert server.counts["list"] <= 2


@pytest.mark.parametrize(
    ("fault", "error", "said"),
    [
        (Answer(status=400), RefusedError, "400: scripted"),
        (Answer(status=302, body=b""), RefusedError, "check the server's address"),
        (Answer(status=404, body=b"<html>"), NotFoundError, "404; check the name"),
        (Answer(status=410), GoneError, "list again"),
        (Answer(status=429, retry_after="7"), UnavailableError, "429"),
        (Answer(status=500), UnavailableError, "500"),
        (Answer(status=503, body=b'{"kind":"Pod","message":"secret"}'), UnavailableError, "503"),
        (Answer(status=500, body=b"\xff" * 100_000), UnavailableError, "500"),
        (Answer(status=200, body=b"[]"), UnavailableError, "no JSON object"),
        (Answer(status=200, body=b"<html>"), UnavailableError, "proxy"),
        (Answer(status=200, body=b""), UnavailableError, "no JSON object"),
        (Cut(at=0), UnavailableError, "connection broke"),
        (Cut(at=10), UnavailableError, "connection broke"),
        (Hang(), UnavailableError, "no answer in time"),
    ],
)
def test_failures(server: ApiServer, client: Client, fault: Fault, error: type[KubeError], said: str) -> None:
    """Each failure is an error of ours that names method and path and repeats no body; the next request works."""
    server.put("shop", "web", {})
    server.faults["get"].append(fault)
    with pytest.raises(error, match=said) as caught:
        client.get(ONE, timeout=0.3)
    assert str(caught.value).startswith(f"GET {ONE}: ")
    assert "secret" not in str(caught.value)
    assert len(str(caught.value)) < 400
    assert client.get(ONE)["metadata"]["name"] == "web"


def test_retry_after(server: ApiServer, client: Client) -> None:
    """What the API server asks for is kept, in seconds; a date is not understood and does no harm."""
    for text, seconds in (("7", 7.0), ("Wed, 21 Oct 2015 07:28:00 GMT", None), ("", None)):
        server.faults["get"].append(Answer(status=429, retry_after=text))
        with pytest.raises(UnavailableError) as caught:
            client.get(ONE)
        assert caught.value.retry_after == seconds


def test_forbidden(server: ApiServer, client: Client) -> None:
    """403 says which verb RBAC has to grant, and repeats the API server's own words."""
    server.forbidden = {"get", "list", "watch"}
    with pytest.raises(ForbiddenError, match=r"cannot get resource.*grant get on it"):
        client.get(ONE)
    with pytest.raises(ForbiddenError, match="grant list on it"):
        client.list(COLLECTION, keep=keep)
    with (
        pytest.raises(ForbiddenError, match="grant watch on it"),
        client.stream(COLLECTION, {"watch": "true"}, silence=1),
    ):
        pass


def test_unauthorized(server: ApiServer, connection: Connection) -> None:
    """401 says that the credentials are not accepted; neither error nor repr holds them."""
    server.tokens = {"another"}
    client = Client(connection)
    with pytest.raises(UnauthorizedError, match="renew the credentials") as caught:
        client.get(ONE)
    assert TOKEN not in f"{caught.value!r}{connection!r}"
    assert server.counts["get"] == 1
    client.close()


def test_renewed_token(server: ApiServer) -> None:
    """A token that was refused and could be renewed is tried once more, at once."""
    server.tokens = {"new"}
    server.put("shop", "web", {})

    def authorization(*, refused: str | None) -> str:
        return "Bearer old" if refused is None else "Bearer new"

    client = Client(Connection(server=server.url, authorization=authorization))
    assert client.get(ONE)["metadata"]["name"] == "web"
    assert server.counts["get"] == 2
    client.close()


@pytest.mark.parametrize(
    "body", [{}, {"metadata": {}}, {"metadata": {"resourceVersion": "1"}, "items": {}}, {"items": []}]
)
def test_no_list(server: ApiServer, client: Client, body: dict[str, object]) -> None:
    """What is no list is refused, not taken for an empty one."""
    server.faults["list"].append(Answer(status=200, body=json.dumps(body).encode()))
    with pytest.raises(UnavailableError, match="no list"):
        client.list(COLLECTION, keep=keep)


def test_null_items(server: ApiServer, client: Client) -> None:
    """Go writes an empty list as null."""
    server.faults["list"].append(Answer(status=200, body=b'{"metadata":{"resourceVersion":"1"},"items":null}'))
    assert client.list(COLLECTION, keep=keep).items == []


def test_item_of_another_kind(server: ApiServer, client: Client) -> None:
    """An item that `keep` does not take fails the list, with the path."""
    body = b'{"metadata":{"resourceVersion":"1"},"items":[{"metadata":{}}]}'
    server.faults["list"].append(Answer(status=200, body=body))
    with pytest.raises(UnexpectedObjectError, match=f"GET {COLLECTION}.*no metadata.name"):
        client.list(COLLECTION, keep=keep)


def test_unreachable(server: ApiServer, client: Client) -> None:
    """A refused connection says so, quickly."""
    server.down()
    began = time.monotonic()
    with pytest.raises(UnavailableError, match=r"no connection: .*refused"):
        client.get(ONE)
    assert time.monotonic() - began < 2


def test_server_restarted(server: ApiServer, client: Client) -> None:
    """A connection that the server has closed in the meantime is no error."""
    server.put("shop", "web", {})
    client.get(ONE)
    server.down()
    server.up()
    assert client.get(ONE)["metadata"]["name"] == "web"


def test_dropped_connection(server: ApiServer, client: Client) -> None:
    """A connection that breaks before the answer is tried once more, as a kept one may just have ended."""
    server.put("shop", "web", {})
    server.faults["get"].append(Drop())
    assert client.get(ONE)["metadata"]["name"] == "web"
    server.faults["get"].extend([Drop(), Drop()])
    with pytest.raises(UnavailableError, match="connection broke"):
        client.get(ONE)
    assert server.counts["get"] == 4


def test_close_ends_requests(server: ApiServer, client: Client) -> None:
    """Closing the client ends a request of another thread at once, and none can be made after it."""
    server.faults["get"].append(Hang())
    errors: list[BaseException] = []

    def hang() -> None:
        try:
            client.get(ONE, timeout=60)
        except UnavailableError as exc:
            errors.append(exc)

    thread = threading.Thread(target=hang)
    thread.start()
    while not server.requests:
        time.sleep(0.005)
    began = time.monotonic()
    client.close()
    thread.join(10)
    assert errors
    assert time.monotonic() - began < 5
    with pytest.raises(UnavailableError):
        client.get(ONE)
