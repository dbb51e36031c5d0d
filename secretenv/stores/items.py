"""DynamoDB: attributes of items, one consistent read for each item, whatever is asked of it.

The partition key is a string; a table with a sort key has no item for it. A version is a digest of the value: as
confidential as the value itself, for a short one can be guessed from it.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_GetItem.html
"""

import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from secretenv.references import Item
from secretenv.stores import Fetched, Refusal
from secretenv.stores.attribute import text_or_bytes
from secretenv.stores.reading import Outcome, Outcomes, Reading, incomplete
from secretenv.stores.refusals import ERRORS, absent, named, refusal


def fetch(reading: Reading, items: Sequence[Item]) -> Outcomes:
    """What came in time."""
    asked: dict[tuple[str, str, str], list[Item]] = {}
    for item in items:
        asked.setdefault((item.table, item.key_attribute, item.key), []).append(item)
    return reading.together([partial(_one, reading, same) for same in asked.values()])


def _one(reading: Reading, items: Sequence[Item]) -> Outcomes:
    item = items[0]
    # A name of its own for each attribute: many words, and every dot, mean something in an expression.
    names = {f"#a{number}": each.attribute for number, each in enumerate(items)}
    try:
        answer = reading.client.get_item(
            TableName=item.table,
            Key={item.key_attribute: {"S": item.key}},
            ConsistentRead=True,
            ProjectionExpression=",".join([*names, "#key"]),
            ExpressionAttributeNames={**names, "#key": item.key_attribute},
            ReturnConsumedCapacity="TOTAL",  # so that a missing item is told from an answer that says nothing
        )
    except ERRORS as exc:
        return {each: _refusal(exc, each, reading) for each in items}
    return {each: _outcome(each, answer, reading.region) for each in items}


def _refusal(exc: Exception, item: Item, reading: Reading) -> Refusal:
    said = refusal(exc, item, region=reading.region, role=reading.role)
    if said.reason != "invalid" or "key element" not in said.message:
        return said
    form = f"{item.key_attribute} must be the table's partition key, of type string, and its only key"
    return Refusal(reason="invalid", message=f"{named(item)}: {form}")


def _outcome(item: Item, answer: Mapping[str, Any], region: str) -> Outcome:
    if "ConsumedCapacity" not in answer:
        return incomplete(item)
    found = answer.get("Item")
    if not found:
        return absent(named(item), region, check="table, key and region")
    if item.attribute not in found:
        return Refusal(reason="not_found", message=f"{named(item)} has no attribute {item.attribute}")
    try:
        value = text_or_bytes(found[item.attribute])
    except ValueError as exc:
        return Refusal(reason="invalid", message=f"{named(item)}: {item.attribute} is {exc}")
    data = value if isinstance(value, bytes) else value.encode()
    about = f"{item.table}\n{item.key}\n{item.attribute}\n{type(value).__name__}\n"
    return Fetched(value=value, version=hashlib.sha256(about.encode() + data).hexdigest())
