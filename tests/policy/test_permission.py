"""Permission policies: what a role needs to read these references, and nothing else."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from policy.permission import permission_policy
from secretenv.references import Syntax, parse

SYNTAX = Syntax(ours=True, arns=True, piggy=None)
SM, SSM, DDB = (f"arn:aws:{name}:eu-west-1:123456789012:" for name in ("secretsmanager", "ssm", "dynamodb"))
READ = "secretsmanager:GetSecretValue"


def statements(*texts: str, rotates: bool = False) -> list[dict[str, Any]]:
    """The policy's statements for these references."""
    templates = [template for text in texts if (template := parse(text, SYNTAX))]
    assert len(templates) == len(texts)
    sources = [reference.source for template in templates for reference in template.references]
    policy = permission_policy(sources, region="eu-west-1", account_id="123456789012", rotates=rotates)
    assert policy["Version"] == "2012-10-17"
    found: list[dict[str, Any]] = policy["Statement"]
    return found


@pytest.mark.parametrize(
    ("texts", "actions", "resources"),
    [
        (["sm://prod/db#user", "sm://prod/db#password"], [READ], [f"{SM}secret:prod/db-??????"]),
        ([f"{SM}secret:prod/db-a1B2c3"], [READ], [f"{SM}secret:prod/db-a1B2c3"]),
        ([f"sm://{SM}secret:prod/db#a"], [READ], [f"{SM}secret:prod/db-??????"]),
        (["ssm:///prod/a?version=3", "ssm://b"], ["ssm:GetParameter", "ssm:GetParameters"],
         [f"{SSM}parameter/b", f"{SSM}parameter/prod/a"]),
        ([f"{SSM}parameter/prod/a"], ["ssm:GetParameter", "ssm:GetParameters"], [f"{SSM}parameter/prod/a"]),
        (["ssm-path:///a/b#a"], ["ssm:GetParametersByPath"], [f"{SSM}parameter/a/b", f"{SSM}parameter/a/b/*"]),
        ([f"ssm-path://{SSM}parameter/a/#b"], ["ssm:GetParametersByPath"],
         [f"{SSM}parameter/a", f"{SSM}parameter/a/*"]),
        (["ssm-path:///#a"], ["ssm:GetParametersByPath"], [f"{SSM}parameter", f"{SSM}parameter/*"]),
    ],
)  # fmt: skip
def test_one_statement(texts: Sequence[str], actions: list[str], resources: list[str]) -> None:
    """A source's ARN, once, whatever is taken of it; an ARN that was written stays."""
    assert statements(*texts) == [{"Effect": "Allow", "Action": actions, "Resource": resources}]


def test_several_secrets_are_read_in_a_batch() -> None:
    """The batch has no resource of its own and grants nothing alone."""
    one, batch = statements("sm://a#x", "sm://b")

    assert one["Resource"] == [f"{SM}secret:a-??????", f"{SM}secret:b-??????"]
    assert batch == {"Effect": "Allow", "Action": ["secretsmanager:BatchGetSecretValue"], "Resource": ["*"]}
    assert len(statements("sm://a#x", "sm://b?stage=AWSPREVIOUS")) == 1  # a batch answers current versions only


def test_rotation_looks_at_versions() -> None:
    """Without the value: DescribeSecret."""
    [statement] = statements("sm://a#x", rotates=True)

    assert statement["Action"] == ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]


def test_items_are_held_by_their_keys() -> None:
    """Table by table, and no other item of it; a dollar is no policy variable."""
    one, other = statements("ddb://t/b", "ddb://t/a$%7Bx", f"{DDB}table/u/k")

    assert one == {
        "Effect": "Allow",
        "Action": ["dynamodb:GetItem"],
        "Resource": [f"{DDB}table/t"],
        "Condition": {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["a${$}{x", "b"]}},
    }
    assert other["Resource"] == [f"{DDB}table/u"]


def test_what_is_not_known_is_a_star() -> None:
    """Without a role the account is anybody's guess, and says so."""
    template = parse("sm://a", SYNTAX)
    assert template

    policy = permission_policy([each.source for each in template.references], region="*")

    assert "arn:aws:secretsmanager:*:*:secret:a-??????" in json.dumps(policy)


def test_nothing_needs_nothing() -> None:
    """No statement for no source."""
    assert statements() == []
