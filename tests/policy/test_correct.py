"""The corrected policy lets this token in and changes nothing else."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.trust import (
    Allowed,
    PolicyError,
    Refused,
    TrustInputError,
    corrected_policy,
    evaluate,
    google_trust_policy,
)

G = "accounts.google.com"
ID = "112233445566778899001"
OTHER = "998877665544332211000"
AUDIENCE = "token-injector/sts/assume-role-with-web-identity"
CLAIMS = {"iss": f"https://{G}", "aud": AUDIENCE, "azp": ID, "sub": ID}
EC2 = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}


def google(condition: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A statement about Google tokens."""
    one = {"Effect": "Allow", "Principal": {"Federated": G}, "Action": "sts:AssumeRoleWithWebIdentity"}
    return one | {"Condition": condition} | fields


def correct(*statements: dict[str, Any], claims: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """The statements of the corrected policy."""
    policy = {"Version": "2012-10-17", "Statement": list(statements)}
    before = copy.deepcopy(policy)
    claims = claims or CLAIMS
    corrected = corrected_policy(policy, issuer=claims["iss"], unverified_claims=claims, session_name="shop.reader")
    assert policy == before
    found: list[dict[str, Any]] = corrected["Statement"]
    return found


WANTED = google_trust_policy(service_account_id=ID)["Statement"][0]


def test_without_a_policy_a_new_one_is_made() -> None:
    """The recommended policy for the token's subject and audience."""
    corrected = corrected_policy(None, issuer=CLAIMS["iss"], unverified_claims=CLAIMS, session_name="shop.reader")

    assert corrected == google_trust_policy(service_account_id=ID)


def test_a_policy_that_allows_stays() -> None:
    """Nothing to correct."""
    assert correct(WANTED, EC2) == [WANTED, EC2]


def test_the_statement_meant_for_this_token_is_mended_in_place() -> None:
    """The audience in the key aud: the statement is replaced, its Sid and its place stay, as do the others."""
    broken = google({"StringEquals": {f"{G}:aud": AUDIENCE}}, Sid="Pods")

    assert correct(EC2, broken) == [EC2, {"Sid": "Pods", **WANTED}]


def test_conditions_about_other_things_stay() -> None:
    """A restriction by address or session name is not the doctor's to lift."""
    own = {"StringLike": {"sts:RoleSessionName": "shop.*"}, "IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}
    broken = google({"StringEquals": {f"{G}:aud": AUDIENCE}} | own)

    assert correct(broken)[0]["Condition"] == WANTED["Condition"] | own


@pytest.mark.parametrize(
    "condition",
    [
        {"StringEquals": {f"{G}:sub": OTHER, f"{G}:oaud": AUDIENCE}},
        {"StringEquals": {f"{G}:aud": OTHER, f"{G}:oaud": AUDIENCE}},
        {"StringEquals": {f"{G}:sub": [OTHER, ID], f"{G}:oaud": "another"}},
        {"StringEquals": {f"{G}:oaud": "another"}},
    ],
)
def test_a_statement_for_somebody_else_stays(condition: dict[str, Any]) -> None:
    """What lets another account in is kept; the statement for this token is added."""
    assert correct(google(condition)) == [google(condition), WANTED]


def test_a_deny_stays_and_keeps_refusing() -> None:
    """A Deny is somebody's decision: the corrected policy keeps it, and the evaluation of it says so."""
    deny = google({"StringEquals": {f"{G}:sub": ID}}, Effect="Deny")

    statements = correct(deny)

    assert statements == [deny, WANTED]
    policy = {"Version": "2012-10-17", "Statement": statements}
    verdict = evaluate(policy, issuer=CLAIMS["iss"], unverified_claims=CLAIMS, session_name="shop.reader")
    assert isinstance(verdict, Refused)
    assert verdict.denied_by == "Statement[0]"


def test_a_cluster_needs_the_account_unless_the_policy_names_it(cluster_claims: dict[str, Any]) -> None:
    """The provider's ARN has the account's id: from the policy, or given, or asked for."""
    provider = cluster_claims["iss"].removeprefix("https://")
    arn = f"arn:aws-cn:iam::210987654321:oidc-provider/{provider}"
    broken = {
        "Effect": "Allow",
        "Principal": {"Federated": arn},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{provider}:aud": "sts.amazonaws.com", f"{provider}:sub": "reader"}},
    }

    assert correct(broken, claims=cluster_claims)[0]["Principal"] == {"Federated": arn}
    with pytest.raises(TrustInputError, match="account id"):
        correct(EC2, claims=cluster_claims)
    given_account = corrected_policy(
        None,
        issuer=cluster_claims["iss"],
        unverified_claims=cluster_claims,
        session_name="shop.reader",
        account_id="123456789012",
    )
    assert ":123456789012:" in given_account["Statement"][0]["Principal"]["Federated"]


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": f"https://{G}", "aud": AUDIENCE},
        {"iss": f"https://{G}", "sub": ID},
        {"iss": f"https://{G}", "sub": "somebody", "aud": AUDIENCE},
        {"iss": "https://issuer.example.com", "sub": "somebody", "aud": AUDIENCE},
    ],
)
def test_a_token_that_no_policy_can_name_is_refused(claims: dict[str, Any]) -> None:
    """Without a usable subject and audience there is nothing to pin."""
    with pytest.raises(TrustInputError):
        correct(EC2, claims=claims)


def test_a_broken_policy_is_not_corrected() -> None:
    """What IAM would not save is named, not guessed at."""
    with pytest.raises(PolicyError):
        correct(google({"StringEqual": {f"{G}:sub": ID}}))


_VALUES = st.sampled_from([ID, OTHER, AUDIENCE, "another", "reader@p.example", "*"])
_CONDITIONS = st.dictionaries(
    st.sampled_from(["StringEquals", "StringLike", "StringNotEquals", "StringEqualsIfExists"]),
    st.dictionaries(
        st.sampled_from([f"{G}:{name}" for name in ("sub", "aud", "oaud", "email", "azp")]),
        st.lists(_VALUES, min_size=1, max_size=2, unique=True),
        min_size=1,
        max_size=3,
    ),
    max_size=2,
)


@given(st.lists(_CONDITIONS, min_size=1, max_size=3))
def test_without_a_deny_the_corrected_policy_always_allows(conditions: list[dict[str, Any]]) -> None:
    """Whatever conditions on the token stood there; and correcting twice changes nothing more."""
    statements = correct(*map(google, conditions))
    policy = {"Version": "2012-10-17", "Statement": statements}

    verdict = evaluate(policy, issuer=CLAIMS["iss"], unverified_claims=CLAIMS, session_name="shop.reader")

    assert isinstance(verdict, Allowed)
    assert correct(*statements) == statements
