"""What is dangerous in a trust policy although it lets the right token in."""

from typing import Any

import pytest

from policy.trust import risks

G = "accounts.google.com"
C = "container.googleapis.com/v1/projects/p/locations/l/clusters/c"
ID = "112233445566778899001"
GOOGLE_PRINCIPAL: dict[str, Any] = {"Federated": G}
CLUSTER_PRINCIPAL: dict[str, Any] = {"Federated": f"arn:aws:iam::123456789012:oidc-provider/{C}"}


def policy(principal: Any, condition: dict[str, Any], effect: str = "Allow") -> dict[str, Any]:
    """A policy of one statement."""
    one = {"Effect": effect, "Principal": principal, "Action": "sts:AssumeRoleWithWebIdentity", "Condition": condition}
    return {"Version": "2012-10-17", "Statement": one}


@pytest.mark.parametrize(
    ("principal", "condition", "severity", "says"),
    [
        (GOOGLE_PRINCIPAL, {"StringEquals": {f"{G}:oaud": "a"}}, "danger", "an audience identifies nobody"),
        (GOOGLE_PRINCIPAL, {"StringEquals": {f"{G}:aud": "a"}}, "danger", "an audience identifies nobody"),
        (GOOGLE_PRINCIPAL, {}, "danger", "any Google account"),
        (GOOGLE_PRINCIPAL, {"StringNotEquals": {f"{G}:sub": ID}}, "danger", "nobody is named"),
        (GOOGLE_PRINCIPAL, {"StringLike": {f"{G}:sub": "*"}}, "danger", "nobody is named"),
        (GOOGLE_PRINCIPAL, {"StringLike": {f"{G}:sub": "1*"}}, "danger", "nobody is named"),
        (GOOGLE_PRINCIPAL, {"StringLike": {f"{G}:sub": [ID, "?" * 21]}}, "danger", "nobody is named"),
        (GOOGLE_PRINCIPAL, {"NumericGreaterThan": {f"{G}:sub": "0"}}, "danger", "nobody is named"),
        (GOOGLE_PRINCIPAL, {"StringLike": {f"{G}:sub": ID}}, "advice", f"no {G}:oaud"),
        (GOOGLE_PRINCIPAL, {"StringEqualsIfExists": {f"{G}:sub": ID}}, "danger", "nobody is named"),
        (GOOGLE_PRINCIPAL, {"ForAllValues:StringEquals": {f"{G}:sub": ID}}, "danger", "nobody is named"),
        (GOOGLE_PRINCIPAL, {"StringEquals": {f"{G}:aud": ID}}, "advice", "alone is the token's azp"),
        (GOOGLE_PRINCIPAL, {"StringEquals": {f"{G}:email": "a@b"}}, "advice", "created again"),
        (GOOGLE_PRINCIPAL, {"StringEquals": {f"{G}:sub": ID}}, "advice", f"no {G}:oaud"),
        (CLUSTER_PRINCIPAL, {"StringEquals": {f"{C}:aud": "sts.amazonaws.com"}}, "danger", "every service account"),
        (CLUSTER_PRINCIPAL, {"StringLike": {f"{C}:sub": "system:serviceaccount:*:a"}}, "advice", "wildcard"),
        (CLUSTER_PRINCIPAL, {"StringLike": {f"{C}:sub": "system:serviceaccount:shop:*"}}, "advice", "wildcard"),
        (CLUSTER_PRINCIPAL, {"StringEquals": {f"{C}:sub": "system:serviceaccount:a:b"}}, "advice", f"no {C}:aud"),
        ("*", {"StringEquals": {f"{G}:sub": ID}}, "danger", "everybody"),
        ({"Federated": f"arn:aws:iam::123456789012:oidc-provider/{G}"}, {}, "danger", "InvalidIdentityToken"),
    ],
)
def test_a_risk_is_found(principal: Any, condition: dict[str, Any], severity: str, says: str) -> None:
    """Each row is a policy that people write; the risk names the statement and the remedy."""
    found = risks(policy(principal, condition))

    assert [(risk.place, risk.severity) for risk in found if says in risk.text] == [("Statement[0]", severity)]


def test_a_deny_and_other_principals_are_no_risk() -> None:
    """Only Allow statements about web identities are looked at."""
    assert risks(policy(GOOGLE_PRINCIPAL, {}, effect="Deny")) == ()
    assert risks(policy({"Service": "ec2.amazonaws.com"}, {})) == ()
