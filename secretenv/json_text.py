"""A secret's JSON, and the text of a value in it.

Pure. A string is its text; a number is as it was written (1.0, 1e3, twenty digits); true and false are those words; an
object or an array is compact JSON. null has no text.
"""

import json
from typing import Any, NoReturn


class NoTextError(Exception):
    """The value has no text; the message says why."""


class _Number(str):
    """A number as it was written: Python's would lose digits and zeros."""

    __slots__ = ()


def load(text: str) -> Any:
    """The document. Raises `ValueError` where it is none; its message may quote the text and is not for others."""
    try:
        return json.loads(text, parse_float=_Number, parse_int=_Number, parse_constant=_refuse)
    except RecursionError as exc:
        raise ValueError("nested too deeply") from exc


def text_of(value: Any) -> str:
    """The text of a value that `load` gave. Raises `NoTextError`."""
    if value is None:
        raise NoTextError("is null, and null has no text")
    if isinstance(value, str):
        return str(value)
    try:
        return _written(value)
    except RecursionError as exc:
        raise NoTextError("is nested too deeply") from exc


def _written(value: Any) -> str:
    """Compact JSON. The library's writer would put a number that is kept as text into quotes."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{_quoted(key)}:{_written(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_written, value)) + "]"
    if isinstance(value, _Number):
        return str(value)
    return _quoted(value)


def _quoted(value: str | bool | None) -> str:  # noqa: FBT001 - a JSON scalar
    return json.dumps(value, ensure_ascii=False)


def _refuse(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are no JSON")
