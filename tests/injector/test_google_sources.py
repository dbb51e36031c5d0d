"""The sources that use google-auth, against HTTP servers on loopback; and google-auth as the oracle of ours."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import google.auth.credentials
import google.auth.transport.requests
import pytest
from cryptography.hazmat.primitives import serialization
from google.auth import compute_engine
from google.auth.compute_engine import _metadata
from google.oauth2.credentials import Credentials

from contract import exit_codes, pod
from demo.fakes.google import GoogleSigner
from demo.fakes.listener import Listener
from demo.fakes.metadata import MetadataServer
from injector.errors import RefreshError
from injector.settings import Settings, parse
from injector.sources import token_source
from injector.sources.adc import ApplicationDefault
from injector.sources.gke_metadata import GkeMetadata
from injector.sources.iam_credentials import IamCredentials
from injector.token import read_unverified

ACCOUNT = "reader@fake-project.iam.gserviceaccount.com"


class GoogleApi:
    """One HTTP server for oauth2 and IAM Credentials: the next answer can be set, the requests are kept."""

    def __init__(self) -> None:
        self.signer = GoogleSigner()
        self.answer: tuple[int, bytes] | None = None
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                api.requests.append((self.path, dict(self.headers), body))
                token = api.signer.id_token(pod.GOOGLE_AUDIENCE)
                name = "token" if "generateIdToken" in self.path else "id_token"
                code, answer = api.answer or (200, json.dumps({name: token}).encode())
                self.send_response(code)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        self.listener = Listener("127.0.0.1", 0, Handler)
        self.url = f"http://{self.listener.host}"


@pytest.fixture
def api() -> Iterator[GoogleApi]:
    """Google's APIs on loopback."""
    found = GoogleApi()
    found.listener.up()
    yield found
    found.listener.close()


def iam_source(api: GoogleApi) -> IamCredentials:
    """IAM Credentials with an access token that is valid."""
    credentials = Credentials(token="ya29.access")  # type: ignore[no-untyped-call]  # google-auth is typed in part
    return IamCredentials(service_account=ACCOUNT, credentials=credentials, endpoint=api.url)


def test_iam_credentials(api: GoogleApi) -> None:
    """The request is generateIdToken's, without useEmailAzp, so that azp stays numeric."""
    token = iam_source(api).fetch(audience=pod.GOOGLE_AUDIENCE, timeout=5)
    assert read_unverified(token).unverified_sub == api.signer.unique_id
    ((path, headers, body),) = api.requests
    assert path == "/v1/projects/-/serviceAccounts/reader%40fake-project.iam.gserviceaccount.com:generateIdToken"
    assert json.loads(body) == {"audience": pod.GOOGLE_AUDIENCE, "includeEmail": True}
    assert headers["authorization"] == "Bearer ya29.access"


@pytest.mark.parametrize(
    ("code", "exit_code", "fix"),
    [
        (400, exit_codes.AUDIENCE_REFUSED, "--audience"),
        (403, exit_codes.NO_SERVICE_ACCOUNT, "roles/iam.serviceAccountOpenIdTokenCreator"),
        (404, exit_codes.NO_SERVICE_ACCOUNT, "--impersonate-service-account"),
        (302, exit_codes.SOURCE_UNAVAILABLE, "tried again"),
        (429, exit_codes.SOURCE_UNAVAILABLE, "tried again"),
        (503, exit_codes.SOURCE_UNAVAILABLE, "tried again"),
    ],
)
def test_iam_credentials_refusals(api: GoogleApi, code: int, exit_code: int, fix: str) -> None:
    """A refusal says for whom, what to do, and what Google said."""
    api.answer = code, b'{"error": {"message": "because"}}'
    with pytest.raises(RefreshError, match="because") as caught:
        iam_source(api).fetch(audience="a", timeout=5)
    assert (caught.value.exit_code, ACCOUNT in str(caught.value)) == (exit_code, True)
    assert fix in str(caught.value)


@pytest.mark.parametrize("body", [b"{}", b"[]", b"not json", b'"x"', b"null"])
def test_iam_credentials_garbage(api: GoogleApi, body: bytes) -> None:
    """An answer without a token is transient."""
    api.answer = 200, body
    with pytest.raises(RefreshError) as caught:
        iam_source(api).fetch(audience="a", timeout=5)
    assert caught.value.exit_code == exit_codes.SOURCE_UNAVAILABLE


def test_iam_credentials_down(api: GoogleApi) -> None:
    """A refused connection is transient."""
    api.listener.down()
    with pytest.raises(RefreshError, match="can be reached") as caught:
        iam_source(api).fetch(audience="a", timeout=5)
    assert caught.value.exit_code == exit_codes.SOURCE_UNAVAILABLE


@pytest.fixture
def key_file(api: GoogleApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A service account's key file whose token endpoint is on loopback."""
    private = api.signer.keys[0].private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path / "key.json"
    info = {"type": "service_account", "client_email": ACCOUNT, "token_uri": f"{api.url}/token", "private_key_id": "1"}
    path.write_text(json.dumps({**info, "private_key": private.decode()}))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    return path


@pytest.mark.usefixtures("key_file")
def test_adc_with_a_key(api: GoogleApi) -> None:
    """Outside GKE google-auth exchanges a key for a token."""
    assert read_unverified(ApplicationDefault().fetch(audience=pod.GOOGLE_AUDIENCE, timeout=5))
    assert [path for path, _, _ in api.requests] == ["/token"]


def test_ambient_credentials_impersonate(api: GoogleApi, key_file: Path) -> None:
    """Without credentials of its own the source finds the ambient ones, and gets an access token first."""
    assert key_file.exists()
    source = IamCredentials(service_account=ACCOUNT, endpoint=api.url)
    api.answer = 200, json.dumps({"access_token": "ya29.x", "expires_in": 60, "token": "a.b.c"}).encode()
    assert source.fetch(audience="a", timeout=5) == "a.b.c"
    assert [path.rpartition("/")[2] for path, _, _ in api.requests] == [
        "token",
        "reader%40fake-project.iam.gserviceaccount.com:generateIdToken",
    ]


def test_adc_without_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credentials: permanent, with both ways to get some."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "absent"))
    with pytest.raises(
        RefreshError, match=r"gcloud auth application-default login.*--impersonate-service-account"
    ) as caught:
        ApplicationDefault().fetch(audience="a", timeout=1)
    assert caught.value.exit_code == exit_codes.NO_SERVICE_ACCOUNT


@pytest.mark.parametrize(
    ("flags", "kind"),
    [
        (["--source=gke-metadata"], "GkeMetadata"),
        (["--source=file", "--source-file=a"], "FileSource"),
        (["--source=adc"], "ApplicationDefault"),
        (["--source=adc", "--impersonate-service-account=x"], "IamCredentials"),
        (["--source=iam-credentials", "--impersonate-service-account=x"], "IamCredentials"),
    ],
)
def test_choice(flags: list[str], kind: str) -> None:
    """Each source is the one that the flags name."""
    settings = parse(["--file=a", *flags], {})
    assert isinstance(settings, Settings)
    assert type(token_source(settings)).__name__ == kind


@pytest.fixture
def oracle(metadata: MetadataServer, monkeypatch: pytest.MonkeyPatch) -> Any:
    """google-auth's own client of the metadata server."""
    monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", metadata.host)
    monkeypatch.setenv("GCE_METADATA_HOST", metadata.host)
    monkeypatch.setenv("GCE_METADATA_IP", metadata.host)
    return compute_engine.IDTokenCredentials(  # type: ignore[no-untyped-call]  # google-auth is typed in part
        google.auth.transport.requests.Request(),
        target_audience=pod.GOOGLE_AUDIENCE,
        use_metadata_identity_endpoint=True,
    )


def test_parity_with_google_auth(metadata: MetadataServer, oracle: Any) -> None:
    """google-auth asks the same path with the same query and header, and reads the same end from the same token."""
    metadata.caching = True
    ours = GkeMetadata(host=metadata.host).fetch(audience=pod.GOOGLE_AUDIENCE, timeout=5)
    oracle.refresh(google.auth.transport.requests.Request())
    mine, theirs = metadata.identity_requests()
    assert (mine.method, mine.path, mine.query) == (theirs.method, theirs.path, theirs.query)
    assert mine.headers["metadata-flavor"] == theirs.headers["metadata-flavor"] == "Google"
    assert ours == oracle.token
    assert read_unverified(ours).unverified_exp == oracle.expiry.replace(tzinfo=__import__("datetime").UTC).timestamp()


@pytest.mark.parametrize("aud", [pod.GOOGLE_AUDIENCE, "with space/and&more=ü"])
def test_parity_of_audiences(metadata: MetadataServer, oracle: Any, aud: str) -> None:
    """Both clients mean the same audience, whatever it holds."""
    oracle.with_target_audience(aud).refresh(google.auth.transport.requests.Request())
    GkeMetadata(host=metadata.host).fetch(audience=aud, timeout=5)
    first, second = metadata.identity_requests()
    assert first.query["audience"] == second.query["audience"] == aud
