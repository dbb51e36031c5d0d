"""Each fault of the script, as it looks on a raw socket."""

import re
import socket
import time

import jwt
import pytest

from demo.fakes.metadata import (
    FORBIDDEN_BODY,
    Fault,
    Garbage,
    MetadataServer,
    NearExpiry,
    NoFlavor,
    NotHttp,
    Redirect,
    Slow,
    Status,
    Truncated,
    WrongAudience,
)

REQUEST = (
    b"GET /computeMetadata/v1/instance/service-accounts/default/identity?audience=a HTTP/1.1\r\n"
    b"Host: metadata.google.internal\r\nMetadata-Flavor: Google\r\nConnection: close\r\n\r\n"
)


def raw(metadata: MetadataServer) -> tuple[bytes, bytes]:
    """Send one identity request on a socket of its own; give head and body as they came."""
    host, _, port = metadata.host.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(REQUEST)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = received.partition(b"\r\n\r\n")
    return head, body


def promised(head: bytes) -> int:
    """Read Content-Length."""
    match = re.search(rb"(?i)content-length: (\d+)", head)
    assert match
    return int(match[1])


def test_status(metadata: MetadataServer) -> None:
    """Status gives code, text and Retry-After."""
    metadata.script(Status(429, "slow down", retry_after=3), Status(503), Status(403, FORBIDDEN_BODY))
    head, body = raw(metadata)
    assert head.startswith(b"HTTP/1.1 429 ")
    assert b"Retry-After: 3" in head
    assert body == b"slow down"
    head, body = raw(metadata)
    assert (head[:12], body) == (b"HTTP/1.1 503", b"")
    assert b"Retry-After" not in head
    assert b"missing IAM policy binding" in raw(metadata)[1]


def test_slow(metadata: MetadataServer) -> None:
    """Slow waits, then gives a good token."""
    metadata.script(Slow(0.2))
    begun = time.monotonic()
    head, body = raw(metadata)
    assert time.monotonic() - begun >= 0.2
    assert head.startswith(b"HTTP/1.1 200")
    assert body.count(b".") == 2


def test_slow_does_not_outlive_the_server() -> None:
    """A server that ends wakes its slow answers."""
    with MetadataServer() as metadata:
        metadata.script(Slow(60))
        host, _, port = metadata.host.rpartition(":")
        connection = socket.create_connection((host, int(port)), timeout=10)
        connection.sendall(REQUEST)
        while not metadata.requests:
            time.sleep(0.01)
    begun = time.monotonic()
    while connection.recv(65536):
        pass
    assert time.monotonic() - begun < 10
    connection.close()


def test_truncated(metadata: MetadataServer) -> None:
    """Truncated promises the whole token and sends a part."""
    metadata.script(Truncated(20))
    head, body = raw(metadata)
    assert head.startswith(b"HTTP/1.1 200")
    assert promised(head) > 300
    assert len(body) == 20


def test_no_flavor(metadata: MetadataServer) -> None:
    """NoFlavor gives a good token without the header that proves Google."""
    metadata.script(NoFlavor())
    head, body = raw(metadata)
    assert b"Metadata-Flavor" not in head
    assert promised(head) == len(body)


def test_wrong_audience(metadata: MetadataServer) -> None:
    """WrongAudience gives a genuine token for somebody else."""
    metadata.script(WrongAudience("z"))
    assert jwt.decode(raw(metadata)[1], options={"verify_signature": False})["aud"] == "z"


@pytest.mark.parametrize("seconds", [20, -20])
def test_near_expiry(metadata: MetadataServer, seconds: int) -> None:
    """NearExpiry gives a token that was issued long ago and ends then."""
    metadata.script(NearExpiry(seconds))
    before = int(time.time())
    claims = jwt.decode(raw(metadata)[1], options={"verify_signature": False})
    assert before + seconds <= claims["exp"] <= time.time() + seconds
    assert claims["exp"] - claims["iat"] == 3600


def test_redirect(metadata: MetadataServer) -> None:
    """Redirect answers 302 with the place."""
    metadata.script(Redirect("http://127.0.0.1:1/"))
    head, _ = raw(metadata)
    assert head.startswith(b"HTTP/1.1 302")
    assert b"Location: http://127.0.0.1:1/" in head


def test_garbage(metadata: MetadataServer) -> None:
    """Garbage gives these bytes with a good status."""
    metadata.script(Garbage(b"\x00\xff<html>"))
    head, body = raw(metadata)
    assert head.startswith(b"HTTP/1.1 200")
    assert body == b"\x00\xff<html>"


def test_not_http(metadata: MetadataServer) -> None:
    """NotHttp writes bytes without HTTP, or hangs up without a word."""
    metadata.script(NotHttp(b"SSH-2.0\r\n"), NotHttp())
    assert raw(metadata)[0] == b"SSH-2.0\r\n"
    assert raw(metadata) == (b"", b"")


def test_one_fault_a_request_in_order(metadata: MetadataServer) -> None:
    """The script is used up fault by fault; then the server is well again."""
    script: list[Fault] = [Status(500), Status(502)]
    metadata.script(*script)
    metadata.script(Status(504))
    assert [raw(metadata)[0][9:12] for _ in range(4)] == [b"500", b"502", b"504", b"200"]


def test_faults_do_not_heal_an_unbound_account(metadata: MetadataServer) -> None:
    """A slow answer of an unbound account is still a 404."""
    metadata.bound = False
    metadata.script(Slow(0.01))
    assert raw(metadata)[0].startswith(b"HTTP/1.1 404")
