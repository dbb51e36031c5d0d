"""Two evaluators written apart agree on policies that nobody wrote by hand."""

import importlib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from policy.trust import Allowed, Undecided, evaluate

G = "accounts.google.com"
ID = "112233445566778899001"
CLAIMS = {"iss": f"https://{G}", "aud": "an-audience", "azp": ID, "sub": ID}

_OPERATORS = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", "", "ForAnyValue:", "ForAllValues:"]),
        st.sampled_from(["StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIgnoreCase"]),
        st.sampled_from(["", "IfExists"]),
    ),
)
_KEYS = st.sampled_from([f"{G}:sub", f"{G}:AUD", f"{G}:oaud", f"{G}:azp", "sts:RoleSessionName", "sts:ExternalId"])
_VALUES = st.sampled_from([ID, "an-audience", "AN-AUDIENCE", "an-*", "*", "shop.?eader", "${accounts.google.com:sub}"])
_CONDITIONS = st.dictionaries(
    _OPERATORS, st.dictionaries(_KEYS, st.lists(_VALUES, min_size=1, max_size=2), min_size=1, max_size=2), max_size=2
)
_STATEMENTS = st.fixed_dictionaries(
    {
        "Effect": st.sampled_from(["Allow", "Allow", "Allow", "Deny"]),
        "Principal": st.sampled_from([{"Federated": G}, {"Federated": G}, "*", {"Federated": "graph.facebook.com"}]),
        "Action": st.sampled_from(["sts:AssumeRoleWithWebIdentity", "sts:*", "sts:AssumeRole"]),
        "Condition": _CONDITIONS,
    }
)


@given(st.lists(_STATEMENTS, min_size=1, max_size=3), st.sampled_from(["2012-10-17", "2008-10-17"]))
def test_both_evaluators_agree(statements: list[dict[str, Any]], version: str) -> None:
    """For any conditions, effects, principals and actions: the doctor and the strict STS say the same."""
    policy = {"Version": version, "Statement": statements}
    allows = importlib.import_module("demo.fakes.trust").allows

    ours = evaluate(policy, issuer=CLAIMS["iss"], unverified_claims=CLAIMS, session_name="shop.reader")
    theirs = allows(policy, issuer=CLAIMS["iss"], claims=CLAIMS, session_name="shop.reader")

    assert not isinstance(ours, Undecided)
    assert isinstance(ours, Allowed) is theirs
