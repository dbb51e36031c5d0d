"""google-auth is satisfied with the metadata server: the fake is not only what we believe of the real one."""

import importlib
import time
from typing import Any
from urllib.parse import urlencode

import pytest

from demo.fakes.metadata import MetadataServer
from tests.fakes.conftest import claims_of

# google-auth's functions carry no types.
google_exceptions: Any = importlib.import_module("google.auth.exceptions")
google_metadata: Any = importlib.import_module("google.auth.compute_engine._metadata")
google_compute: Any = importlib.import_module("google.auth.compute_engine")
google_id_token: Any = importlib.import_module("google.oauth2.id_token")
google_requests: Any = importlib.import_module("google.auth.transport.requests")


def test_google_auth_fetches_an_id_token(metadata: MetadataServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """google-auth's own metadata credentials work against the fake and read the expiry from the token."""
    monkeypatch.setattr(google_metadata, "_GCE_METADATA_HOST", metadata.host)
    credentials = google_compute.IDTokenCredentials(None, target_audience="a/b", use_metadata_identity_endpoint=True)
    credentials.refresh(google_requests.Request())
    assert claims_of(credentials.token)["aud"] == "a/b"
    assert credentials.expiry.timestamp() > time.time() - 86400
    (asked,) = metadata.identity_requests()
    assert asked.query == {"audience": "a/b", "format": "full"}


def test_google_auth_detects_the_server(metadata: MetadataServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """`fetch_id_token` pings, finds Google, and fetches; nothing outside loopback is asked."""
    monkeypatch.setattr(google_metadata, "_GCE_METADATA_HOST", metadata.host)
    monkeypatch.setenv("GCE_METADATA_IP", metadata.host)
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    token = google_id_token.fetch_id_token(google_requests.Request(), "a/b")
    assert claims_of(token)["aud"] == "a/b"
    assert metadata.requests[0].path in {"", "/"}


def test_google_auth_reports_the_unbound_account(metadata: MetadataServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """google-auth passes GKE's 404 on."""
    metadata.bound = False
    monkeypatch.setattr(google_metadata, "_GCE_METADATA_HOST", metadata.host)
    path = f"instance/service-accounts/default/identity?{urlencode({'audience': 'a'})}"
    with pytest.raises(google_exceptions.TransportError, match=r"iam\.gke\.io/gcp-service-account"):
        google_metadata.get(google_requests.Request(), path)
