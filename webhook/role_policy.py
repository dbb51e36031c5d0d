"""Which namespace may use which role?

Pure: the operator's rules, and their verdict. Patterns match the whole text, in its case; `*` stands for any
characters, the slashes of a role's path among them, `?` for one. What no rule allows is denied.
"""

import re
from dataclasses import dataclass
from typing import Any

from serving.rules import RulesError, list_of, matches, patterns_of, refuse_same_names, refuse_unknown, text_of

_NAME = re.compile(r"[A-Za-z0-9._-]{1,63}")
_NAMESPACE = re.compile(r"[a-z0-9*?-]{1,63}")
# A pattern that begins otherwise can match no ARN.
_ROLE = re.compile(r"(arn:|\*)[!-~]{0,1000}")
_KEYS = ("name", "namespaces", "roles")
# A denial names so many rules, and so many patterns of each.
_MOST_NAMED = 3


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
        covering = [rule for rule in self.rules if matches(namespace, rule.namespaces)]
        if any(matches(role_arn, rule.roles) for rule in covering):
            return None
        if not covering:
            return "no rule covers this namespace: ask the webhook's operator to add one"
        allowed = _listed([f"rule {rule.name!r} allows {_listed(list(rule.roles), ', ')}" for rule in covering], "; ")
        return f"{allowed}: use such a role, or ask the webhook's operator to allow this one"


def parse_role_policy(document: Any) -> RolePolicy:
    """The policy in a document's data. Raises `RulesError`."""
    if not isinstance(document, dict):
        raise RulesError("expected a mapping with the key rules")
    refuse_unknown(document, ("rules",), "the policy")
    found = list_of(document, "rules", "", "a list of rules")
    rules = tuple(_rule(rule, f"rules[{index}]") for index, rule in enumerate(found))
    refuse_same_names([rule.name for rule in rules], "rules")
    return RolePolicy(rules=rules)


def _rule(rule: Any, place: str) -> Rule:
    if not isinstance(rule, dict):
        raise RulesError(f"{place}: expected a mapping with {', '.join(_KEYS)}")
    refuse_unknown(rule, _KEYS, place)
    name = text_of(rule.get("name"), f"{place}.name", _NAME, "1 to 63 characters of A-Z a-z 0-9 . _ -")
    return Rule(
        name=name,
        namespaces=patterns_of(rule, "namespaces", place, _NAMESPACE, "a namespace's name in which * and ? may stand"),
        roles=patterns_of(
            rule,
            "roles",
            place,
            _ROLE,
            "a role's ARN in which * and ? may stand: arn:aws:iam::123456789012:role/shop/*",
        ),
    )


def _listed(items: list[str], separator: str) -> str:
    more = len(items) - _MOST_NAMED
    return separator.join([*items[:_MOST_NAMED], *([f"and {more} more"] if more > 0 else [])])
