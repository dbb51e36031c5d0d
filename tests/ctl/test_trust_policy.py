"""`trust-policy`: documents that let one workload in."""

import json

import pytest
import yaml

from tests.ctl.commands import AUDIENCE, UNIQUE_ID, golden, run

ISSUER = "https://container.googleapis.com/v1/projects/p/locations/europe-west1/clusters/c"
GOOGLE = ("trust-policy", "--service-account-id", UNIQUE_ID)
CLUSTER = (
    *("trust-policy", "--mode=cluster", f"--issuer={ISSUER}", "--account-id=123456789012"),
    *("--namespace=shop", "--service-account=web"),
)


@pytest.mark.parametrize("form", ["json", "terraform", "cloudformation"])
@pytest.mark.parametrize(("mode", "argv"), [("google", GOOGLE), ("cluster", CLUSTER)])
def test_each_form(mode: str, argv: tuple[str, ...], form: str) -> None:
    """The document goes to standard output alone; what to do with it to standard error."""
    finished = run(*argv, "-o", form, "--role-name=reader")

    assert finished.code == 0
    assert finished.out == golden(f"trust-{mode}.{form}", finished.out)
    assert finished.err.startswith("next: ")
    assert "amazonaws.com/role-arn" in finished.err
    assert ("IAM OIDC provider" in finished.err) is (mode == "cluster")


def test_cloudformation_holds_the_same_policy() -> None:
    """The template is YAML with a role whose policy is that of `-o json`."""
    for argv in (GOOGLE, CLUSTER):
        template = yaml.safe_load(run(*argv, "-o", "cloudformation", "--role-name", "reader").out)
        (role,) = template["Resources"].values()
        assert role["Type"] == "AWS::IAM::Role"
        assert role["Properties"]["RoleName"] == "reader"
        assert role["Properties"]["AssumeRolePolicyDocument"] == json.loads(run(*argv).out)


def test_options_become_conditions() -> None:
    """Audience, azp and session name are conditions of their own."""
    argv = (*GOOGLE, "--audience=mine", "--with-azp", "--session-name-like=shop.*")

    condition = json.loads(run(*argv).out)["Statement"][0]["Condition"]

    assert condition == {
        "StringEquals": {
            "accounts.google.com:sub": UNIQUE_ID,
            "accounts.google.com:oaud": "mine",
            "accounts.google.com:aud": UNIQUE_ID,
        },
        "StringLike": {"sts:RoleSessionName": "shop.*"},
    }
    assert AUDIENCE in run(*GOOGLE).out


def test_partitions() -> None:
    """The provider's ARN is of the account's partition."""
    assert "arn:aws-cn:iam::123456789012:oidc-provider/" in run(*CLUSTER, "--partition=aws-cn").out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ((), "google mode needs --service-account-id: kubectl token-injector trust-policy --help says how to find"),
        (("--mode=cluster", "--issuer=x"), "cluster mode needs --account-id, --namespace, --service-account: "),
        (
            ("--service-account-id=1", "--issuer=x", "--namespace=y"),
            "--issuer, --namespace means nothing in google mode: leave it out, or choose --mode cluster",
        ),
        (
            (*CLUSTER[1:], "--with-azp"),
            "--with-azp means nothing in cluster mode: leave it out, or choose --mode google",
        ),
        (("--service-account-id=web@p.iam.gserviceaccount.com",), "service account id: 'web@p.iam"),
        ((*CLUSTER[1:], "--issuer=http://c"), "issuer: 'http://c' is not valid; expected https://HOST/PATH"),
        ((*GOOGLE[1:], "--role-name=a b", "-o", "terraform"), "role name: 'a b' is not valid"),
        ((*GOOGLE[1:], "--audience="), "audience: '' is not valid"),
    ],
)
def test_what_cannot_be_used_is_said(argv: tuple[str, ...], message: str) -> None:
    """Exit code 2, nothing on standard output, and how to find the right value."""
    finished = run("trust-policy", *argv)

    assert (finished.code, finished.out) == (2, "")
    assert finished.err.startswith(f"kubectl token-injector: trust-policy: {message}")
