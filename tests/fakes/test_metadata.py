"""The metadata server answers and refuses as GKE's does."""

import http.client
import json
import socket

import jwt
import pytest

from demo.fakes.google import GoogleSigner
from demo.fakes.metadata import MetadataServer, Status
from tests.fakes.conftest import Get, claims_of

ACCOUNT = "/computeMetadata/v1/instance/service-accounts/default"
IDENTITY = f"{ACCOUNT}/identity?audience=a%2Fb"
FLAVOR = {"Metadata-Flavor": "Google"}


def test_identity(metadata: MetadataServer, get: Get) -> None:
    """A good request gets a token for its audience, without a newline, with the flavor in the answer."""
    status, headers, body = get(metadata.host, IDENTITY)
    assert status == 200
    assert headers["metadata-flavor"] == "Google"
    assert headers["server"] == "GKE Metadata Server"
    assert headers["content-type"] == "text/html"
    assert body == body.strip()
    assert claims_of(body)["aud"] == "a/b"


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "text"),
    [
        ("GET", IDENTITY, {}, 403, "Metadata-Flavor"),
        ("GET", IDENTITY, {"Metadata-Flavor": "google"}, 403, "Metadata-Flavor"),
        ("GET", IDENTITY, {**FLAVOR, "X-Forwarded-For": "127.0.0.1"}, 403, "X-Forwarded-For"),
        ("POST", IDENTITY, FLAVOR, 405, "Not Allowed"),
        ("HEAD", IDENTITY, FLAVOR, 405, ""),
        ("GET", f"{ACCOUNT}/identity", FLAVOR, 400, "non-empty audience parameter required"),
        ("GET", f"{ACCOUNT}/identity?audience=", FLAVOR, 400, "non-empty audience parameter required"),
        ("GET", f"{ACCOUNT}/identity?audience=%20", FLAVOR, 400, "non-empty audience parameter required"),
        ("GET", ACCOUNT.replace("default", "other") + "/identity?audience=a", FLAVOR, 404, "Not Found"),
        ("GET", f"{ACCOUNT}/nothing", FLAVOR, 404, "Not Found"),
        ("GET", "/computeMetadata/v1/nothing", FLAVOR, 404, "Not Found"),
        ("GET", "/computeMetadata/v1beta1/instance/service-accounts/default/token", FLAVOR, 404, "Not Found"),
    ],
)
def test_refusals(
    metadata: MetadataServer, get: Get, method: str, path: str, headers: dict[str, str], status: int, text: str
) -> None:
    """What the real server refuses is refused with its status; the script is not used up by it."""
    metadata.script(Status(503))
    answered, _, body = get(metadata.host, path, headers, method)
    assert (answered, text in body.decode()) == (status, True)
    assert get(metadata.host, IDENTITY)[0] == 503


def test_unbound(metadata: MetadataServer, get: Get) -> None:
    """Without a Google service account the answer is GKE's 404, whose text names the annotation."""
    metadata.bound = False
    status, headers, body = get(metadata.host, IDENTITY)
    assert status == 404
    assert headers["metadata-flavor"] == "Google"
    assert b"iam.gke.io/gcp-service-account" in body
    assert get(metadata.host, f"{ACCOUNT}/email")[2] == b"fake-project.svc.id.goog"
    metadata.bound = True
    assert get(metadata.host, IDENTITY)[0] == 200


def test_email_as_name_of_the_account(metadata: MetadataServer, get: Get) -> None:
    """The service account answers under its e-mail as under `default`."""
    path = IDENTITY.replace("default", metadata.signer.email)
    assert claims_of(get(metadata.host, path)[2])["sub"] == metadata.signer.unique_id


def test_format_full(metadata: MetadataServer, get: Get) -> None:
    """format=full adds the e-mail; format=standard and no format do not."""
    assert "email" not in claims_of(get(metadata.host, IDENTITY)[2])
    assert "email" not in claims_of(get(metadata.host, f"{IDENTITY}&format=standard")[2])
    assert claims_of(get(metadata.host, f"{IDENTITY}&format=full")[2])["email"] == metadata.signer.email


def test_lifetime_can_change(metadata: MetadataServer, get: Get) -> None:
    """The next token lives as long as `lifetime` says at that moment."""
    metadata.lifetime = 7
    claims = jwt.decode(get(metadata.host, IDENTITY)[2], options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 7


def test_caching_returns_the_old_token_until_near_its_end() -> None:
    """With `caching` an audience's token comes again until a twelfth of its life is left, as on GKE."""
    now = 1_000_000.0
    with MetadataServer(signer=GoogleSigner(clock=lambda: now)) as metadata:
        metadata.caching = True
        first = metadata._token("a", full=False)
        now += 3600 * 11 / 12 - 1
        assert metadata._token("a", full=False) == first
        assert metadata._token("b", full=False) != first
        now += 2
        assert metadata._token("a", full=False) != first


def test_no_caching_by_default(metadata: MetadataServer) -> None:
    """Without `caching` every request gets a token of its own second."""
    assert metadata.caching is False


def test_requests_are_recorded(metadata: MetadataServer, get: Get) -> None:
    """A test can read what was asked: method, path, query and headers."""
    get(metadata.host, IDENTITY, {**FLAVOR, "X-Test": "1"})
    get(metadata.host, "/", {})
    asked = metadata.requests[0]
    assert (asked.method, asked.path) == ("GET", f"{ACCOUNT}/identity")
    assert asked.query == {"audience": "a/b"}
    assert asked.headers["x-test"] == "1"
    assert metadata.identity_requests() == [asked]


def test_keep_alive(metadata: MetadataServer) -> None:
    """One connection serves several requests."""
    connection = http.client.HTTPConnection(metadata.host, timeout=10)
    for _ in range(3):
        connection.request("GET", IDENTITY, headers=FLAVOR)
        assert connection.getresponse().read()
    connection.close()


def test_down_refuses_connections_and_up_serves_on_the_same_port(metadata: MetadataServer, get: Get) -> None:
    """`down` refuses and ends kept-alive connections, `up` is back on the same port, as often as wished."""
    host = metadata.host
    kept = http.client.HTTPConnection(host, timeout=10)
    kept.request("GET", IDENTITY, headers=FLAVOR)
    kept.getresponse().read()
    for _ in range(3):
        metadata.down()
        with pytest.raises(ConnectionRefusedError):
            get(host, IDENTITY)
        metadata.up()
        metadata.up()
        assert get(host, IDENTITY)[0] == 200
    assert kept.sock.recv(1) == b""
    kept.close()


def test_a_client_that_hangs_up_harms_nobody(
    metadata: MetadataServer, get: Get, capfd: pytest.CaptureFixture[str]
) -> None:
    """Half a request and a reset leave the server alive and quiet."""
    address = (metadata.host.split(":")[0], int(metadata.host.split(":")[1]))
    for data in (b"", b"GET ", b"GET /computeMetadata/v1/ HTTP/1.1\r\nMeta"):
        with socket.create_connection(address) as half:
            half.sendall(data)
    assert get(metadata.host, IDENTITY)[0] == 200
    assert capfd.readouterr() == ("", "")


def test_paths_that_google_auth_probes(metadata: MetadataServer, get: Get) -> None:
    """Detection, service account info, e-mail and project ID answer as google-auth expects."""
    assert get(metadata.host, "/", {})[1]["metadata-flavor"] == "Google"
    info = json.loads(get(metadata.host, f"{ACCOUNT}/?recursive=true")[2])
    assert info["email"] == metadata.signer.email
    assert get(metadata.host, f"{ACCOUNT}/email")[2].decode() == metadata.signer.email
    assert get(metadata.host, "/computeMetadata/v1/project/project-id")[2] == b"fake-project"
