"""Credentials at the gate: only issued, living ones pass, and each service refuses in its own words."""

import time

import boto3
import botocore.exceptions
import pytest

from demo.fakes.google import GoogleSigner
from demo.fakes.sts import StsServer
from tests.fakes.conftest import SessionOf


@pytest.mark.parametrize(
    ("service", "operation", "code"),
    [
        ("sts", "get_caller_identity", "InvalidClientTokenId"),
        ("s3", "list_buckets", "InvalidAccessKeyId"),
        ("dynamodb", "list_tables", "UnrecognizedClientException"),
        ("secretsmanager", "list_secrets", "UnrecognizedClientException"),
    ],
)
def test_keys_that_nobody_issued(session_of: SessionOf, service: str, operation: str, code: str) -> None:
    """What moto alone accepts, any key at all; behind the gate each service refuses in its own words."""
    session_of("unused")
    client = boto3.client(service, aws_access_key_id="AKIANOBODY", aws_secret_access_key="x")
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        getattr(client, operation)()
    assert caught.value.response["Error"]["Code"] == code


def test_session_token_belongs_to_its_key(
    session_of: SessionOf, sts: StsServer, google_signer: GoogleSigner, audience: str
) -> None:
    """An issued key without its session token is refused."""
    session_of(google_signer.id_token(audience)).client("sts").get_caller_identity()
    (key,) = sts.sessions
    client = boto3.client("sts", aws_access_key_id=key, aws_secret_access_key="x")
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        client.get_caller_identity()
    assert caught.value.response["Error"]["Code"] == "InvalidClientTokenId"


def test_scaled_sessions_expire_and_boto3_renews_them(
    session_of: SessionOf, sts: StsServer, google_signer: GoogleSigner, audience: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a scale an hour's session lasts minutes: the old keys end, and boto3 gets new ones with the same file."""
    sts.session_scale = 1 / 12  # 300 s, less than the 600 s before the end at which boto3 must renew
    session = session_of(google_signer.id_token(audience))
    client = session.client("sts")
    client.get_caller_identity()
    old = session.get_credentials().get_frozen_credentials()
    assert abs(sts.sessions[old.access_key].expires_at - time.time() - 300) < 60
    keys = {"aws_access_key_id": old.access_key, "aws_secret_access_key": old.secret_key}
    stale = boto3.client("sts", aws_session_token=old.token, **keys)
    stale.get_caller_identity()
    monkeypatch.setattr(sts, "clock", lambda: time.time() + 301)
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        stale.get_caller_identity()
    assert caught.value.response["Error"]["Code"] == "ExpiredToken"
    assert client.get_caller_identity()["Account"] == "123456789012"
