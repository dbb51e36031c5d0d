"""Parameters of SSM, by botocore over HTTP from moto."""

from typing import Any

import pytest

from secretenv.references import Parameter, ParameterPath, Source
from secretenv.stores import Refusal
from secretenv.stores.aws import Aws
from tests.stores.conftest import REGION, Setup
from tests.stores.faulty import FaultyAws, denied
from tests.stores.outcomes import refused, values, versions

TIMEOUT = 10.0


@pytest.fixture
def owner(setup: Setup) -> Any:
    """The owner's client."""
    return setup("ssm")


def put(owner: Any, name: str, value: str, kind: str = "SecureString") -> None:
    """Write a parameter, or its next version."""
    owner.put_parameter(Name=name, Value=value, Type=kind, Overwrite=True)


def test_names_versions_labels_and_arns_in_one_batch(aws: FaultyAws, store: Aws, owner: Any) -> None:
    """SecureStrings come decrypted, lists as their text; other versions of the same parameter are read singly."""
    put(owner, "/app/db", "old")
    put(owner, "/app/db", "new")
    owner.label_parameter_version(Name="/app/db", ParameterVersion=1, Labels=["stable"])
    put(owner, "plain", "text", "String")
    put(owner, "/app/list", "a,b", "StringList")
    arn = f"arn:aws:ssm:{REGION}:123456789012:parameter/app/db"
    wanted = {
        Parameter("/app/db"): "new",
        Parameter("/app/db", version="1"): "old",
        Parameter("/app/db", version="stable"): "old",
        Parameter("plain"): "text",
        Parameter("/app/list"): "a,b",
    }
    aws.asked.clear()
    assert values(store.fetch(wanted.keys(), timeout=TIMEOUT)) == wanted
    assert aws.asked == {"STS": 1, "GetParameters": 1, "GetParameter": 2}
    assert values(store.fetch([Parameter(arn), Parameter("plain")], timeout=TIMEOUT)) == {
        Parameter(arn): "new",
        Parameter("plain"): "text",
    }


def test_more_than_a_batch(aws: FaultyAws, store: Aws, owner: Any) -> None:
    """Twenty-one parameters are two batches of ten and one single read."""
    wanted = {Parameter(f"/app/p{number}"): f"v{number}" for number in range(21)}
    for parameter, value in wanted.items():
        put(owner, parameter.name, value)
    assert values(store.fetch(wanted.keys(), timeout=TIMEOUT)) == wanted
    assert (aws.asked["GetParameters"], aws.asked["GetParameter"]) == (2, 1)


def test_a_forbidden_batch_is_read_singly(aws: FaultyAws, store: Aws, owner: Any) -> None:
    """A role without GetParameters gets its parameters by GetParameter."""
    for name in ("/a", "/b"):
        put(owner, name, name)
    aws.faults["GetParameters"] = denied("ssm:GetParameters")
    wanted = {Parameter("/a"): "/a", Parameter("/b"): "/b"}
    for _ in range(2):
        assert values(store.fetch(wanted.keys(), timeout=TIMEOUT)) == wanted
    assert (aws.asked["GetParameters"], aws.asked["GetParameter"]) == (1, 4)


def test_a_key_that_one_may_not_use_spoils_no_batch(aws: FaultyAws, store: Aws, owner: Any) -> None:
    """AWS refuses the whole batch for one parameter's key; read singly only that one is refused, and it says why."""
    for name in ("/good", "/locked"):
        put(owner, name, name)
    fault = denied("kms:Decrypt", why="because no resource-based policy allows the {} action")
    aws.faults["GetParameters"] = fault
    aws.faults["GetParameter"] = lambda asked: fault(asked) if asked["Name"] == "/locked" else None
    found = store.fetch([Parameter("/good"), Parameter("/locked")], timeout=TIMEOUT)
    assert values(found) == {Parameter("/good"): "/good"}
    assert found[Parameter("/locked")] == Refusal(
        reason="access_denied",
        message="parameter /locked: role reader may not kms:Decrypt with the key that encrypts it; "
        "allow it in the key's policy and the role's",
    )


@pytest.mark.parametrize("others", [[], [Parameter("/there")]])
def test_missing_parameters_and_versions(store: Aws, owner: Any, others: list[Parameter]) -> None:
    """They are refused as not found, in a batch and alone, with the region that was asked."""
    put(owner, "/there", "value")
    for missing in (Parameter("/missing"), Parameter("/there", version="7")):
        found = store.fetch([missing, *others], timeout=TIMEOUT)
        assert refused(found, missing).reason == "not_found"
        assert f"in {REGION}" in refused(found, missing).message
        assert len(values(found)) == len(others)


@pytest.mark.parametrize("path", ["/app", "/app/", f"arn:aws:ssm:{REGION}:123456789012:parameter/app"])
def test_a_path_in_pages(aws: FaultyAws, store: Aws, owner: Any, path: str) -> None:
    """All parameters below it, in sub-paths too, by full name."""
    wanted = {f"/app/{sub}/p{number}": f"{sub}{number}" for sub in ("x", "y") for number in range(6)}
    for name, value in wanted.items():
        put(owner, name, value)
    put(owner, "/application", "not below")
    assert values(store.fetch([ParameterPath(path)], timeout=TIMEOUT)) == {ParameterPath(path): wanted}
    assert aws.asked["GetParametersByPath"] == 2


def test_a_path_of_another_account(store: Aws, owner: Any) -> None:
    """AWS is asked for the path alone: what it finds in the role's account is not what the ARN names."""
    put(owner, "/app/db", "value")
    other = ParameterPath(f"arn:aws:ssm:{REGION}:999999999999:parameter/app")
    found = refused(store.fetch([other], timeout=TIMEOUT), other)
    assert found.reason == "invalid"
    assert "in the account of the role alone" in found.message
    assert refused(store.versions([other], timeout=TIMEOUT), other) == found


def test_an_empty_path(store: Aws) -> None:
    """No parameter below is a mistake of the path, or of the region."""
    nothing = ParameterPath("/nothing")
    found = refused(store.fetch([nothing], timeout=TIMEOUT), nothing)
    assert (found.reason, found.message) == (
        "not_found",
        f"there are no parameters below /nothing in {REGION}: check path and region",
    )


def test_versions_are_those_of_a_fetch_and_change_with_a_write(store: Aws, owner: Any) -> None:
    """By name and by path; a parameter that was made again, with the same number, has changed too."""
    put(owner, "/app/db", "old")
    sources: list[Source] = [Parameter("/app/db"), ParameterPath("/app")]
    fetched = versions(store.fetch(sources, timeout=TIMEOUT))
    first = store.versions(sources, timeout=TIMEOUT)
    assert first == fetched
    put(owner, "/app/db", "new")
    second = store.versions(sources, timeout=TIMEOUT)
    owner.delete_parameter(Name="/app/db")
    put(owner, "/app/db", "again")
    third = store.versions(sources, timeout=TIMEOUT)
    for source in sources:
        assert len({first[source], second[source], third[source]}) == 3
