"""Attributes of DynamoDB items, by botocore over HTTP from moto; every type as text."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secretenv.references import Item
from secretenv.stores.attribute import text_or_bytes
from secretenv.stores.aws import Aws
from tests.stores.conftest import REGION, Setup
from tests.stores.faulty import FaultyAws, denied
from tests.stores.outcomes import refused, values, versions

TIMEOUT = 10.0
ATTRIBUTES = {
    "value": ({"S": "text"}, "text"),
    "number": ({"N": "12345678901234567890.5"}, "12345678901234567890.5"),
    "binary": ({"B": b"\x00\xff"}, b"\x00\xff"),
    "bool": ({"BOOL": True}, "true"),
    "map": ({"M": {"a": {"NULL": True}, "b": {"S": "x"}}}, '{"a":null,"b":"x"}'),
    "a.dotted-name": (
        {"M": {"k\u00e9y": {"L": [{"N": "1"}, {"S": "x"}, {"B": b"\xff"}]}}},
        '{"k\u00e9y":[1,"x","/w=="]}',
    ),
    "names": ({"SS": ["a"]}, '["a"]'),
    "numbers": ({"NS": ["7"]}, "[7]"),
}


@pytest.fixture
def owner(setup: Setup) -> Any:
    """The owner's client, and a table with one item."""
    client = setup("dynamodb")
    client.create_table(
        TableName="secrets",
        KeySchema=[{"AttributeName": "name", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "name", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    item = {name: attribute for name, (attribute, _) in ATTRIBUTES.items()}
    client.put_item(TableName="secrets", Item={"name": {"S": "/app/db"}, "null": {"NULL": True}, **item})
    return client


def item(attribute: str, key: str = "/app/db", table: str = "secrets") -> Item:
    """A source in the table."""
    return Item(table=table, key=key, key_attribute="name", attribute=attribute)


@pytest.mark.usefixtures("owner")
def test_every_type_in_one_read(aws: FaultyAws, store: Aws) -> None:
    """All that is asked of one item, reserved words and dots too, is one GetItem."""
    found = store.fetch([item(name) for name in ATTRIBUTES], timeout=TIMEOUT)
    assert values(found) == {item(name): value for name, (_, value) in ATTRIBUTES.items()}
    assert aws.asked["GetItem"] == 1


@pytest.mark.usefixtures("owner")
def test_the_table_by_arn(store: Aws) -> None:
    """In the region of the ARN."""
    source = item("value", table=f"arn:aws:dynamodb:{REGION}:123456789012:table/secrets")
    assert values(store.fetch([source], timeout=TIMEOUT)) == {source: "text"}


@pytest.mark.parametrize(
    ("source", "reason", "said"),
    [
        (item("missing"), "not_found", "has no attribute missing"),
        (item("null"), "invalid", "item /app/db of table secrets: null is null, and null has no text"),
        (item("value", key="/missing"), "not_found", f"is not there in {REGION}"),
        (item("value", table="missing"), "not_found", f"is not there in {REGION}"),
        (Item(table="secrets", key="x", key_attribute="other", attribute="value"), "invalid", "partition key"),
    ],
)
@pytest.mark.usefixtures("owner")
def test_refusals(store: Aws, source: Item, reason: str, said: str) -> None:
    """Each mistake has its own words."""
    found = refused(store.fetch([source], timeout=TIMEOUT), source)
    assert (found.reason, said in found.message) == (reason, True), found.message


def test_denied(aws: FaultyAws, store: Aws) -> None:
    """The action is named."""
    aws.faults["GetItem"] = denied("dynamodb:GetItem")
    found = store.fetch([item("value")], timeout=TIMEOUT)
    assert "role reader may not dynamodb:GetItem" in refused(found, item("value")).message


def test_versions(store: Aws, owner: Any) -> None:
    """That of a fetch; it changes with the attribute, and not with others."""
    before = store.versions([item("value"), item("number")], timeout=TIMEOUT)
    fetched = versions(store.fetch([item("value")], timeout=TIMEOUT))
    assert before[item("value")] == fetched[item("value")]
    owner.put_item(
        TableName="secrets", Item={"name": {"S": "/app/db"}, "value": {"S": "new"}, "number": ATTRIBUTES["number"][0]}
    )
    after = store.versions([item("value"), item("number")], timeout=TIMEOUT)
    assert after[item("value")] != before[item("value")]
    assert after[item("number")] == before[item("number")]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def typed(value: Any) -> dict[str, Any]:
    """As DynamoDB stores it."""
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case int():
            return {"N": str(value)}
        case str():
            return {"S": value}
        case list():
            return {"L": [typed(each) for each in value]}
    return {"M": {name: typed(each) for name, each in value.items()}}


@given(JSON.filter(lambda value: value is not None))
def test_maps_and_lists_are_json(value: Any) -> None:
    """Whatever JSON is stored comes back as the same JSON; a string alone comes back as itself."""
    text = text_or_bytes(typed(value))
    assert isinstance(text, str)
    assert (text if isinstance(value, str) else json.loads(text)) == value
