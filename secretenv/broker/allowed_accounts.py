"""Whom does a secret itself allow? piggy's PIGGY_ALLOWED_SA, a key inside the secret or a parameter of the path.

Pure. It is honoured where it is present, and taken out of what anybody gets: NAMESPACE:SERVICEACCOUNT, separated by
commas; blanks around them mean nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce

from secretenv import json_text

KEY = "PIGGY_ALLOWED_SA"
_NOBODY: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Guarded:
    """What was read, without the list, and the list."""

    value: str | bytes | Mapping[str, str] = field(repr=False)
    accounts: frozenset[str] | None
    """None: the secret names none."""


def guarded(value: str | bytes | Mapping[str, str]) -> Guarded:
    """Take the list out of what a store gave."""
    if isinstance(value, Mapping):
        return _of_path(value)
    # An escape could hide the key's name; without either there is nothing to parse for.
    if isinstance(value, bytes) or not (KEY in value or "\\u" in value):
        return Guarded(value, None)
    try:
        document = json_text.load(value)
    except ValueError:
        return Guarded(value, None)
    if not isinstance(document, dict) or KEY not in document:
        return Guarded(value, None)
    listed = document.pop(KEY)
    # A list that is no text can be meant in no way: it allows nobody.
    return Guarded(json_text.text_of(document), _accounts(listed) if isinstance(listed, str) else _NOBODY)


def _of_path(parameters: Mapping[str, str]) -> Guarded:
    """Of several lists below one path each has to allow: which of them was meant for what, nobody knows."""
    lists = [_accounts(text) for name, text in parameters.items() if _is_list(name)]
    if not lists:
        return Guarded(parameters, None)
    rest = {name: text for name, text in parameters.items() if not _is_list(name)}
    return Guarded(rest, reduce(frozenset.intersection, lists))


def _is_list(name: str) -> bool:
    return name.rpartition("/")[2] == KEY


def _accounts(text: str) -> frozenset[str]:
    return frozenset(account for part in text.split(",") if (account := part.strip()))
