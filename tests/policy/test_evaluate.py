"""Verdicts beside those of the table: what only AWS can tell, what IAM would not save, and what a person is told."""

from typing import Any

import pytest

from policy.trust import Allowed, PolicyError, Refused, Undecided, Verdict, evaluate

G = "accounts.google.com"
ID = "112233445566778899001"


def statement(conditions: dict[str, Any] | None = None, /, **fields: Any) -> dict[str, Any]:
    """An Allow for Google tokens, changed by fields; a field that is ... is left out."""
    found: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"Federated": G},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": conditions if conditions is not None else {"StringEquals": {f"{G}:sub": ID}},
    }
    return {key: value for key, value in (found | fields).items() if value is not ...}


def judge(claims: dict[str, Any], *statements: Any, version: str = "2012-10-17", **context: str) -> Verdict:
    """The verdict on a Google token and the session name shop.reader."""
    policy = {"Version": version, "Statement": list(statements)}
    request = {key.replace("_", ":"): value for key, value in context.items()}
    return evaluate(
        policy, issuer=claims["iss"], unverified_claims=claims, session_name="shop.reader", request_context=request
    )


def test_a_failure_carries_both_values_and_the_reason(google_claims: dict[str, Any]) -> None:
    """The audience in the key aud: the policy's value, the token's, where it comes from, and what to write instead."""
    verdict = judge(google_claims, statement({"StringEquals": {f"{G}:aud": google_claims["aud"]}}, Sid="Pods"))

    assert isinstance(verdict, Refused)
    (failure,) = verdict.failures
    assert (failure.operator, failure.key) == ("StringEquals", "accounts.google.com:aud")
    assert failure.policy_values == (google_claims["aud"],)
    assert (failure.token_value, failure.claim) == (ID, "claim azp")
    assert "the audience is accounts.google.com:oaud" in failure.sentence
    assert failure.sentence.startswith("Statement[0] (Pods): StringEquals accounts.google.com:aud wants ")


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ({"StringEquals": {f"{G}:sub": "reader@p.iam.gserviceaccount.com"}}, "numeric unique id"),
        ({"StringEquals": {f"{G}:sub": f"{ID} "}}, "white space"),
        ({"StringEquals": {f"{G}:sub": "1122*"}}, "StringLike matches them"),
        ({"StringEquals": {f"{G}:azp": ID}}, "only the keys aud, oaud, sub"),
        ({"StringEquals": {"issuer.example.com:sub": ID}}, "another issuer's"),
        ({"NumericEquals": {f"{G}:google/organization_number": "1"}}, "organizationNumberIncluded"),
    ],
)
def test_common_mistakes_get_a_hint(google_claims: dict[str, Any], condition: dict[str, Any], says: str) -> None:
    """The likely mistake is named beside the two values."""
    verdict = judge(google_claims, statement(condition))

    assert isinstance(verdict, Refused)
    assert says in verdict.failures[0].hint


def test_an_email_as_azp_is_explained(google_claims: dict[str, Any]) -> None:
    """A token of google-auth has an e-mail as azp; the hint says so and names the key that works."""
    verdict = judge(google_claims | {"azp": "reader@p.example"}, statement({"StringEquals": {f"{G}:aud": ID}}))

    assert isinstance(verdict, Refused)
    assert "This token's azp is an e-mail" in verdict.failures[0].hint


def test_an_oidc_provider_for_google_is_explained(google_claims: dict[str, Any]) -> None:
    """The reason says that the provider is built in and that the IAM one must go."""
    arn = "arn:aws:iam::123456789012:oidc-provider/accounts.google.com"

    verdict = judge(google_claims, statement(Principal={"Federated": arn}))

    assert isinstance(verdict, Refused)
    assert "delete the IAM OIDC provider" in verdict.reason
    assert arn in verdict.reason


def test_an_explicit_deny_names_its_statement(google_claims: dict[str, Any]) -> None:
    """A Deny is no failed condition: the verdict says which statement it is."""
    verdict = judge(google_claims, statement(), statement({}, Effect="Deny", Sid="Nobody"))

    assert verdict == Refused(
        reason="Statement[1] (Nobody) denies it explicitly, which no Allow overrides", denied_by="Statement[1] (Nobody)"
    )


def test_what_is_not_in_the_token_is_undecided(google_claims: dict[str, Any]) -> None:
    """A condition on the caller's address cannot be judged from a token; given the address it can."""
    condition = {"StringEquals": {f"{G}:sub": ID}, "IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}

    verdict = judge(google_claims, statement(condition))

    assert isinstance(verdict, Undecided)
    assert "aws:SourceIp" in verdict.reason
    assert isinstance(judge(google_claims, statement(condition), aws_SourceIp="192.0.2.7"), Allowed)
    assert isinstance(judge(google_claims, statement(condition), aws_SourceIp="198.51.100.7"), Refused)


def test_a_doubt_is_no_matter_where_the_rest_decides(google_claims: dict[str, Any]) -> None:
    """Another Allow that applies, or a condition that fails anyway, settles it."""
    doubtful = statement({"StringEquals": {"aws:PrincipalTag/team": "shop"}})
    elsewhere = {"StringEquals": {f"{G}:sub": "1"}, "Bool": {"aws:ViaAWSService": "false"}}

    assert isinstance(judge(google_claims, doubtful, statement()), Allowed)
    assert isinstance(judge(google_claims, statement(elsewhere)), Refused)


def test_a_doubtful_deny_leaves_an_allow_undecided(google_claims: dict[str, Any]) -> None:
    """Whether a Deny applies that needs the caller's address cannot be told."""
    deny = statement({"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}}, Effect="Deny")

    assert isinstance(judge(google_claims, statement(), deny), Undecided)
    assert isinstance(judge(google_claims, statement(), deny, aws_SourceIp="192.0.2.7"), Allowed)


def test_several_audiences_need_a_set_operator(cluster_claims: dict[str, Any]) -> None:
    """AWS says what ForAnyValue compares with several values, and not what StringEquals does."""
    claims = cluster_claims | {"aud": ["sts.amazonaws.com", "vault"]}
    provider = claims["iss"].removeprefix("https://")
    principal = {"Federated": f"arn:aws:iam::123456789012:oidc-provider/{provider}"}
    plain = statement({"StringEquals": {f"{provider}:aud": "sts.amazonaws.com"}}, Principal=principal)
    with_set = statement({"ForAnyValue:StringEquals": {f"{provider}:aud": "sts.amazonaws.com"}}, Principal=principal)

    assert isinstance(judge(claims, plain), Undecided)
    assert isinstance(judge(claims, with_set), Allowed)


def test_variables_have_defaults_and_may_be_unknown(google_claims: dict[str, Any]) -> None:
    """A default stands in for a missing key; a variable that only AWS knows leaves it undecided."""
    with_default = statement({"StringEquals": {"sts:RoleSessionName": "${sts:SourceIdentity, 'shop.reader'}"}})
    unknown = statement({"StringEquals": {"sts:RoleSessionName": "${aws:username}"}})

    assert isinstance(judge(google_claims, with_default), Allowed)
    assert isinstance(judge(google_claims, unknown), Undecided)
    assert isinstance(judge(google_claims, unknown, version="2008-10-17"), Refused)


def test_an_everybody_principal_lets_a_web_identity_in(google_claims: dict[str, Any]) -> None:
    """The principal * and {"AWS": "*"} are the same: everybody."""
    assert isinstance(judge(google_claims, statement(Principal="*")), Allowed)
    assert isinstance(judge(google_claims, statement(Principal={"AWS": "*"})), Allowed)


def test_dates_of_the_request_are_compared(google_claims: dict[str, Any]) -> None:
    """ISO 8601 and seconds since 1970 mean the same instant."""
    condition = {"DateLessThan": {"aws:CurrentTime": "2030-01-01T00:00:00Z"}}

    assert isinstance(judge(google_claims, statement(condition), aws_CurrentTime="2029-12-31T23:59:59Z"), Allowed)
    assert isinstance(judge(google_claims, statement(condition), aws_CurrentTime="1893456000"), Refused)


@pytest.mark.parametrize(
    ("broken", "place"),
    [
        ({"StringEqual": {f"{G}:sub": ID}}, r"StringEqual\.accounts.*do you mean StringEquals\?"),
        ({"stringequals": {f"{G}:sub": ID}}, "do you mean StringEquals"),
        ({"Regex": {f"{G}:sub": ID}}, "known are StringEquals"),
        ({"ForSomeValue:StringEquals": {f"{G}:sub": ID}}, "ForSomeValue"),
        ({"NullIfExists": {f"{G}:sub": "true"}}, "Null takes neither"),
        ({"ForAllValues:Null": {f"{G}:sub": "true"}}, "Null takes neither"),
        ({"Null": {f"{G}:sub": "maybe"}}, "true or false is expected, found 'maybe'"),
        ({"Bool": {"aws:SecureTransport": "ja"}}, "true or false is expected"),
        ({"NumericEquals": {f"{G}:sub": "many"}}, "a number is expected"),
        ({"DateEquals": {f"{G}:sub": "soon"}}, "a date .* is expected"),
        ({"IpAddress": {f"{G}:sub": "300.0.0.1"}}, "CIDR range is expected"),
        ({"ArnLike": {f"{G}:sub": "not-an-arn"}}, "an ARN of six parts is expected"),
        ({"StringEquals": {f"{G}:sub": []}}, "the list is empty"),
        ({"StringEquals": {f"{G}:sub": {"a": 1}}}, "found an object"),
        ({"StringEquals": {}}, "an object of condition keys"),
        ({"StringEquals": "x"}, "found a string"),
    ],
)
def test_a_broken_condition_names_its_place(google_claims: dict[str, Any], broken: dict[str, Any], place: str) -> None:
    """An operator that AWS does not have, or a value of the wrong kind, is an error and never silently true."""
    with pytest.raises(PolicyError, match=r"^Statement\[0\]\.Condition") as caught:
        judge(google_claims, statement(broken))

    assert caught.match(place)


@pytest.mark.parametrize(
    ("broken", "place"),
    [
        (statement(Effect="allow"), r"Statement\[0\]\.Effect"),
        (statement(Resource="*"), r"Statement\[0\]\.Resource.*no Resource"),
        (statement(NotPrincipal={"AWS": "1"}), "NotPrincipal"),
        (statement(Principal=...), r"Statement\[0\]\.Principal"),
        (statement(Principal={"Federated": "*"}), r"Principal\.Federated"),
        (statement(Principal={"federated": G}), "write Federated"),
        (statement(condition={}), r"Statement\[0\]\.condition.*write Condition"),
        (statement(Action=...), "exactly one of Action and NotAction"),
        (statement(NotAction="sts:AssumeRole"), "exactly one of Action and NotAction"),
        (statement(Action=[]), r"Statement\[0\]\.Action"),
        ("Allow", "an object is expected, found a string"),
    ],
)
def test_a_broken_statement_names_its_place(google_claims: dict[str, Any], broken: Any, place: str) -> None:
    """What IAM answers with MalformedPolicyDocument is an error here, with the place and what is expected."""
    with pytest.raises(PolicyError, match=place):
        judge(google_claims, broken)


def test_a_broken_policy_names_its_place(google_claims: dict[str, Any]) -> None:
    """Version and Statement are checked as well."""
    with pytest.raises(PolicyError, match="Version: '2012-10-18'"):
        judge(google_claims, statement(), version="2012-10-18")
    with pytest.raises(PolicyError, match="Statement: one statement"):
        judge(google_claims)


def test_a_mistake_in_any_statement_is_found(google_claims: dict[str, Any]) -> None:
    """IAM would not save the policy at all, so an Allow before the mistake does not hide it."""
    with pytest.raises(PolicyError, match=r"Statement\[1\]"):
        judge(google_claims, statement(), statement({"StringLikes": {f"{G}:sub": "1"}}))
