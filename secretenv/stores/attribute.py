"""What does an attribute of DynamoDB say as text? Pure.

S, N and BOOL as JSON writes them (a string without its quotes), B as its bytes; maps, lists and sets are JSON text, in
which binary values are base64 and NULL is `null`; alone it has no text. Numbers keep all of their digits.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_AttributeValue.html
"""

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any


def text_or_bytes(attribute: Mapping[str, Any]) -> str | bytes:
    """The value of an attribute as botocore gives it: its type and value. Raises ValueError where it has no text."""
    match attribute:
        case {"S": str(text)} | {"N": str(text)}:
            return text
        case {"B": bytes(data)}:
            return data
        case {"NULL": bool()}:
            raise ValueError("null, and null has no text")
    return _json(attribute)


def _json(attribute: Mapping[str, Any]) -> str:
    match attribute:
        case {"S": str(text)}:
            return json.dumps(text, ensure_ascii=False)
        case {"N": str(number)}:
            return number
        case {"B": bytes(data)}:
            return json.dumps(b64encode(data).decode())
        case {"BOOL": bool(value)}:
            return json.dumps(value)
        case {"NULL": bool()}:
            return "null"
        case {"M": dict(members)}:
            return (
                "{"
                + ",".join(f"{json.dumps(key, ensure_ascii=False)}:{_json(value)}" for key, value in members.items())
                + "}"
            )
        case {"L": list(values)}:
            return _list(values)
        case {"SS": list(values)} | {"NS": list(values)} | {"BS": list(values)}:
            (kind,) = attribute
            return _list([{kind[0]: value} for value in values])
    raise ValueError(f"an attribute of the types {', '.join(attribute)}")


def _list(values: list[Any]) -> str:
    return "[" + ",".join(map(_json, values)) + "]"
