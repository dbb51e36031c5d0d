"""Certificates in a real TLS handshake: what must succeed, and what must fail."""

import dataclasses
import socket
import ssl
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from certjob.certificates import Source
from certjob.certify import Request, certify
from certjob.decide import Wanted
from contract.server import CA_CERT, TLS_CERT, TLS_KEY

WAIT = 10


@pytest.fixture
def now() -> datetime:
    """A handshake knows no other time than the real one."""
    return datetime.now(UTC).replace(microsecond=0)


def handshake(directory: Path, trusted_pem: str, hostname: str) -> Mapping[str, object]:
    """One handshake over a real socket on loopback; the server's certificate as the client sees it."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(directory / TLS_CERT, directory / TLS_KEY)
    # Strict is RFC 5280 to the letter, Python 3.13's default.
    client = ssl.create_default_context(cadata=trusted_pem)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(WAIT)

    def serve() -> None:
        connection, _ = listener.accept()
        connection.settimeout(WAIT)
        with connection:
            try:
                with server.wrap_socket(connection, server_side=True) as tls:
                    tls.recv(1)
            except (ssl.SSLError, OSError):
                return  # the client hung up, and says why itself

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with (
            socket.create_connection(listener.getsockname(), timeout=WAIT) as plain,
            client.wrap_socket(plain, server_hostname=hostname) as tls,
        ):
            return tls.getpeercert() or {}
    finally:
        thread.join(WAIT)
        listener.close()


def bundle(request: Request) -> str:
    """What clients trust."""
    return (request.directory / CA_CERT).read_text()


@pytest.mark.parametrize(
    "hostname",
    [
        "admission-webhook-svc",
        "admission-webhook-svc.webhook",
        "admission-webhook-svc.webhook.svc",
        "admission-webhook-svc.webhook.svc.cluster.local",
        "127.0.0.1",
    ],
)
def test_every_name_is_served(request_for: Request, now: datetime, source: Source, hostname: str) -> None:
    """A client that trusts ca.crt reaches the server under each of its names."""
    certify(request_for, now=now, source=source)

    assert handshake(request_for.directory, bundle(request_for), hostname)["subject"]


@pytest.mark.parametrize("hostname", ["localhost", "other.webhook.svc", "127.0.0.2"])
def test_a_wrong_name_fails(request_for: Request, now: datetime, source: Source, hostname: str) -> None:
    """A name that is not in the certificate is refused, although the CA is trusted."""
    certify(request_for, now=now, source=source)

    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        handshake(request_for.directory, bundle(request_for), hostname)


def test_an_expired_certificate_fails(request_for: Request, now: datetime, source: Source) -> None:
    """A leaf of a year that was made two years ago."""
    certify(request_for, now=now - timedelta(days=730), source=source)

    with pytest.raises(ssl.SSLCertVerificationError, match="certificate has expired"):
        handshake(request_for.directory, bundle(request_for), "127.0.0.1")


def test_a_certificate_from_tomorrow_fails(request_for: Request, now: datetime, source: Source) -> None:
    """Not valid yet."""
    certify(request_for, now=now + timedelta(days=2), source=source)

    with pytest.raises(ssl.SSLCertVerificationError, match="not yet valid"):
        handshake(request_for.directory, bundle(request_for), "127.0.0.1")


def test_another_ca_is_not_trusted(request_for: Request, now: datetime, source: Source, tmp_path: Path) -> None:
    """The CA of another installation does not vouch for this one."""
    other = dataclasses.replace(request_for, directory=tmp_path / "other")
    certify(request_for, now=now, source=source)
    certify(other, now=now, source=source)

    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer"):
        handshake(request_for.directory, bundle(other), "127.0.0.1")


def test_clients_do_not_notice_a_renewed_leaf(request_for: Request, now: datetime, source: Source) -> None:
    """The CA stays, so a client with the old ca.crt goes on."""
    certify(request_for, now=now, source=source)
    trusted_before = bundle(request_for)

    outcome = certify(
        dataclasses.replace(request_for, wanted=Wanted(names=request_for.wanted.names, renew=True)),
        now=now,
        source=source,
    )

    peer = handshake(request_for.directory, trusted_before, "127.0.0.1")
    assert int(str(peer["serialNumber"]), 16) == outcome.leaf.serial_number
    assert bundle(request_for) == trusted_before


def test_after_a_rotation_the_bundle_trusts_both_generations(
    request_for: Request, now: datetime, source: Source, tmp_path: Path
) -> None:
    """New bundle: old and new servers. Old CA only: the old server. New CA only: the new server."""
    rotation = dataclasses.replace(request_for, wanted=Wanted(names=request_for.wanted.names, rotate_ca=True))
    certify(request_for, now=now, source=source)
    old_server = tmp_path / "old-server"
    old_server.mkdir()
    for name in (TLS_CERT, TLS_KEY):
        (old_server / name).write_bytes((request_for.directory / name).read_bytes())
    old_ca = bundle(request_for)

    certify(rotation, now=now, source=source)

    both = bundle(request_for)
    new_ca = both.replace(old_ca, "")
    assert both == new_ca + old_ca
    for directory, trusted_pem in (
        (old_server, both),
        (request_for.directory, both),
        (old_server, old_ca),
        (request_for.directory, new_ca),
    ):
        assert handshake(directory, trusted_pem, "127.0.0.1")
    for directory, trusted_pem in ((old_server, new_ca), (request_for.directory, old_ca)):
        with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer"):
            handshake(directory, trusted_pem, "127.0.0.1")
