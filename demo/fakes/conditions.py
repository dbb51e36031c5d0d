"""IAM's condition operators over a request's context keys. Pure.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


class PolicyError(ValueError):
    """IAM would refuse to store this policy, or this fake does not know the operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The request: keys in lower case with one or more values; `variables` says that `${key}` is replaced."""

    values: Mapping[str, Sequence[str]]
    variables: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A condition's value after its variables were replaced: as text, and as an expression with its wildcards."""

    text: str
    expression: str


Compare = Callable[[Pattern, str], bool]

OPERATOR = re.compile(r"(?:(?P<set>ForAllValues|ForAnyValue):)?(?P<name>[A-Za-z]+?)(?P<if_exists>IfExists)?")
VARIABLE = re.compile(r"\$\{([^}]*)\}")


def condition_holds(operator: str, key: str, wanted: Sequence[Any], context: Context) -> bool:
    """Evaluate one key of one operator; the wanted values are alternatives.

    | the key is missing | result |
    |---|---|
    | ...IfExists | holds |
    | ForAllValues: | holds |
    | ForAnyValue: | does not hold |
    | negated (Not) | holds |
    | else | does not hold |
    """
    quantifier, name, if_exists = _parsed(operator)
    have = context.values.get(key.lower(), ())
    if name == "Null":
        return any((not have) == (_text(value) == "true") for value in wanted)
    positive = name.replace("Not", "", 1)
    negated = positive != name
    if not have:
        return if_exists or quantifier == "ForAllValues" or (negated and quantifier is None)
    patterns = [pattern for value in wanted if (pattern := _pattern(_text(value), context))]
    hits = [any(COMPARE[positive](pattern, value) for pattern in patterns) for value in have]
    if quantifier is None:
        return any(hits) != negated
    passed = [hit != negated for hit in hits]
    return all(passed) if quantifier == "ForAllValues" else any(passed)


def check_condition(operator: str, keys: Any) -> None:
    """Raise PolicyError if the operator is unknown or its body is no object."""
    _, name, if_exists = _parsed(operator)
    known = name in {"Null", *COMPARE, *NEGATED}
    if not known or (name == "Null" and if_exists):
        raise PolicyError(f"condition operator {operator!r} is unknown; expected one of {sorted({*COMPARE, *NEGATED})}")
    if not isinstance(keys, Mapping):
        raise PolicyError(f"the body of {operator} is not an object of keys")


def wildcard_matches(pattern: str, value: str) -> bool:
    """Match with `*` for any characters and `?` for one; nothing else is special."""
    return re.fullmatch(_expression(pattern), value, re.DOTALL) is not None


def _parsed(operator: str) -> tuple[str | None, str, bool]:
    match = OPERATOR.fullmatch(operator)
    if match is None:
        raise PolicyError(f"condition operator {operator!r} is malformed")
    return match["set"], match["name"], match["if_exists"] is not None


def _pattern(value: str, context: Context) -> Pattern | None:
    """Replace the variables; None if one has no value, for then nothing can match."""
    text, expression, end = "", "", 0
    for variable in VARIABLE.finditer(value) if context.variables else ():
        plain = value[end : variable.start()]
        found = _variable(variable[1], context)
        if found is None:
            return None
        text, expression = text + plain + found, expression + _expression(plain) + re.escape(found)
        end = variable.end()
    return Pattern(text=text + value[end:], expression=expression + _expression(value[end:]))


def _variable(inside: str, context: Context) -> str | None:
    if inside in {"*", "?", "$"}:
        return inside
    key, comma, default = inside.partition(",")
    have = context.values.get(key.strip().lower(), ())
    if len(have) == 1:
        return have[0]
    return default.strip().strip("'") if comma else None


def _expression(pattern: str) -> str:
    return re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _numeric(compare: Callable[[float, float], bool]) -> Compare:
    def compared(pattern: Pattern, value: str) -> bool:
        try:
            return compare(float(value), float(pattern.text))
        except ValueError:
            return False

    return compared


COMPARE: dict[str, Compare] = {
    "StringEquals": lambda pattern, value: pattern.text == value,
    "StringEqualsIgnoreCase": lambda pattern, value: pattern.text.lower() == value.lower(),
    "StringLike": lambda pattern, value: re.fullmatch(pattern.expression, value, re.DOTALL) is not None,
    "Bool": lambda pattern, value: pattern.text.lower() == value.lower(),
    "NumericEquals": _numeric(lambda have, wanted: have == wanted),
    "NumericLessThan": _numeric(lambda have, wanted: have < wanted),
    "NumericLessThanEquals": _numeric(lambda have, wanted: have <= wanted),
    "NumericGreaterThan": _numeric(lambda have, wanted: have > wanted),
    "NumericGreaterThanEquals": _numeric(lambda have, wanted: have >= wanted),
}
NEGATED = {"StringNotEquals", "StringNotEqualsIgnoreCase", "StringNotLike", "NumericNotEquals"}
