"""Handshakes with real TLS servers: which leaf is served, and why a client refuses it."""

import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from certjob.certificates import Issued, certificates_pem, issue_authority, issue_leaf, key_pem, new_private_key
from certjob.cluster import handshake
from certjob.cluster.endpoints import Endpoint
from certjob.cluster.handshake import ask
from certjob.cluster.observed import Served, Silent
from certjob.names import serving_names
from demo.fakes.api_server.state import State
from tests.certjob.cluster.objects import secret
from tests.certjob.cluster.replicas import Replica

NAME = "hook.ns.svc"
DAY = timedelta(days=1)


def new_authority() -> Issued:
    """A CA of today."""
    now = datetime.now(UTC)
    return issue_authority(key=new_private_key(), serial=x509.random_serial_number(), now=now, lifetime=30 * DAY)


def stored(authority: Issued, *, service: str = "hook", made: timedelta = timedelta(0)) -> tuple[State, Issued]:
    """A Secret whose leaf was made some time ago, and the leaf."""
    leaf = issue_leaf(
        authority,
        key=new_private_key(),
        serial=x509.random_serial_number(),
        common_name=NAME,
        names=serving_names(service=service, namespace="ns"),
        now=datetime.now(UTC) - made,
        lifetime=DAY,
    )
    state = State(None)
    data = {"tls.crt": certificates_pem(leaf.certificate), "tls.key": key_pem(leaf.key)}
    state.load("secrets", secret("certs", data, namespace="ns"))
    return state, leaf


@pytest.fixture
def authority() -> Issued:
    """The CA that is trusted."""
    return new_authority()


@pytest.fixture
def endpoints() -> Iterator[list[Replica]]:
    """Replicas that end with the test."""
    replicas: list[Replica] = []
    yield replicas
    for replica in replicas:
        replica.close()


def at(port: int) -> Endpoint:
    """Something that listens on loopback."""
    return Endpoint(address="127.0.0.1", port=port, pod="", serving=True)


def test_a_good_leaf(authority: Issued, endpoints: list[Replica]) -> None:
    """The leaf as it is served; a second CA in the bundle does no harm."""
    state, leaf = stored(authority)
    endpoints.append(Replica(state, "ns", "certs", lag=0))

    answer = ask(at(endpoints[0].port), NAME, [new_authority().certificate, authority.certificate])

    assert answer == Served(leaf=leaf.certificate)


def test_a_bundle_need_not_hold_a_root(authority: Issued, endpoints: list[Replica]) -> None:
    """As for the API server: a bundle of the leaf itself trusts it."""
    state, leaf = stored(authority)
    endpoints.append(Replica(state, "ns", "certs", lag=0))

    assert ask(at(endpoints[0].port), NAME, [leaf.certificate]) == Served(leaf=leaf.certificate)


@pytest.mark.parametrize(
    ("trusted", "service", "age", "says"),
    [
        ("another", "hook", 0, "unable to get local issuer"),
        ("nobody", "hook", 0, "unable to get local issuer"),
        ("its", "other", 0, "Hostname mismatch"),
        ("its", "hook", 20, "expired"),
    ],
)
def test_a_leaf_that_is_refused(endpoints: list[Replica], trusted: str, service: str, age: int, says: str) -> None:
    """Who refuses a leaf is still told which one it was."""
    now = datetime.now(UTC) - timedelta(days=25)
    authority = issue_authority(key=new_private_key(), serial=1, now=now, lifetime=300 * DAY)
    state, leaf = stored(authority, service=service, made=age * DAY)
    endpoints.append(Replica(state, "ns", "certs", lag=0))
    bundle = {"another": [new_authority().certificate], "nobody": [], "its": [authority.certificate]}[trusted]

    answer = ask(at(endpoints[0].port), NAME, bundle)

    assert isinstance(answer, Served)
    assert answer.leaf == leaf.certificate
    assert says in (answer.distrust or "")


def test_who_does_not_answer(monkeypatch: pytest.MonkeyPatch, authority: Issued) -> None:
    """Nobody there, no TLS, and silence each have their reason."""
    monkeypatch.setattr(handshake, "SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as quiet:
        port = quiet.getsockname()[1]
        assert ask(at(port), NAME, [authority.certificate]) == Silent(reason="no answer in 0.3 seconds")
    assert ask(at(port), NAME, [authority.certificate]) == Silent(reason="connection refused")


def test_plain_http_is_no_handshake(authority: Issued) -> None:
    """A server that speaks something else."""
    with socket.create_server(("127.0.0.1", 0)) as plain:

        def speak() -> None:
            connection, _ = plain.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=speak)
        thread.start()
        answer = ask(at(plain.getsockname()[1]), NAME, [authority.certificate])
        thread.join(5)

    assert isinstance(answer, Silent)
    assert answer.reason.startswith("no TLS handshake: ")


def test_the_name_is_asked_for(authority: Issued) -> None:
    """SERVICE.NAMESPACE.svc as SNI, as the API server does it."""
    seen: list[str | None] = []
    state, _ = stored(authority)
    replica = Replica(state, "ns", "certs", lag=0)
    assert replica._context is not None
    replica._context.sni_callback = lambda _socket, name, _context: seen.append(name)
    ask(at(replica.port), NAME, [authority.certificate])
    replica.close()

    assert seen == [NAME]
