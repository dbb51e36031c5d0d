"""What does a reference take of what was read?

Pure. Errors name the source and the key that was asked for, never a value, and no other key.
"""

from collections.abc import Mapping
from typing import Any

from secretenv import json_text
from secretenv.references import Key, ParameterPath, Pointer, Reference, canonical
from secretenv.stores import Refusal
from secretenv.stores.arn import path_of


def select(reference: Reference, value: str | bytes | Mapping[str, str]) -> str | bytes | Refusal:
    """What a reference takes from what was read, before its filters."""
    source = canonical(Reference(reference.source))
    if isinstance(value, Mapping):
        path = path_of(reference.source) if isinstance(reference.source, ParameterPath) else ""
        return _of_path(source, path, reference.select, value)
    if reference.select is None:
        return value
    asked = _asked(reference.select)
    if isinstance(value, bytes):
        return Refusal(reason="invalid", message=f"{source} is binary, so that it has no {asked}")
    try:
        document = json_text.load(value)
    except ValueError:
        return Refusal(reason="invalid", message=f"{source} is no JSON, so that it has no {asked}")
    if isinstance(reference.select, Key) and not isinstance(document, dict):
        return Refusal(reason="invalid", message=f"{source} is no JSON object, so that it has no {asked}")
    try:
        return json_text.text_of(_found(document, reference.select))
    except LookupError:
        return Refusal(reason="not_found", message=f"{source} has no {asked}")
    except json_text.NoTextError as exc:
        return Refusal(reason="invalid", message=f"{source}: the {asked} {exc}")


def _asked(select: Key | Pointer) -> str:
    return f"key {select.name!r}" if isinstance(select, Key) else f"value at {select.text!r}"


def _found(document: Any, select: Key | Pointer) -> Any:
    """Raises `LookupError`."""
    if isinstance(select, Key):
        return document[select.name]
    for step in select.text.split("/")[1:]:
        document = _child(document, step.replace("~1", "/").replace("~0", "~"))
    return document


def _child(document: Any, step: str) -> Any:
    """RFC 6901, 4: an array's index has no leading zero, no sign; "-" is behind the last one."""
    if isinstance(document, dict):
        return document[step]
    if isinstance(document, list) and step.isascii() and step.isdigit() and (step == "0" or step[0] != "0"):
        # An index with more digits than the array's length has is out of range; int() would refuse 4300.
        return document[int(step)] if len(step) <= len(str(len(document))) else document[len(document)]
    raise LookupError


def _of_path(source: str, path: str, select: Key | Pointer | None, parameters: Mapping[str, str]) -> str | Refusal:
    """A parameter by its relative path, or else by its last element, which one alone may have; or all as JSON."""
    below = f"{path.rstrip('/')}/"
    relative = {name.removeprefix(below): value for name, value in sorted(parameters.items())}
    if select is None:
        return json_text.text_of(relative)
    name = select.name if isinstance(select, Key) else select.text
    if name in relative:
        return relative[name]
    alike = [full for full in relative if full.rpartition("/")[2] == name]
    if not alike:
        return Refusal(reason="not_found", message=f"{source} has no parameter {name!r}")
    if len(alike) > 1:
        both = f"{below}{alike[0]} and {below}{alike[1]}"
        return Refusal(
            reason="invalid",
            message=f"{source} has more than one parameter {name!r}: {both}; write which, as in {source}#{alike[0]}",
        )
    return relative[alike[0]]
