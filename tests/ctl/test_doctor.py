"""`doctor`: what is wrong with this token, or with this policy?"""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from policy.trust import cluster_trust_policy, evaluate, google_trust_policy
from tests.ctl.commands import AUDIENCE, NOW, SIGNATURE, UNIQUE_ID, Finished, golden, run, token

GOOD = google_trust_policy(service_account_id=UNIQUE_ID)
OTHER_ID = "998877665544332211009"
EMAIL = "web@project.iam.gserviceaccount.com"
ISSUER = "https://container.googleapis.com/v1/projects/p/locations/europe-west1/clusters/c"
SUBJECT = "system:serviceaccount:shop:web"
CLUSTER_CLAIMS: dict[str, Any] = {"iss": ISSUER, "sub": SUBJECT, "azp": None, "aud": ["sts.amazonaws.com"]}
CLUSTER = cluster_trust_policy(issuer=ISSUER, account_id="123456789012", namespace="shop", service_account="web")


def policy(operator: str = "StringEquals", effect: str = "Allow", **keys: Any) -> dict[str, Any]:
    """A Google trust policy with these conditions; `aud` stands for accounts.google.com:aud."""
    condition = {operator: {f"accounts.google.com:{key}": value for key, value in keys.items()}}
    return {"Version": "2012-10-17", "Statement": [statement(condition, effect)]}


def statement(condition: dict[str, Any], effect: str = "Allow") -> dict[str, Any]:
    """One statement about Google."""
    action = "sts:AssumeRoleWithWebIdentity"
    return {
        "Effect": effect,
        "Principal": {"Federated": "accounts.google.com"},
        "Action": action,
        "Condition": condition,
    }


def doctor(tmp_path: Path, text: str, trust: Any, *flags: str) -> Finished:
    """Ask about a token from standard input and a policy from a file; the token is never repeated."""
    path = tmp_path / "role.json"
    path.write_text(trust if isinstance(trust, str) else json.dumps(trust))
    finished = run("doctor", "--token", "-", "--role-trust-policy", str(path), *flags, stdin=text)
    for part in [*text.split("."), SIGNATURE]:
        assert len(part) < 10 or part not in finished.out + finished.err
    return finished


@pytest.mark.parametrize(
    ("name", "claims", "trust"),
    [
        ("allowed", {}, GOOD),
        ("audience-in-aud", {}, policy(aud=AUDIENCE)),
        ("wrong-subject", {}, google_trust_policy(service_account_id=OTHER_ID)),
        ("email-azp", {"azp": EMAIL, "email": EMAIL}, policy(aud=UNIQUE_ID)),
        ("expired", {"iat": NOW - 90_000, "exp": NOW - 86_400}, GOOD),
        ("cluster-allowed", CLUSTER_CLAIMS, CLUSTER),
    ],
)
def test_what_a_person_reads(tmp_path: Path, name: str, claims: dict[str, Any], trust: dict[str, Any]) -> None:
    """The whole answer, as text."""
    finished = doctor(tmp_path, token(**claims), trust)

    assert finished.out == golden(f"doctor-{name}.txt", finished.out)
    assert finished.code == (0 if "allowed" in name else 1)


TABLE = {
    "allowed": ({}, GOOD, "allowed", None),
    "allowed without azp": ({"azp": None}, policy(sub=UNIQUE_ID, aud=AUDIENCE), "allowed", None),
    "the audience string in aud, the classic mistake": (
        {},
        policy(sub=UNIQUE_ID, aud=AUDIENCE),
        "refused",
        ("accounts.google.com:aud", UNIQUE_ID, "claim azp", "the audience is accounts.google.com:oaud"),
    ),
    "another azp": (
        {"azp": OTHER_ID},
        policy(aud=UNIQUE_ID),
        "refused",
        ("accounts.google.com:aud", OTHER_ID, "claim azp", ""),
    ),
    "an e-mail as azp": (
        {"azp": EMAIL},
        policy(aud=UNIQUE_ID),
        "refused",
        ("accounts.google.com:aud", EMAIL, "claim azp", "azp is an e-mail"),
    ),
    "another subject": (
        {"sub": OTHER_ID},
        GOOD,
        "refused",
        ("accounts.google.com:sub", OTHER_ID, "claim sub", ""),
    ),
    "an e-mail as subject": (
        {},
        policy(sub=EMAIL),
        "refused",
        ("accounts.google.com:sub", UNIQUE_ID, "claim sub", "never its e-mail"),
    ),
    "another audience": (
        {"aud": "gtoken/sts/assume-role-with-web-identity"},
        GOOD,
        "refused",
        ("accounts.google.com:oaud", "gtoken/sts/assume-role-with-web-identity", "claim aud", ""),
    ),
    "a pattern in StringEquals": (
        {},
        policy(sub="11223*"),
        "refused",
        ("accounts.google.com:sub", UNIQUE_ID, "claim sub", "StringLike"),
    ),
    "cluster mode": (CLUSTER_CLAIMS, CLUSTER, "allowed", None),
    "cluster mode, another service account": (
        {**CLUSTER_CLAIMS, "sub": "system:serviceaccount:shop:other"},
        CLUSTER,
        "refused",
        (f"{ISSUER[8:]}:sub", "system:serviceaccount:shop:other", "claim sub", ""),
    ),
}


@pytest.mark.parametrize(("claims", "trust", "outcome", "failure"), TABLE.values(), ids=TABLE)
def test_verdicts_for_programs(
    tmp_path: Path, claims: dict[str, Any], trust: dict[str, Any], outcome: str, failure: tuple[str, ...] | None
) -> None:
    """JSON names the key, both values, the claim and the likely mistake; the corrected policy lets the token in."""
    finished = doctor(tmp_path, token(**claims), trust, "-o", "json")

    found = json.loads(finished.out)
    assert (found["outcome"], finished.code) == (outcome, 0 if outcome == "allowed" else 1)
    if failure is None:
        assert (found["failures"], found["corrected_policy"]) == ([], None)
        return
    (one,) = found["failures"]
    assert (one["key"], one["compared_value"], one["compared_claim"]) == failure[:3]
    assert failure[3] in one["hint"]
    assert doctor(tmp_path, token(**claims), found["corrected_policy"]).code == 0


@pytest.mark.parametrize(
    ("claims", "header", "code", "text"),
    [
        ({"exp": NOW}, None, "expired", "the token expired 0 s ago (2027-01-15T08:00:00Z): STS answers ExpiredToken"),
        ({"exp": NOW - 7260}, None, "expired", "the token expired 2 h 1 min ago"),
        (
            {"nbf": NOW + 60},
            None,
            "not_yet_valid",
            "the token begins in 1 min (2027-01-15T08:01:00Z) by this machine's",
        ),
        ({"iat": NOW + 5}, None, "not_yet_valid", "the token begins in 5 s"),
        ({"pad": "x" * 20_000}, None, "too_long", "the token has "),
        ({}, {"alg": "none"}, "signature", "the token's alg is 'none'"),
        ({}, {"alg": "HS256"}, "signature", "the token's alg is 'HS256'"),
    ],
)
def test_what_sts_refuses_before_any_policy(
    tmp_path: Path, claims: dict[str, Any], header: dict[str, Any] | None, code: str, text: str
) -> None:
    """Said first, and enough for a refusal though the policy fits."""
    finished = doctor(tmp_path, token(header, **claims), GOOD)
    (problem,) = json.loads(doctor(tmp_path, token(header, **claims), GOOD, "-o", "json").out)["problems"]

    assert finished.code == 1
    assert finished.out.startswith(f"refused: {text}")
    assert "\nthe policy would allow it: Statement[0]\n" in finished.out
    assert problem["code"] == code


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it is empty: there is no token yet; read the pod's file again"),
        ("secret", "a JWT is three parts between two dots"),
        ("a.b.c.d.e", "it is an encrypted token (JWE, five parts)"),
        ("ya29.secret-of-an-access-token", "it is a Google access token"),
        (f"{token().split('.')[0]}.%%%.{SIGNATURE}", "its second part is not a JSON object in base64url"),
        (f"bm90anNvbg.e30.{SIGNATURE}", "its first part is not a JSON object in base64url"),
        (token(iss=None), "it has no claim iss"),
        (token(exp=None), "its claim exp is not a time in seconds since 1970"),
        (token(exp="tomorrow"), "its claim exp is not a time"),
        (token(iat=True), "its claim iat is not a time"),
    ],
)
def test_what_is_no_token(tmp_path: Path, text: str, message: str) -> None:
    """Exit code 2, with the reason and never the text."""
    finished = doctor(tmp_path, text, GOOD)

    assert (finished.code, finished.out) == (2, "")
    assert finished.err.startswith(f"kubectl token-injector: --token: this is no web identity token: {message}")


ROLE = {"RoleName": "reader", "Arn": "arn:aws:iam::123456789012:role/reader"}
FORMS = {
    "bare": json.dumps(GOOD),
    "URL-encoded": quote(json.dumps(GOOD)),
    "URL-encoded in quotes": json.dumps(quote(json.dumps(GOOD))),
    "get-role": json.dumps({"Role": {**ROLE, "AssumeRolePolicyDocument": GOOD}}),
    "get-role, URL-encoded": json.dumps({"Role": {**ROLE, "AssumeRolePolicyDocument": quote(json.dumps(GOOD))}}),
    "a role of list-roles": json.dumps({**ROLE, "AssumeRolePolicyDocument": GOOD}),
}


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
def test_forms_of_a_policy(tmp_path: Path, text: str) -> None:
    """The policy alone, or as `aws iam get-role` and IAM's API give it."""
    assert doctor(tmp_path, token(), text).code == 0


def test_get_role_names_the_role_and_the_account(tmp_path: Path) -> None:
    """The next command carries the role's name, and a cluster's provider gets the role's account."""
    trust = {"Role": {**ROLE, "AssumeRolePolicyDocument": GOOD}}

    found = json.loads(doctor(tmp_path, token(**CLUSTER_CLAIMS), trust, "-o", "json").out)
    bare = doctor(tmp_path, token(**CLUSTER_CLAIMS), GOOD)

    provider = f"arn:aws:iam::123456789012:oidc-provider/{ISSUER[8:]}"
    assert found["corrected_policy"]["Statement"][0] == GOOD["Statement"][0]
    assert found["corrected_policy"]["Statement"][1]["Principal"] == {"Federated": provider}
    assert any("update-assume-role-policy --role-name reader --policy" in step for step in found["next"])
    assert "needs an IAM OIDC provider for" in found["next"][-1]
    assert "\nnote: account id: " in bare.out
    assert "what aws iam get-role prints names the role's account" in bare.out


def test_session_names(tmp_path: Path) -> None:
    """A condition on the session name is judged with the name that the pod has."""
    trust = google_trust_policy(service_account_id=UNIQUE_ID, session_name="shop.*")

    refused = doctor(tmp_path, token(), trust)

    assert doctor(tmp_path, token(), trust, "--session-name", "shop.web").code == 0
    assert refused.code == 1
    assert "\n    the policy wants  'shop.*'\n    AWS compares      'token-injector-webhook-" in refused.out
    assert "corrected policy" not in refused.out
    assert refused.out.endswith("next\n  give the pod's AWS_ROLE_SESSION_NAME with --session-name\n")


def test_a_deny_is_never_corrected_away(tmp_path: Path) -> None:
    """An explicit Deny is named; no policy is proposed that would undo it."""
    trust = {
        "Version": "2012-10-17",
        "Statement": [*GOOD["Statement"], statement({"StringEquals": {"accounts.google.com:sub": UNIQUE_ID}}, "Deny")],
    }

    finished = doctor(tmp_path, token(), trust)

    assert finished.code == 1
    assert finished.out.startswith("refused: Statement[1] denies it explicitly")
    assert "corrected policy" not in finished.out
    assert finished.out.endswith("narrow the Deny in Statement[1], if this workload is meant to assume the role\n")


def test_what_only_aws_can_tell(tmp_path: Path) -> None:
    """A condition on the caller's address is neither allowed nor refused here; the exit code is no success."""
    condition = {**GOOD["Statement"][0]["Condition"], "IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}
    trust = {"Version": "2012-10-17", "Statement": [statement(condition)]}

    finished = doctor(tmp_path, token(), trust)

    assert finished.code == 1
    assert finished.out.startswith("undecided: Statement[0]: ")
    assert json.loads(doctor(tmp_path, token(), trust, "-o", "json").out)["outcome"] == "undecided"


def test_risks_are_told_even_where_the_token_is_let_in(tmp_path: Path) -> None:
    """A policy that lets in more than this token is said to."""
    finished = doctor(tmp_path, token(), policy(oaud=AUDIENCE))

    assert finished.code == 0
    assert "\nrisks of this policy\n  danger: Statement[0]: an audience identifies nobody" in finished.out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "line 1, column 2: no JSON: "),
        ("[]", "policy: an object is expected, found a list"),
        (
            json.dumps(policy(operator="StringEqual", sub="1")),
            "Statement[0].Condition.StringEqual.accounts.google.com:sub",
        ),
        (json.dumps({"Version": "2012-10-17", "Statement": []}), "Statement: one statement or a list of them"),
    ],
)
def test_what_is_no_policy(tmp_path: Path, text: str, message: str) -> None:
    """Exit code 2, with the place in the document."""
    finished = doctor(tmp_path, token(), text)

    assert (finished.code, finished.out) == (2, "")
    assert finished.err.startswith(f"kubectl token-injector: --role-trust-policy: {message}")


def test_claims_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    """A hostile token's control characters are shown, not obeyed."""
    hostile = token(aud="\x1b]0;title\x07\ud800", email="a\nallowed: Statement[0]", sub="\x1b[2J")

    for form in ("text", "json"):
        out = doctor(tmp_path, hostile, GOOD, "-o", form).out
        out.encode()
        assert not [character for character in out.replace("\n", "") if not character.isprintable()]
    assert "\nallowed" not in doctor(tmp_path, hostile, GOOD).out


def test_the_token_as_an_argument_is_not_repeated(tmp_path: Path) -> None:
    """A token where a file's name belongs is refused without being shown."""
    role = tmp_path / "role.json"
    role.write_text(json.dumps(GOOD))

    for argv in (["--token", token()], [token()], [f"--tokn={token()}"]):
        finished = run("doctor", *argv, "--role-trust-policy", str(role))
        assert (finished.code, finished.out) == (2, "")
        assert SIGNATURE not in finished.err
        assert token()[:20] not in finished.err
    assert "this is the token itself" in run("doctor", "--token", token(), "--role-trust-policy", str(role)).err
    assert run("doctor", "--token", "-", "--role-trust-policy", "-").code == 2


def test_a_newline_in_the_token_file_is_mentioned(tmp_path: Path) -> None:
    """SDKs hand it on to STS, which refuses it; here it does no harm."""
    role, file = tmp_path / "role.json", tmp_path / "token"
    role.write_text(json.dumps(GOOD))
    file.write_text(token() + "\n")

    finished = run("doctor", "--token", str(file), "--role-trust-policy", str(role))

    assert finished.code == 0
    assert finished.err.startswith(f"{file} ends in white space, which SDKs hand on")
    file.write_text(token())
    assert run("doctor", "--token", str(file), "--role-trust-policy", str(role)).err == ""


def test_the_corrected_policy_keeps_what_is_not_this_tokens(tmp_path: Path) -> None:
    """Another workload's statement stays as it is; the corrected policy lets both in."""
    others = google_trust_policy(service_account_id=OTHER_ID)

    corrected = json.loads(doctor(tmp_path, token(), others, "-o", "json").out)["corrected_policy"]

    assert corrected["Statement"] == [*others["Statement"], *GOOD["Statement"]]
    claims = {"sub": OTHER_ID, "aud": AUDIENCE}
    issuer = "https://accounts.google.com"
    assert evaluate(corrected, issuer=issuer, unverified_claims=claims, session_name="x") == evaluate(
        others, issuer=issuer, unverified_claims=claims, session_name="x"
    )


def test_help_says_how_to_get_a_token_from_any_pod() -> None:
    """By cat, by the interpreter of the injected image, which has no cat, and without a pod; as the documents do."""
    said = run("doctor", "--help").out
    documents = (Path(__file__).parents[2] / "docs/troubleshooting.md").read_text()

    assert "-- cat /var/run/secrets/aws/token/token > token" in said
    for command in (
        """/usr/bin/python3 -I -S -c 'print(open("/var/run/secrets/aws/token/token").read(), end="")' > token""",
        "--audience sts.amazonaws.com > ",
    ):
        assert command in said
        assert command in documents
