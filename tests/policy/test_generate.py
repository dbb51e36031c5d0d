"""Generated trust policies: what they say, and what they cannot be made from."""

from typing import Any

import pytest

from policy.trust import (
    Allowed,
    TrustInputError,
    cluster_trust_policy,
    evaluate,
    google_trust_policy,
    risks,
)

ID = "112233445566778899001"
CLUSTER: dict[str, Any] = {
    "issuer": "https://container.googleapis.com/v1/projects/p/locations/l/clusters/c",
    "account_id": "123456789012",
    "namespace": "shop",
    "service_account": "reader",
}


def test_google_mode_pins_subject_and_audience() -> None:
    """The recommended policy: the unique id as sub, the audience as oaud, the built-in provider as principal."""
    assert google_trust_policy(service_account_id=ID) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Federated": "accounts.google.com"},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": {
                    "StringEquals": {
                        "accounts.google.com:sub": ID,
                        "accounts.google.com:oaud": "token-injector/sts/assume-role-with-web-identity",
                    }
                },
            }
        ],
    }


def test_numeric_azp_and_session_name_are_added_on_demand() -> None:
    """The number as aud, and a pattern for the session name."""
    policy = google_trust_policy(service_account_id=ID, numeric_azp=True, session_name="shop.*")

    condition = policy["Statement"][0]["Condition"]
    assert condition["StringEquals"]["accounts.google.com:aud"] == ID
    assert condition["StringLike"] == {"sts:RoleSessionName": "shop.*"}


def test_cluster_mode_pins_the_service_account() -> None:
    """The issuer's host and path are provider and key prefix; subject and audience are pinned."""
    provider = "container.googleapis.com/v1/projects/p/locations/l/clusters/c"

    assert cluster_trust_policy(**CLUSTER)["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"Federated": f"arn:aws:iam::123456789012:oidc-provider/{provider}"},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": {
                    f"{provider}:sub": "system:serviceaccount:shop:reader",
                    f"{provider}:aud": "sts.amazonaws.com",
                }
            },
        }
    ]


def test_what_we_generate_lets_its_token_in_and_has_no_risks(
    google_policy: dict[str, Any],
    cluster_policy: dict[str, Any],
    google_claims: dict[str, Any],
    cluster_claims: dict[str, Any],
) -> None:
    """Both modes: allowed for the workload's token, nothing to warn about."""
    for policy, claims in ((google_policy, google_claims), (cluster_policy, cluster_claims)):
        verdict = evaluate(policy, issuer=claims["iss"], unverified_claims=claims, session_name="shop.reader")

        assert verdict == Allowed(statement="Statement[0]")
        assert risks(policy) == ()


def test_an_email_is_answered_with_the_command_that_finds_the_id() -> None:
    """The error for an e-mail is the command line to copy."""
    email = "reader@project.iam.gserviceaccount.com"

    with pytest.raises(TrustInputError, match="e-mail") as caught:
        google_trust_policy(service_account_id=email)

    assert f"gcloud iam service-accounts describe {email} --format='value(uniqueId)'" in str(caught.value)


@pytest.mark.parametrize("bad", ["", "123456789012", "11223344556677889900x", f" {ID}", f"{ID}\n", "*"])
def test_what_is_no_unique_id_is_refused(bad: str) -> None:
    """Only digits of a unique id's length: no project number, no wildcard, no white space."""
    with pytest.raises(TrustInputError, match="uniqueId"):
        google_trust_policy(service_account_id=bad)


@pytest.mark.parametrize(
    ("field", "bad", "says"),
    [
        ("issuer", "http://issuer.example.com", "https://HOST/PATH"),
        ("issuer", "https://issuer.example.com:8443", "without port"),
        ("issuer", "https://issuer.example.com/", "final slash"),
        ("issuer", "https://issuer.example.com/" + "p" * 250, "at most 255"),
        ("issuer", "https://accounts.google.com", "google mode"),
        ("account_id", "1234", "12 digits"),
        ("partition", "azure", "aws-cn"),
        ("namespace", "*", "without wildcards"),
        ("namespace", "shop:admin", "namespace"),
        ("service_account", "", "service account"),
        ("service_account", "rea*", "without wildcards"),
        ("audience", "two words", "audience"),
        ("session_name", "a/b", "session name"),
    ],
)
def test_bad_values_are_named_with_their_form(field: str, bad: str, says: str) -> None:
    """Each value is checked; the error names it and the form."""
    with pytest.raises(TrustInputError, match=says):
        cluster_trust_policy(**(CLUSTER | {field: bad}))


def test_another_partition_is_another_arn() -> None:
    """In China the provider's ARN begins with arn:aws-cn."""
    policy = cluster_trust_policy(**CLUSTER, partition="aws-cn")

    assert policy["Statement"][0]["Principal"]["Federated"].startswith("arn:aws-cn:iam::")
