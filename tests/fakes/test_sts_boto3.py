"""Real boto3 with a token file: through the STS to moto, and what it reports when AWS says no."""

import boto3
import pytest

from demo.fakes.google import ClusterSigner, GoogleSigner
from demo.fakes.sts import ROOT_ACCESS_KEY_ID, ROOT_SECRET_ACCESS_KEY, Call, Provider, Role, StsServer
from tests.fakes.conftest import SessionOf, refused


def test_caller_identity_is_the_assumed_role(
    session_of: SessionOf, sts: StsServer, google_signer: GoogleSigner, audience: str, role_arn: str
) -> None:
    """GetCallerIdentity with the new credentials answers the assumed role with the session name."""
    session = session_of(google_signer.id_token(audience))
    identity = session.client("sts").get_caller_identity()
    assert identity["Arn"] == "arn:aws:sts::123456789012:assumed-role/reader/ns.app"
    assert identity["Account"] == "123456789012"
    who = {"role_arn": role_arn, "session_name": "ns.app", "subject": google_signer.unique_id}
    assert sts.calls == [
        Call(action="AssumeRoleWithWebIdentity", outcome="ok", **who),
        Call(action="GetCallerIdentity", outcome="ok", **who),
    ]


def test_s3_put_and_get(session_of: SessionOf, google_signer: GoogleSigner, audience: str) -> None:
    """The rest of AWS accepts the credentials: an object goes in and comes out."""
    s3 = session_of(google_signer.id_token(audience)).client("s3")
    s3.create_bucket(Bucket="demo-bucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    body = bytes(range(256)) * 1000
    s3.put_object(Bucket="demo-bucket", Key="a/b", Body=body)
    assert s3.get_object(Bucket="demo-bucket", Key="a/b")["Body"].read() == body


def test_reset_empties_aws(session_of: SessionOf, sts: StsServer, google_signer: GoogleSigner, audience: str) -> None:
    """`reset` takes buckets and sessions away, so that tests do not meet."""
    session = session_of(google_signer.id_token(audience))
    root = boto3.client("s3", aws_access_key_id=ROOT_ACCESS_KEY_ID, aws_secret_access_key=ROOT_SECRET_ACCESS_KEY)
    root.create_bucket(Bucket="demo-bucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    assert [bucket["Name"] for bucket in session.client("s3").list_buckets()["Buckets"]] == ["demo-bucket"]
    sts.reset()
    assert root.list_buckets()["Buckets"] == []
    assert refused(session) == ("InvalidClientTokenId", "The security token included in the request is invalid.")


def test_cluster_mode(
    session_of: SessionOf,
    sts: StsServer,
    cluster_signer: ClusterSigner,
    role_arn: str,
) -> None:
    """A projected token of the cluster's own issuer works with a registered OIDC provider, and without one does not."""
    session = session_of(cluster_signer.token("ns", "app"))
    issuer = cluster_signer.url
    assert refused(session) == ("InvalidIdentityToken", f"No OpenIDConnect provider found in your account for {issuer}")
    name = issuer.removeprefix("https://")
    sts.providers[issuer] = Provider(jwks=cluster_signer.jwks)
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": f"arn:aws:iam::123456789012:oidc-provider/{name}"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {
            "StringEquals": {f"{name}:sub": "system:serviceaccount:ns:app", f"{name}:aud": "sts.amazonaws.com"}
        },
    }
    sts.roles[role_arn] = Role(trust_policy={"Version": "2012-10-17", "Statement": [statement]})
    assert session.client("sts").get_caller_identity()["Arn"].endswith("assumed-role/reader/ns.app")
    assert refused(session_of(cluster_signer.token("ns", "app", audiences=["other"]))) == (
        "InvalidIdentityToken",
        "Incorrect token audience",
    )
    assert refused(session_of(cluster_signer.token("ns", "other")))[0] == "AccessDenied"


@pytest.mark.parametrize("claim", [{"aud": "other"}, {"sub": "999"}])
def test_trust_policy_refuses(
    session_of: SessionOf, google_signer: GoogleSigner, audience: str, claim: dict[str, str]
) -> None:
    """A genuine token with another audience or another subject is AccessDenied."""
    token = google_signer.sign({**google_signer.claims(audience), **claim})
    assert refused(session_of(token)) == (
        "AccessDenied",
        "Not authorized to perform sts:AssumeRoleWithWebIdentity",
    )


def test_expired_token(session_of: SessionOf, google_signer: GoogleSigner, audience: str) -> None:
    """An expired token is ExpiredTokenException with both times in the text."""
    code, message = refused(session_of(google_signer.id_token(audience, lifetime=-5)))
    assert code == "ExpiredTokenException"
    assert message.startswith("Token expired: current date/time 1")
    assert "must be before the expiration date/time 1" in message


def test_trailing_newline(session_of: SessionOf, google_signer: GoogleSigner, audience: str) -> None:
    """A newline after the token reaches STS, which refuses it."""
    assert refused(session_of(google_signer.id_token(audience) + "\n"))[0] == "InvalidIdentityToken"


def test_unreachable_issuer_is_retried(
    session_of: SessionOf, sts: StsServer, google_signer: GoogleSigner, audience: str
) -> None:
    """boto3 retries IDPCommunicationError, and only reports it when it stays."""
    session = session_of(google_signer.id_token(audience))
    sts.jwks_reachable = False
    assert refused(session)[0] == "IDPCommunicationError"
    assert [call.outcome for call in sts.calls] == ["IDPCommunicationError"] * len(sts.calls)
    assert len(sts.calls) > 1
    sts.jwks_reachable = True
    assert session.client("sts").get_caller_identity()["Account"] == "123456789012"
