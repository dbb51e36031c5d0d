"""What the tests of policies have in common: one Google token, one cluster token, and policies about them."""

from typing import Any

import pytest

from policy.trust import cluster_trust_policy, google_trust_policy

SUBJECT = "112233445566778899001"
CLUSTER = "container.googleapis.com/v1/projects/p/locations/l/clusters/c"


@pytest.fixture
def google_claims() -> dict[str, Any]:
    """The claims of a token as GKE's metadata server mints it."""
    return {
        "iss": "https://accounts.google.com",
        "aud": "token-injector/sts/assume-role-with-web-identity",
        "azp": SUBJECT,
        "sub": SUBJECT,
    }


@pytest.fixture
def cluster_claims() -> dict[str, Any]:
    """The claims of a projected service account token."""
    return {"iss": f"https://{CLUSTER}", "aud": ["sts.amazonaws.com"], "sub": "system:serviceaccount:shop:reader"}


@pytest.fixture
def google_policy() -> dict[str, Any]:
    """The policy that lets the Google token in."""
    return google_trust_policy(service_account_id=SUBJECT)


@pytest.fixture
def cluster_policy() -> dict[str, Any]:
    """The policy that lets the cluster's token in."""
    return cluster_trust_policy(
        issuer=f"https://{CLUSTER}", account_id="123456789012", namespace="shop", service_account="reader"
    )
