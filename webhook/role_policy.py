"""Which namespace may use which role?

Pure: the operator's rules, and their verdict. Patterns match the whole text, in its case; `*` stands for any
characters, the slashes of a role's path among them, `?` for one. What no rule allows is denied.
"""

import fnmatch
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_NAME = re.compile(r"[A-Za-z0-9._-]{1,63}")
_NAMESPACE = re.compile(r"[a-z0-9*?-]{1,63}")
# A pattern that begins otherwise can match no ARN.
_ROLE = re.compile(r"(arn:|\*)[!-~]{0,1000}")
_KEYS = ("name", "namespaces", "roles")
# A denial names so many rules, and so many patterns of each.
_MOST_NAMED = 3


class RolePolicyError(Exception):
    """The policy can't be meant; the message names the place in it and what is expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Pods of these namespaces may use these roles."""

    name: str
    namespaces: tuple[str, ...]
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RolePolicy:
    """Every rule; a role needs one that allows it."""

    rules: tuple[Rule, ...]

    def refusal(self, namespace: str, role_arn: str) -> str | None:
        """Why pods of this namespace may not use this role, and what to do; None if they may."""
        covering = [rule for rule in self.rules if _matches(namespace, rule.namespaces)]
        if any(_matches(role_arn, rule.roles) for rule in covering):
            return None
        if not covering:
            return "no rule covers this namespace: ask the webhook's operator to add one"
        allowed = _listed([f"rule {rule.name!r} allows {_listed(list(rule.roles), ', ')}" for rule in covering], "; ")
        return f"{allowed}: use such a role, or ask the webhook's operator to allow this one"


def parse_role_policy(document: Any) -> RolePolicy:
    """The policy in a document's data. Raises `RolePolicyError`."""
    if not isinstance(document, dict):
        raise RolePolicyError("expected a mapping with the key rules")
    _refuse_unknown(document, ("rules",), "the policy")
    found = _list(document, "rules", "", "a list of rules")
    rules = tuple(_rule(rule, f"rules[{index}]") for index, rule in enumerate(found))
    places: dict[str, int] = {}
    for index, rule in enumerate(rules):
        if rule.name in places:
            raise RolePolicyError(
                f"rules[{index}].name: {rule.name!r} is already the name of rules[{places[rule.name]}]: choose another"
            )
        places[rule.name] = index
    return RolePolicy(rules=rules)


def _rule(rule: Any, place: str) -> Rule:
    if not isinstance(rule, dict):
        raise RolePolicyError(f"{place}: expected a mapping with {', '.join(_KEYS)}")
    _refuse_unknown(rule, _KEYS, place)
    name = _text(rule.get("name"), f"{place}.name", _NAME, "1 to 63 characters of A-Z a-z 0-9 . _ -")
    return Rule(
        name=name,
        namespaces=_patterns(rule, "namespaces", place, _NAMESPACE, "a namespace's name in which * and ? may stand"),
        roles=_patterns(
            rule,
            "roles",
            place,
            _ROLE,
            "a role's ARN in which * and ? may stand: arn:aws:iam::123456789012:role/shop/*",
        ),
    )


def _patterns(rule: Mapping[Any, Any], key: str, place: str, form: re.Pattern[str], expected: str) -> tuple[str, ...]:
    found = _list(rule, key, f"{place}.", "a list of patterns")
    return tuple(_text(pattern, f"{place}.{key}[{index}]", form, expected) for index, pattern in enumerate(found))


def _list(holder: Mapping[Any, Any], key: str, prefix: str, expected: str) -> list[Any]:
    """An absent or empty list could mean nothing or everything; it has to be said."""
    found = holder.get(key)
    if not isinstance(found, list):
        raise RolePolicyError(f"{prefix}{key}: expected {expected}, and it is {_kind(found)}")
    if not found:
        raise RolePolicyError(f"{prefix}{key}: the list is empty: name at least one, or remove what it belongs to")
    return found


def _text(found: Any, place: str, form: re.Pattern[str], expected: str) -> str:
    if not isinstance(found, str):
        quotes = ": put it in quotes" if isinstance(found, bool | int | float) else ""
        raise RolePolicyError(f"{place}: expected {expected}, and it is {_kind(found)}{quotes}")
    if not form.fullmatch(found):
        raise RolePolicyError(f"{place}: {found[:100]!r} is not valid: expected {expected}")
    return found


def _refuse_unknown(holder: Mapping[Any, Any], known: tuple[str, ...], place: str) -> None:
    """A misspelt key must not make a rule mean something else."""
    for key in holder:
        if key not in known:
            raise RolePolicyError(f"{place}: there is no key {str(key)[:100]!r}: expected {', '.join(known)}")


def _kind(found: Any) -> str:
    if found is None:
        return "absent or null"
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "a list", dict: "a mapping"}
    return names.get(type(found), "something else")


def _matches(text: str, patterns: tuple[str, ...]) -> bool:
    # fnmatch's brackets are sets; an ARN's are brackets.
    return any(fnmatch.fnmatchcase(text, pattern.replace("[", "[[]")) for pattern in patterns)


def _listed(items: list[str], separator: str) -> str:
    more = len(items) - _MOST_NAMED
    return separator.join([*items[:_MOST_NAMED], *([f"and {more} more"] if more > 0 else [])])
