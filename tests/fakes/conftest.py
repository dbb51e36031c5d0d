"""What the tests of the fakes share: the fakes as fixtures, a role that trusts the service account, raw HTTP."""

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

import boto3
import botocore.exceptions
import jwt
import pytest

from demo.fakes.fixtures import aws, cluster_signer, google_signer, metadata, signing_key, sts
from demo.fakes.google import GoogleSigner
from demo.fakes.sts import Role, StsServer

__all__ = ["aws", "cluster_signer", "google_signer", "metadata", "signing_key", "sts"]

AUDIENCE = "token-injector/sts/assume-role-with-web-identity"
ROLE_ARN = "arn:aws:iam::123456789012:role/reader"

Answered = tuple[int, dict[str, str], bytes]
Get = Callable[..., Answered]
SessionOf = Callable[..., Any]
Ask = Callable[..., tuple[int, str, ET.Element]]

NS = "{https://sts.amazonaws.com/doc/2011-06-15/}"


@pytest.fixture
def audience() -> str:
    """The audience that the role demands."""
    return AUDIENCE


@pytest.fixture
def role_arn(sts: StsServer, google_signer: GoogleSigner) -> str:
    """A role that trusts the signer's service account with that audience."""
    sts.roles[ROLE_ARN] = Role(trust_policy=google_trust(google_signer.unique_id))
    return ROLE_ARN


@pytest.fixture
def get() -> Get:
    """One GET (or another method) without a library's opinions; header names come back in lower case."""

    def ask(host: str, path: str, headers: dict[str, str] | None = None, method: str = "GET") -> Answered:
        connection = http.client.HTTPConnection(host, timeout=10)
        try:
            connection.request(method, path, headers={"Metadata-Flavor": "Google"} if headers is None else headers)
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    return ask


@pytest.fixture
def ask(sts: StsServer, role_arn: str, google_signer: GoogleSigner, audience: str) -> Ask:
    """Send a good request changed by `change` (None removes); give status, error code or "ok", and the XML."""

    def asked(*, method: str = "POST", **change: str | None) -> tuple[int, str, ET.Element]:
        form = {
            "Action": "AssumeRoleWithWebIdentity",
            "Version": "2011-06-15",
            "RoleArn": role_arn,
            "RoleSessionName": "ns.app",
            "WebIdentityToken": google_signer.id_token(audience),
            **change,
        }
        query = urlencode({name: value for name, value in form.items() if value is not None})
        url = f"{sts.url}/?{query}" if method == "GET" else f"{sts.url}/"
        request = urllib.request.Request(url, data=query.encode() if method == "POST" else None)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, "ok", ET.fromstring(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                xml = ET.fromstring(error.read())
            return error.code, xml.findtext(f"{NS}Error/{NS}Code", ""), xml

    return asked


def message(xml: ET.Element) -> str:
    """Read the error's text."""
    return xml.findtext(f"{NS}Error/{NS}Message", "")


def claims_of(token: bytes | str) -> dict[str, object]:
    """Read the claims of a token without a check."""
    return dict(jwt.decode(token, options={"verify_signature": False}))


@pytest.fixture
def session_of(sts: StsServer, role_arn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SessionOf:
    """Make a boto3 session from the environment that the webhook gives a container; `token` goes into the file."""
    for name, value in sts.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", role_arn)
    monkeypatch.setenv("AWS_ROLE_SESSION_NAME", "ns.app")
    # One retry at most: the tests are about errors, not about patience.
    monkeypatch.setenv("AWS_RETRY_MODE", "standard")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")

    def make(token: str) -> Any:
        (tmp_path / "token").write_text(token)
        return boto3.Session()

    return make


def refused(session: Any) -> tuple[str, str]:
    """Give the error code and the message that the application sees."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        session.client("sts").get_caller_identity()
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def google_trust(unique_id: str) -> dict[str, Any]:
    """Give the recommended trust policy for one Google service account."""
    condition = {"accounts.google.com:sub": unique_id, "accounts.google.com:oaud": AUDIENCE}
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Federated": "accounts.google.com"},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": {"StringEquals": condition},
            }
        ],
    }
