"""What is wrong in a document of an operator's rules, and what do its patterns match?

Pure. What is absent, empty, misspelt or of another type is refused: each could mean nothing or everything. Patterns
match the whole text, in its case; `*` stands for any characters, `?` for one.
"""

import fnmatch
import re
from collections.abc import Mapping, Sequence
from typing import Any


class RulesError(Exception):
    """The rules can't be meant; the message names the place in them and what is expected."""


def patterns_of(rule: Mapping[Any, Any], key: str, place: str, form: re.Pattern[str], expected: str) -> tuple[str, ...]:
    """A list of patterns, each in this form. Raises `RulesError`."""
    found = list_of(rule, key, f"{place}.", "a list of patterns")
    return tuple(text_of(pattern, f"{place}.{key}[{index}]", form, expected) for index, pattern in enumerate(found))


def list_of(holder: Mapping[Any, Any], key: str, prefix: str, expected: str) -> list[Any]:
    """An absent or empty list could mean nothing or everything; it has to be said."""
    found = holder.get(key)
    if not isinstance(found, list):
        raise RulesError(f"{prefix}{key}: expected {expected}, and it is {_kind(found)}")
    if not found:
        raise RulesError(f"{prefix}{key}: the list is empty: name at least one, or remove what it belongs to")
    return found


def text_of(found: Any, place: str, form: re.Pattern[str], expected: str) -> str:
    """A text in this form. Raises `RulesError`."""
    if not isinstance(found, str):
        quotes = ": put it in quotes" if isinstance(found, bool | int | float) else ""
        raise RulesError(f"{place}: expected {expected}, and it is {_kind(found)}{quotes}")
    if not form.fullmatch(found):
        raise RulesError(f"{place}: {found[:100]!r} is not valid: expected {expected}")
    return found


def refuse_same_names(names: Sequence[str], key: str) -> None:
    """Messages name a rule: each name is one rule's."""
    places: dict[str, int] = {}
    for index, name in enumerate(names):
        if name in places:
            raise RulesError(
                f"{key}[{index}].name: {name!r} is already the name of {key}[{places[name]}]: choose another"
            )
        places[name] = index


def refuse_unknown(holder: Mapping[Any, Any], known: tuple[str, ...], place: str) -> None:
    """A misspelt key must not make a rule mean something else."""
    for key in holder:
        if key not in known:
            raise RulesError(f"{place}: there is no key {str(key)[:100]!r}: expected {', '.join(known)}")


def _kind(found: Any) -> str:
    if found is None:
        return "absent or null"
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "a list", dict: "a mapping"}
    return names.get(type(found), "something else")


def matches(text: str, patterns: tuple[str, ...]) -> bool:
    """Whether one of the patterns matches the whole text."""
    # fnmatch's brackets are sets; an ARN's are brackets.
    return any(fnmatch.fnmatchcase(text, pattern.replace("[", "[[]")) for pattern in patterns)
