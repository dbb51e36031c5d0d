"""Frozen dataclasses to JSON and back: their fields are the keys.

Pure. Defaults are left out; what is read is strict: every key is known, every value has its field's type. Who reads
what another version may have written passes over the keys that it does not know.
"""

import math
import types
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

Record = TypeVar("Record")
_NAMES = {str: "a string", bool: "true or false", int: "a whole number", float: "a number"}


class RecordError(Exception):
    """What was read is no such record; the message names the place in it."""


def encoded(record: Any) -> Any:
    """A dataclass, a tuple of them or a plain value, as JSON has it."""
    if isinstance(record, tuple):
        return [encoded(item) for item in record]
    if not is_dataclass(record):
        return record
    values = {field.name: (getattr(record, field.name), field.default) for field in fields(record)}
    return {name: encoded(value) for name, (value, default) in values.items() if value != default}


def decoded(kind: type[Record], value: Any, place: str, *, takes_unknown: bool = False) -> Record:
    """The dataclass that this JSON object stands for. Raises `RecordError`."""
    if not isinstance(value, dict):
        raise RecordError(f"{place} must be an object")
    hints = get_type_hints(kind)
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]  # the caller gives a dataclass
    for name in value:
        if name not in known and not takes_unknown:
            raise RecordError(f"{place} has an unknown key {name!r}")
    for name, field in known.items():
        if name not in value and field.default is MISSING:
            raise RecordError(f"{place} has no key {name!r}")
    taken = {name: item for name, item in value.items() if name in known}
    return kind(**{name: _value(hints[name], item, f"{place}.{name}", takes_unknown) for name, item in taken.items()})


def _value(kind: Any, value: Any, place: str, takes_unknown: bool) -> Any:  # noqa: FBT001 - handed on
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is types.UnionType:
        return None if value is None else _value(arguments[0], value, place, takes_unknown)
    if origin is Literal:
        if value not in arguments:
            raise RecordError(f"{place} must be one of {', '.join(arguments)}")
        return value
    if origin is tuple:
        if not isinstance(value, list):
            raise RecordError(f"{place} must be a list")
        items = enumerate(value)
        return tuple(_value(arguments[0], item, f"{place}[{index}]", takes_unknown) for index, item in items)
    if isinstance(kind, type) and is_dataclass(kind):
        return decoded(kind, value, place, takes_unknown=takes_unknown)
    return _plain(kind, value, place)


def _plain(kind: type, value: Any, place: str) -> Any:
    """Python takes True for 1, and JSON's readers take NaN for a number: neither is one."""
    accepted = int | float if kind is float else kind
    wrong = isinstance(value, bool) is not (kind is bool) or not isinstance(value, accepted)
    if wrong or (kind is float and not math.isfinite(value)):
        raise RecordError(f"{place} must be {_NAMES[kind]}")
    return value
