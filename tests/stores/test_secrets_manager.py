"""Secrets of Secrets Manager, by botocore over HTTP from moto."""

import json
from typing import Any

import pytest
from werkzeug.wrappers import Response

from secretenv.references import Secret
from secretenv.stores import Fetched, Refusal
from secretenv.stores.aws import Aws
from tests.stores.conftest import Setup
from tests.stores.faulty import FaultyAws, denied, says
from tests.stores.outcomes import refused, values, versions

TIMEOUT = 10.0


@pytest.fixture
def owner(setup: Setup) -> Any:
    """The owner's client."""
    return setup("secretsmanager")


def test_current_values_come_in_one_batch(aws: FaultyAws, store: Aws, owner: Any) -> None:
    """Text, JSON, binary and a full ARN in one request, each with its version."""
    made = [
        owner.create_secret(Name="app/text", SecretString="plain"),
        owner.create_secret(Name="app/json", SecretString='{"user": "u"}'),
        owner.create_secret(Name="app/binary", SecretBinary=b"\x00\xff"),
        owner.create_secret(Name="app/arn", SecretString="by ARN"),
    ]
    arn = made[3]["ARN"]
    sources = [Secret("app/text"), Secret("app/json", stage="AWSCURRENT"), Secret("app/binary"), Secret(arn)]
    aws.asked.clear()
    found = store.fetch(sources, timeout=TIMEOUT)
    assert list(values(found).values()) == ["plain", '{"user": "u"}', b"\x00\xff", "by ARN"]
    assert list(versions(found).values()) == [each["VersionId"] for each in made]
    assert aws.asked == {"STS": 1, "BatchGetSecretValue": 1}


def test_an_arn_without_its_random_characters_is_the_same_secret(store: Aws, owner: Any) -> None:
    """As Secrets Manager itself has it."""
    whole = owner.create_secret(Name="app/db", SecretString="value")["ARN"]
    owner.create_secret(Name="app/other", SecretString="other")
    partial = Secret(whole.rpartition("-")[0])
    found = store.fetch([partial, Secret("app/other")], timeout=TIMEOUT)
    assert isinstance(found[partial], Fetched)


def test_one_secret_needs_no_batch(aws: FaultyAws, store: Aws, owner: Any) -> None:
    """A role that may GetSecretValue only is enough, and no request is lost."""
    owner.create_secret(Name="app/text", SecretString="plain")
    aws.asked.clear()
    assert values(store.fetch([Secret("app/text")], timeout=TIMEOUT)) == {Secret("app/text"): "plain"}
    assert aws.asked == {"STS": 1, "GetSecretValue": 1}


def test_more_than_a_batch(aws: FaultyAws, store: Aws, owner: Any) -> None:
    """Forty-five secrets are three batches of at most twenty."""
    sources = [Secret(f"s{number}") for number in range(45)]
    for source in sources:
        owner.create_secret(Name=source.name, SecretString=f"value of {source.name}")
    found = store.fetch(sources, timeout=TIMEOUT)
    assert values(found) == {source: f"value of {source.name}" for source in sources}
    assert aws.asked["BatchGetSecretValue"] == 3


def test_stages_and_versions_are_read_singly(aws: FaultyAws, store: Aws, owner: Any) -> None:
    """A batch would answer AWSCURRENT whatever was asked."""
    old = owner.create_secret(Name="app/db", SecretString="old")["VersionId"]
    new = owner.put_secret_value(SecretId="app/db", SecretString="new")["VersionId"]
    sources = [Secret("app/db"), Secret("app/db", stage="AWSPREVIOUS"), Secret("app/db", version=old)]
    found = store.fetch(sources, timeout=TIMEOUT)
    assert found == {
        sources[0]: Fetched(value="new", version=new),
        sources[1]: Fetched(value="old", version=old),
        sources[2]: Fetched(value="old", version=old),
    }
    assert aws.asked["BatchGetSecretValue"] == 0


def test_a_forbidden_batch_is_read_singly(aws: FaultyAws, store: Aws, owner: Any) -> None:
    """A role without BatchGetSecretValue gets its secrets all the same, and is not asked for it again."""
    sources = [Secret("a"), Secret("b")]
    for source in sources:
        owner.create_secret(Name=source.name, SecretString=source.name)
    aws.faults["BatchGetSecretValue"] = denied("secretsmanager:BatchGetSecretValue")
    for _ in range(2):
        assert all(isinstance(outcome, Fetched) for outcome in store.fetch(sources, timeout=TIMEOUT).values())
    assert (aws.asked["BatchGetSecretValue"], aws.asked["GetSecretValue"]) == (1, 4)


def test_one_bad_secret_spoils_no_batch(store: Aws, owner: Any) -> None:
    """Missing and deleted ones are refused each with its reason, the others are there."""
    for name in ("good", "deleted"):
        owner.create_secret(Name=name, SecretString=name)
    owner.delete_secret(SecretId="deleted")
    good, missing, deleted = Secret("good"), Secret("missing"), Secret("deleted")
    found = store.fetch([good, missing, deleted], timeout=TIMEOUT)
    assert isinstance(found[good], Fetched)
    assert found[missing] == Refusal(
        reason="not_found",
        message="secret missing is not there in eu-west-1 (ResourceNotFoundException from "
        "secretsmanager:GetSecretValue): check name and region",
    )
    assert refused(found, deleted).reason == "invalid"
    assert "marked for deletion" in refused(found, deleted).message


def test_errors_inside_a_batch(aws: FaultyAws, store: Aws) -> None:
    """AWS names each secret that it does not give; what it forgets to name is asked for singly."""
    message = (
        "User: arn:aws:sts::123456789012:assumed-role/reader/x is not authorized to perform: "
        "secretsmanager:GetSecretValue on resource: locked with an explicit deny in a resource-based policy"
    )
    answer = {
        "SecretValues": [],
        "Errors": [
            {"SecretId": "locked", "ErrorCode": "AccessDeniedException", "Message": message},
            {"SecretId": "broken", "ErrorCode": "DecryptionFailure", "Message": "KMS key disabled"},
        ],
    }
    aws.faults["BatchGetSecretValue"] = lambda _: Response(json.dumps(answer), 200)
    locked, broken, forgotten = Secret("locked"), Secret("broken"), Secret("forgotten")
    found = store.fetch([locked, broken, forgotten], timeout=TIMEOUT)
    assert {source: refused(found, source).reason for source in found} == {
        locked: "access_denied",
        broken: "invalid",
        forgotten: "not_found",
    }
    assert refused(found, locked).message == (
        "secret locked: role reader may not secretsmanager:GetSecretValue: "
        "an explicit deny in its resource-based policy; remove the deny or leave it out"
    )
    assert aws.asked["GetSecretValue"] == 1


def test_a_batch_in_pages(aws: FaultyAws, store: Aws) -> None:
    """The next page is asked for until there is none."""

    def paged(request: dict[str, Any]) -> Response:
        second = "NextToken" in request
        name = "b" if second else "a"
        value = {"ARN": f"arn:{name}", "Name": name, "VersionId": "1" * 32, "SecretString": name}
        return Response(json.dumps({"SecretValues": [value], **({} if second else {"NextToken": "more"})}), 200)

    aws.faults["BatchGetSecretValue"] = paged
    found = store.fetch([Secret("a"), Secret("b")], timeout=TIMEOUT)
    assert list(values(found).values()) == ["a", "b"]


def test_regions_of_arns(aws: FaultyAws, store: Aws, setup: Setup) -> None:
    """An ARN is read in its own region, a name in the pod's."""
    there = setup("secretsmanager", "us-east-2").create_secret(Name="app/db", SecretString="there")["ARN"]
    setup("secretsmanager").create_secret(Name="app/db", SecretString="here")
    del aws
    found = store.fetch([Secret("app/db"), Secret(there)], timeout=TIMEOUT)
    assert list(values(found).values()) == ["here", "there"]


def test_versions_without_reading(aws: FaultyAws, store: Aws, owner: Any) -> None:
    """DescribeSecret tells the version that a fetch would have; one that is asked for by version needs no request."""
    old = owner.create_secret(Name="app/db", SecretString="old")["VersionId"]
    owner.put_secret_value(SecretId="app/db", SecretString="new")
    sources = [Secret("app/db"), Secret("app/db", stage="AWSPREVIOUS"), Secret("app/db", version=old)]
    fetched = store.fetch(sources, timeout=TIMEOUT)
    aws.asked.clear()
    assert store.versions(sources, timeout=TIMEOUT) == versions(fetched)
    assert aws.asked == {"DescribeSecret": 2}


def test_versions_where_describing_is_forbidden(aws: FaultyAws, store: Aws, owner: Any) -> None:
    """The secret is read for its version; a missing stage is refused by either."""
    version = owner.create_secret(Name="app/db", SecretString="value")["VersionId"]
    missing = Secret("app/db", stage="MISSING")
    assert [
        each.reason for each in store.versions([missing], timeout=TIMEOUT).values() if isinstance(each, Refusal)
    ] == ["not_found"]
    aws.faults["DescribeSecret"] = denied("secretsmanager:DescribeSecret")
    assert store.versions([Secret("app/db")], timeout=TIMEOUT) == {Secret("app/db"): version}


@pytest.mark.parametrize(
    ("fault", "reason", "said"),
    [
        (
            denied("secretsmanager:GetSecretValue"),
            "access_denied",
            "role reader may not secretsmanager:GetSecretValue: no identity-based policy allows it; allow it",
        ),
        (says(400, "AccessDeniedException", "Access to KMS is not allowed"), "access_denied", "may not kms:Decrypt"),
        (says(400, "UnrecognizedClientException", "token"), "access_denied", "kubectl token-injector doctor"),
        (says(400, "DecryptionFailure", "no"), "invalid", "the key that encrypts it"),
        (says(400, "InvalidParameterException", "Invalid name."), "invalid", "Invalid name."),
        (says(403, "SomethingNew", "?"), "access_denied", "SomethingNew"),
    ],
)
def test_refusals(aws: FaultyAws, store: Aws, fault: Any, reason: str, said: str) -> None:
    """Each error is for who can mend it, and says how."""
    aws.faults["GetSecretValue"] = fault
    outcome = refused(store.fetch([Secret("app/db")], timeout=TIMEOUT), Secret("app/db"))
    assert outcome.reason == reason
    assert said in outcome.message
    assert outcome.message.startswith("secret app/db: ")
    assert "123456789012" not in outcome.message
