"""The fake's trust evaluator follows the rules of the IAM User Guide's condition pages.

The product's evaluator has a table of its own; both must agree on it. Here is what the fake itself was written from.
"""

import copy
from typing import Any

import pytest

from demo.fakes import trust

NUMBER = "112233445566778899001"
EMAIL = "reader@fake-project.iam.gserviceaccount.com"
AUDIENCE = "token-injector/sts/assume-role-with-web-identity"
CLAIMS: dict[str, Any] = {"iss": "https://accounts.google.com", "azp": NUMBER, "aud": AUDIENCE, "sub": NUMBER}
AUD, OAUD, SUB = "accounts.google.com:aud", "accounts.google.com:oaud", "accounts.google.com:sub"
CLUSTER = "container.googleapis.com/v1/projects/p/locations/l/clusters/c"
CLUSTER_ARN = f"arn:aws:iam::123456789012:oidc-provider/{CLUSTER}"
CLUSTER_CLAIMS: dict[str, Any] = {
    "iss": f"https://{CLUSTER}",
    "aud": ["sts.amazonaws.com", "vault"],
    "sub": "system:serviceaccount:ns:app",
}


def statement(condition: dict[str, Any] | None = None, **other: Any) -> dict[str, Any]:
    """Give an Allow for Google with this condition; None as a value removes an element."""
    made = {
        "Effect": "Allow",
        "Principal": {"Federated": "accounts.google.com"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": condition or {},
    }
    return {name: value for name, value in {**made, **other}.items() if value is not None}


def policy(*statements: dict[str, Any], version: str = "2012-10-17") -> dict[str, Any]:
    """Put statements into a policy."""
    return {"Version": version, "Statement": list(statements)}


def allowed(
    condition: dict[str, Any], *, claims: dict[str, Any] | None = None, session_name: str | None = "ns.app"
) -> bool:
    """Evaluate one condition for Google."""
    return trust.allows(
        policy(statement(condition)),
        issuer="https://accounts.google.com",
        claims=CLAIMS if claims is None else claims,
        session_name=session_name,
    )


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({}, True),
        ({"StringEquals": {AUD: NUMBER}}, True),
        ({"StringEquals": {AUD: AUDIENCE}}, False),
        ({"StringEquals": {OAUD: AUDIENCE}}, True),
        ({"StringEquals": {OAUD: NUMBER}}, False),
        ({"StringEquals": {SUB: NUMBER, OAUD: AUDIENCE}}, True),
        ({"StringEquals": {SUB: NUMBER, OAUD: "other"}}, False),
        ({"StringEquals": {SUB: ["1", NUMBER]}}, True),
        ({"StringEquals": {"ACCOUNTS.google.com:SUB": NUMBER}}, True),
        ({"StringEquals": {"https://accounts.google.com:sub": NUMBER}}, False),
        ({"StringEquals": {OAUD: AUDIENCE.upper()}}, False),
        ({"StringEqualsIgnoreCase": {OAUD: AUDIENCE.upper()}}, True),
        ({"StringNotEqualsIgnoreCase": {OAUD: AUDIENCE.upper()}}, False),
        ({"StringNotEquals": {SUB: "1"}}, True),
        ({"StringNotEquals": {SUB: ["1", NUMBER]}}, False),
        ({"StringNotEquals": {"accounts.google.com:nothing": "1"}}, True),
        ({"StringLike": {OAUD: "token-injector/*"}}, True),
        ({"StringLike": {OAUD: "token-injector/?ts/*"}}, True),
        ({"StringLike": {OAUD: "token-injector/?"}}, False),
        ({"StringLike": {OAUD: "[t]oken-injector/*"}}, False),
        ({"StringEquals": {OAUD: "token-injector/*"}}, False),
        ({"StringNotLike": {OAUD: "gtoken/*"}}, True),
        ({"StringNotLike": {OAUD: "token-injector/*"}}, False),
        ({"StringLike": {"sts:RoleSessionName": "ns.*"}}, True),
        ({"StringLike": {"sts:RoleSessionName": "other.*"}}, False),
        ({"StringEqualsIfExists": {"accounts.google.com:nothing": "1"}}, True),
        ({"StringEqualsIfExists": {SUB: "1"}}, False),
        ({"ForAllValues:StringEquals": {"accounts.google.com:nothing": "1"}}, True),
        ({"ForAllValues:StringEquals": {SUB: NUMBER}}, True),
        ({"ForAnyValue:StringEquals": {"accounts.google.com:nothing": "1"}}, False),
        ({"ForAnyValue:StringNotEquals": {"accounts.google.com:nothing": "1"}}, False),
        ({"ForAnyValue:StringEqualsIfExists": {"accounts.google.com:nothing": "1"}}, True),
        ({"Null": {SUB: "false"}}, True),
        ({"Null": {SUB: True}}, False),
        ({"Null": {"accounts.google.com:nothing": "true"}}, True),
        ({"Bool": {SUB: "true"}}, False),
        ({"NumericEquals": {SUB: NUMBER}}, True),
        ({"NumericLessThan": {SUB: "5"}}, False),
        ({"NumericGreaterThanEquals": {SUB: 5}}, True),
        ({"NumericEquals": {OAUD: "5"}}, False),
        ({"NumericNotEquals": {"accounts.google.com:nothing": "5"}}, True),
        ({"StringEquals": {SUB: "${accounts.google.com:aud}"}}, True),
        ({"StringEquals": {SUB: "${accounts.google.com:nothing}"}}, False),
        ({"StringLike": {"sts:RoleSessionName": "${accounts.google.com:nothing, 'ns'}.*"}}, True),
        ({"StringLike": {OAUD: "${*}"}}, False),
        ({"StringEquals": {SUB: NUMBER}, "StringLike": {"sts:RoleSessionName": "other.*"}}, False),
    ],
)
def test_conditions(condition: dict[str, Any], *, expected: bool) -> None:
    """Each operator gives AWS's result for a token of Google; all conditions must hold, any value suffices."""
    assert allowed(condition) is expected


def test_aud_is_azp_where_there_is_one() -> None:
    """The key aud compares azp; without azp it compares aud."""
    without_azp = {name: value for name, value in CLAIMS.items() if name != "azp"}
    assert allowed({"StringEquals": {AUD: AUDIENCE}}, claims=without_azp)
    with_email = {**CLAIMS, "azp": EMAIL}
    assert allowed({"StringEquals": {AUD: EMAIL}}, claims=with_email)
    assert not allowed({"StringEquals": {AUD: NUMBER}}, claims=with_email)
    assert allowed({"StringEquals": {SUB: NUMBER}}, claims=with_email)


def test_organization_number() -> None:
    """The opt-in claim google.organization_number is a key of its own; without the claim the key is missing."""
    condition = {"StringEquals": {"accounts.google.com:google/organization_number": "42"}}
    assert allowed(condition, claims={**CLAIMS, "google": {"organization_number": 42}})
    assert not allowed(condition)


def test_email() -> None:
    """The claim email is a key of every provider; a token with format=standard has none."""
    condition = {"StringEquals": {"accounts.google.com:email": EMAIL}}
    assert allowed(condition, claims={**CLAIMS, "email": EMAIL})
    assert not allowed(condition)


def test_no_session_name() -> None:
    """Without a session name its key is missing."""
    condition = {"StringLike": {"sts:RoleSessionName": "*"}}
    assert allowed(condition)
    assert not allowed(condition, session_name=None)


def test_variables_need_the_newer_version() -> None:
    """Policy version 2008-10-17 takes a variable literally."""
    made = policy(statement({"StringEquals": {SUB: "${accounts.google.com:aud}"}}), version="2008-10-17")
    assert not trust.allows(made, issuer="https://accounts.google.com", claims=CLAIMS, session_name=None)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"Principal": {"Federated": ["cognito-identity.amazonaws.com", "accounts.google.com"]}}, True),
        ({"Principal": {"Federated": "www.facebook.com"}}, False),
        ({"Principal": {"Federated": "arn:aws:iam::123456789012:oidc-provider/accounts.google.com"}}, False),
        ({"Principal": {"Federated": "*"}}, False),
        ({"Principal": {"AWS": "arn:aws:iam::123456789012:root"}}, False),
        ({"Principal": {"Service": "ec2.amazonaws.com"}}, False),
        ({"Principal": "*"}, True),
        ({"Principal": None, "NotPrincipal": {"Federated": "accounts.google.com"}}, False),
        ({"Action": ["sts:TagSession", "sts:AssumeRoleWithWebIdentity"]}, True),
        ({"Action": "sts:AssumeRoleWith*"}, True),
        ({"Action": "STS:assumerolewithwebidentity"}, True),
        ({"Action": "*"}, True),
        ({"Action": "sts:AssumeRole"}, False),
        ({"Action": None, "NotAction": "sts:AssumeRole"}, True),
        ({"Effect": "Deny"}, False),
    ],
)
def test_principal_action_and_effect(change: dict[str, Any], *, expected: bool) -> None:
    """A statement counts only for its principal and its action."""
    made = policy(statement({}, **change))
    assert trust.allows(made, issuer="https://accounts.google.com", claims=CLAIMS, session_name="ab") is expected


def test_deny_wins_wherever_it_stands() -> None:
    """An explicit Deny beats every Allow; one whose condition fails does nothing."""
    allow = statement()
    deny = statement({"StringNotEquals": {OAUD: AUDIENCE}}, Effect="Deny")
    for statements in ([allow, deny], [deny, allow]):
        made = policy(*statements)
        assert trust.allows(made, issuer="accounts.google.com", claims=CLAIMS, session_name="ab")
        foreign = {**CLAIMS, "aud": "other"}
        assert not trust.allows(made, issuer="accounts.google.com", claims=foreign, session_name="ab")


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"StringEquals": {f"{CLUSTER}:sub": "system:serviceaccount:ns:app"}}, True),
        ({"StringEquals": {f"{CLUSTER}:aud": "sts.amazonaws.com"}}, True),
        ({"StringEquals": {f"{CLUSTER}:oaud": "sts.amazonaws.com"}}, True),
        ({"StringLike": {f"{CLUSTER}:sub": "system:serviceaccount:ns:*"}}, True),
        ({"ForAnyValue:StringEquals": {f"{CLUSTER}:aud": "vault"}}, True),
        ({"ForAllValues:StringEquals": {f"{CLUSTER}:aud": "vault"}}, False),
        ({"ForAllValues:StringEquals": {f"{CLUSTER}:aud": ["vault", "sts.amazonaws.com"]}}, True),
        ({"ForAllValues:StringNotEquals": {f"{CLUSTER}:aud": "vault"}}, False),
        ({"ForAnyValue:StringNotEquals": {f"{CLUSTER}:aud": "vault"}}, True),
        ({"StringEquals": {SUB: "system:serviceaccount:ns:app"}}, False),
    ],
)
def test_cluster_issuer(condition: dict[str, Any], *, expected: bool) -> None:
    """For an issuer of our own the keys begin with its URL, and aud may have several values."""
    made = policy(statement(condition, Principal={"Federated": CLUSTER_ARN}))
    assert trust.allows(made, issuer=f"https://{CLUSTER}", claims=CLUSTER_CLAIMS, session_name="ab") is expected


def test_provider_of_another_account() -> None:
    """With the provider's ARN given, a policy that names another account's provider does not match."""
    made = policy(statement(Principal={"Federated": CLUSTER_ARN}))
    for arn, expected in ((CLUSTER_ARN, True), (CLUSTER_ARN.replace("123456789012", "210987654321"), False)):
        answer = trust.allows(
            made, issuer=f"https://{CLUSTER}", claims=CLUSTER_CLAIMS, session_name="ab", provider_arn=arn
        )
        assert answer is expected


@pytest.mark.parametrize(
    "malformed",
    [
        {},
        {"Statement": []},
        {"Statement": ["Allow"]},
        policy(statement(), version="2011-06-15"),
        policy(statement(Effect="allow")),
        policy(statement(Principal=None)),
        policy(statement(Action=None)),
        policy(statement(NotAction="sts:AssumeRole")),
        policy(statement(Resource="*")),
        policy(statement({"StringEqual": {SUB: "1"}})),
        policy(statement({"ForSomeValues:StringEquals": {SUB: "1"}})),
        policy(statement({"NullIfExists": {SUB: "true"}})),
        policy(statement({"StringEquals": [SUB]})),
    ],
)
def test_malformed_policies(malformed: dict[str, Any]) -> None:
    """What IAM would not store raises, and never silently denies or allows."""
    with pytest.raises(trust.PolicyError):
        trust.allows(malformed, issuer="accounts.google.com", claims=CLAIMS, session_name="ab")


def test_nothing_is_changed() -> None:
    """Policy and claims stay as they were."""
    made = policy(statement({"StringEquals": {SUB: NUMBER}}))
    before = copy.deepcopy((made, CLAIMS))
    trust.allows(made, issuer="accounts.google.com", claims=CLAIMS, session_name="ab")
    assert (made, CLAIMS) == before
