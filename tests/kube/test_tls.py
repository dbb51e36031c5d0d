"""Real handshakes: whom we trust, and how we show who we are."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from urllib3.exceptions import InsecureRequestWarning

from demo.fakes.api_server import ApiServer
from kube.client import Client
from kube.config import Connection
from kube.errors import UnavailableError
from kube.watch import Watch
from tests.kube.certificates import Authority, Files
from tests.kube.following import COLLECTION, ONE, QUICK, Kept, keep, wait_until

Serve = Callable[..., ApiServer]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """The cluster's CA."""
    return Authority(tmp_path)


@pytest.fixture
def serve(authority: Authority) -> Iterator[Serve]:
    """Start an API server with a certificate."""
    with ExitStack() as servers:

        def serve(files: Files, *, client_ca: Path | None = None) -> ApiServer:
            server = ApiServer(tls=authority.server_context(files, client_ca=client_ca))
            server.put("shop", "web", {})
            return servers.enter_context(closing(server))

        yield serve


def name_of(connection: Connection) -> str:
    """One request."""
    with closing(Client(connection)) as client:
        return str(client.get(ONE)["metadata"]["name"])


def test_own_ca(authority: Authority, serve: Serve) -> None:
    """A server is trusted by the cluster's CA alone, even one without key identifiers, as old clusters have it."""
    server = serve(authority.issue("api"))
    assert name_of(Connection(server=server.url, ca_file=str(authority.file))) == "web"


def test_unknown_ca(authority: Authority, serve: Serve, tmp_path: Path) -> None:
    """Another CA, and this machine's own store, are refused, and the error says what to check."""
    server = serve(authority.issue("api"))
    other = Authority(tmp_path, "other-ca")
    for ca_file in (str(other.file), None):
        with pytest.raises(UnavailableError, match=r"TLS: .*verify failed.*check the CA"):
            name_of(Connection(server=server.url, ca_file=ca_file))


def test_wrong_name(authority: Authority, serve: Serve) -> None:
    """A certificate for another name is refused, unless that is the name to expect (tls-server-name)."""
    server = serve(authority.issue("api", address=None, dns="kubernetes.default.svc"))
    with pytest.raises(UnavailableError, match="TLS"):
        name_of(Connection(server=server.url, ca_file=str(authority.file)))
    expected = Connection(server=server.url, ca_file=str(authority.file), tls_server_name="kubernetes.default.svc")
    assert name_of(expected) == "web"


def test_verify_off(authority: Authority, serve: Serve) -> None:
    """insecure-skip-tls-verify trusts anybody, as it says, and urllib3 warns of it."""
    server = serve(authority.issue("api", address=None))
    with pytest.warns(InsecureRequestWarning):
        assert name_of(Connection(server=server.url, verify_tls=False)) == "web"


def test_client_certificate(authority: Authority, serve: Serve) -> None:
    """A client certificate is shown where the server wants one; without it there is no connection."""
    server = serve(authority.issue("api"), client_ca=authority.file)
    me = authority.issue("me", address=None)
    connection = Connection(
        server=server.url,
        ca_file=str(authority.file),
        client_certificate_file=str(me.certificate),
        client_key_file=str(me.key),
    )
    assert name_of(connection) == "web"
    with pytest.raises(UnavailableError):
        name_of(Connection(server=server.url, ca_file=str(authority.file)))


def test_watch(authority: Authority, serve: Serve) -> None:
    """A watch over TLS is followed, and stopped at once while it waits for bytes."""
    server = serve(authority.issue("api"))
    kept = Kept()
    client = Client(Connection(server=server.url, ca_file=str(authority.file)))
    watch = Watch(client, COLLECTION, keep=keep, consumer=kept, clock=time.monotonic, random=float, pace=QUICK)
    watch.start()
    wait_until(lambda: server.counts["watch"] == 1)
    server.put("shop", "api", {"n": "1"})
    wait_until(lambda: kept.accounts == server.annotations())
    began = time.monotonic()
    watch.stop()
    assert time.monotonic() - began < 3
    assert watch._thread is not None
    assert not watch._thread.is_alive()


def test_replaced_ca(authority: Authority, serve: Serve, tmp_path: Path) -> None:
    """A CA file that is replaced while we run holds for the next request: the cluster's CA can be rotated."""
    ca_file = tmp_path / "ca.crt"
    other = Authority(tmp_path, "other-ca")
    ca_file.write_bytes(other.file.read_bytes())
    server = serve(authority.issue("api"))
    with closing(Client(Connection(server=server.url, ca_file=str(ca_file)))) as client:
        with pytest.raises(UnavailableError, match="TLS"):
            client.get(ONE)
        ca_file.write_bytes(authority.file.read_bytes() + other.file.read_bytes())
        assert client.get(ONE)["metadata"]["name"] == "web"


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_broken_ca(authority: Authority, serve: Serve, tmp_path: Path, content: bytes | None) -> None:
    """A CA file that is missing or broken is named; it may be in the middle of a replacement, so a retry is right."""
    ca_file = tmp_path / "ca.crt"
    if content is not None:
        ca_file.write_bytes(content)
    server = serve(authority.issue("api"))
    with pytest.raises(UnavailableError, match=r"ca\.crt.*expected PEM"):
        name_of(Connection(server=server.url, ca_file=str(ca_file)))
