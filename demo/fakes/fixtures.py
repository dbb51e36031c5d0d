"""pytest fixtures around the fakes; a conftest.py imports those that its tests use.

One key and one moto a test session (both are slow to make); everything else is new for each test.
"""

from collections.abc import Iterator

import pytest

from demo.fakes.google import ClusterSigner, GoogleSigner, SigningKey, new_key
from demo.fakes.metadata import MetadataServer
from demo.fakes.sts import StsServer

__all__ = ["aws", "cluster_signer", "google_signer", "metadata", "signing_key", "sts"]


@pytest.fixture(scope="session")
def signing_key() -> SigningKey:
    """An RSA key; both issuers start with it."""
    return new_key()


@pytest.fixture
def google_signer(signing_key: SigningKey) -> GoogleSigner:
    """Google's issuer, as `metadata` signs and `sts` trusts."""
    return GoogleSigner(key=signing_key)


@pytest.fixture
def cluster_signer(signing_key: SigningKey) -> ClusterSigner:
    """A GKE cluster's issuer; a test registers it with `sts.providers`."""
    return ClusterSigner(key=signing_key)


@pytest.fixture
def metadata(google_signer: GoogleSigner) -> Iterator[MetadataServer]:
    """A metadata server that serves."""
    with MetadataServer(signer=google_signer) as server:
        yield server


@pytest.fixture(scope="session")
def aws(signing_key: SigningKey) -> Iterator[StsServer]:
    """The STS and moto of the test session; tests take `sts`, which is the same one, empty."""
    with StsServer(google_jwks=GoogleSigner(key=signing_key).jwks) as server:
        yield server


@pytest.fixture
def sts(aws: StsServer, google_signer: GoogleSigner) -> StsServer:
    """An AWS account with no role and no bucket, which trusts `google_signer`."""
    aws.reset()
    aws.google_jwks = google_signer.jwks
    return aws
