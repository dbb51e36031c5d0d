"""Grants: their form, and what they allow."""

from pathlib import Path
from typing import Any

import pytest

from secretenv.broker.grants import as_granted, parse_grants
from secretenv.broker.grants_file import GrantsFileError, load_grants
from secretenv.references import Item, Parameter, ParameterPath, Secret, Source
from serving.rules import RulesError

GRANT = {"name": "g", "serviceAccounts": ["shop:api", "web-*:*"], "secrets": ["sm://shop/*", "ssm:///a/?"]}

SOURCES: dict[str, Source] = {
    "sm://shop/db": Secret("shop/db", version="3"),
    "sm://arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop/db-AbCdEf": Secret(
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop/db-AbCdEf"
    ),
    "ssm:///a/b": Parameter("/a/b"),
    "ssm-path:///a": ParameterPath("/a"),
    "ssm-path://arn:aws:ssm:eu-west-1:123456789012:parameter/a": ParameterPath(
        "arn:aws:ssm:eu-west-1:123456789012:parameter/a"
    ),
    "ddb://table/a key": Item("table", "a key", "secretName", "secretValue"),
}


@pytest.mark.parametrize("name", SOURCES)
def test_how_patterns_see_a_source(name: str) -> None:
    """By scheme, and by the name that AWS is asked for: neither escapes nor versions."""
    assert as_granted(SOURCES[name]) == name


@pytest.mark.parametrize(
    ("account", "name", "allowed"),
    [
        ("shop:api", "sm://shop/db", True),
        ("web-1:anybody", "ssm:///a/b", True),
        ("shop:other", "sm://shop/db", False),
        ("web:api", "sm://shop/db", False),
        ("shop:api", "ssm-path:///a", False),
        ("shop:api", "ddb://table/a key", False),
        ("shop:api", "sm://arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop/db-AbCdEf", False),
    ],
)
def test_what_a_grant_allows(account: str, name: str, allowed: bool) -> None:  # noqa: FBT001 - a table's column
    """Whole texts, in their case; an ARN is another name than the secret's own."""
    assert parse_grants({"grants": [GRANT]}).allows(account, SOURCES[name]) is allowed


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (None, "expected a mapping with the key grants"),
        ({"grants": []}, "the list is empty"),
        ({"rules": [GRANT]}, "there is no key 'rules'"),
        ({"grants": [5]}, r"grants\[0\]: expected a mapping"),
        ({"grants": [GRANT | {"roles": []}]}, r"grants\[0\]: there is no key 'roles'"),
        ({"grants": [GRANT | {"secrets": []}]}, r"grants\[0\].secrets: the list is empty"),
        ({"grants": [GRANT | {"secrets": ["shop/*"]}]}, r"secrets\[0\]: 'shop/\*' is not valid: expected sm://"),
        ({"grants": [GRANT | {"serviceAccounts": ["shop"]}]}, "expected NAMESPACE:SERVICEACCOUNT"),
        ({"grants": [GRANT | {"serviceAccounts": ["*"]}]}, "expected NAMESPACE:SERVICEACCOUNT"),
        ({"grants": [GRANT | {"name": True}]}, "put it in quotes"),
        ({"grants": [GRANT, GRANT]}, "already the name"),
    ],
)
def test_what_cannot_be_meant_is_refused(document: Any, said: str) -> None:
    """With the place, and what is expected."""
    with pytest.raises(RulesError, match=said):
        parse_grants(document)


def test_a_broken_file_names_itself(tmp_path: Path) -> None:
    """And the line."""
    for text, said in (("grants: [", "line 1"), ("grants: []\ngrants: []", "stands twice"), ("grants: 5", "a number")):
        with pytest.raises(GrantsFileError, match=rf"^{tmp_path}.*{said}"):
            load_grants(text, str(tmp_path))
