"""Does one condition hold for this request?

Pure. Three answers: it holds, it fails (with both values), or only AWS can tell. The rules, with their pages under
https://docs.aws.amazon.com/IAM/latest/UserGuide/: reference_policies_elements_condition_operators.html (missing keys,
IfExists, Null), reference_policies_condition-logic-multiple-context-keys-or-values.html (several values) and
reference_policies_condition-single-vs-multi-valued-context-keys.html (ForAllValues, ForAnyValue).
"""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from policy.context import Context, ContextValue
from policy.document import Condition
from policy.errors import PolicyError
from policy.operators import OPERATORS, BadValueError, Operator, Resolve, Test

NULL = "Null"
IF_EXISTS = "IfExists"
FOR_ALL = "ForAllValues"
FOR_ANY = "ForAnyValue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holds:
    """The condition is true."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fails:
    """The condition is false; what the request has is beside it."""

    found: ContextValue | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unclear:
    """It depends on what is not in the token."""

    reason: str


Outcome = Holds | Fails | Unclear


class _UnresolvedError(Exception):
    """A policy variable whose value the token does not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parsed:
    set_operator: str
    name: str
    if_exists: bool


def judge(condition: Condition, context: Context, *, has_variables: bool) -> Outcome:
    """Whether a condition holds.

    | the request's key | plain operator | negated (Not…) | …IfExists | ForAllValues | ForAnyValue |
    |---|---|---|---|---|---|
    | is missing | false | true | true | true | false |
    | has one value | any of the policy's matches | none matches | as without | as a set of one | as a set of one |
    | has several | not documented | not documented | as without | each one must pass | one must pass |

    Raises PolicyError for an operator that AWS does not have, or a value that is not of the operator's kind.
    """
    parsed = parse_operator(condition)
    found = context.value(condition.key)
    if context.is_unknown(condition.key):
        return Unclear(reason=f"{condition.place}: {condition.key} comes from the request, not from the token")
    if parsed.name == NULL:
        return _judge_null(condition, found)
    operator = OPERATORS[parsed.name]
    try:
        tests = _tests(condition, operator, partial(_resolve, context=context) if has_variables else None)
    except _UnresolvedError as exc:
        return Unclear(reason=f"{condition.place}: the variable {exc} has no value that the token tells")
    if found is None:
        holds = parsed.if_exists or (parsed.set_operator == FOR_ALL if parsed.set_operator else operator.negated)
        return Holds() if holds else Fails(found=None)
    if len(found.values) > 1 and not parsed.set_operator:
        several = f"the token has several values here ({found.origin}: {', '.join(found.values)})"
        rule = f"AWS compares those only with ForAnyValue: or ForAllValues: before {parsed.name}"
        return Unclear(reason=f"{condition.place}: {several}, and {rule}")
    passed = [_passes(value, tests, operator) for value in found.values]
    holds = any(passed) if parsed.set_operator == FOR_ANY else all(passed)
    return Holds() if holds else Fails(found=found)


def parse_operator(condition: Condition) -> _Parsed:
    """The three parts of an operator's name. Raises PolicyError for an operator that AWS does not have."""
    prefix, colon, rest = condition.operator.rpartition(":")
    name = rest.removesuffix(IF_EXISTS)
    if_exists = name != rest
    if name == NULL and (if_exists or colon):
        raise PolicyError(condition.place, "Null takes neither IfExists nor a set operator; write Null")
    if (colon and prefix not in (FOR_ALL, FOR_ANY)) or (name != NULL and name not in OPERATORS):
        raise PolicyError(condition.place, f"{condition.operator!r} is no operator that is judged here{_meant(name)}")
    return _Parsed(set_operator=prefix, name=name, if_exists=if_exists)


def is_negated(condition: Condition) -> bool:
    """Whether the operator holds for everything but the policy's values."""
    parsed = parse_operator(condition)
    return parsed.name != NULL and OPERATORS[parsed.name].negated


def _meant(name: str) -> str:
    known = {operator.lower(): operator for operator in (*OPERATORS, NULL)}
    close = difflib.get_close_matches(name.lower(), known, n=1)
    return f"; do you mean {known[close[0]]}?" if close else f"; known are {', '.join((*OPERATORS, NULL))}"


def _judge_null(condition: Condition, found: ContextValue | None) -> Outcome:
    """`true` holds where the key is missing, `false` where it is there."""
    wanted = [value.lower() for value in condition.values]
    for value in wanted:
        if value not in ("true", "false"):
            raise PolicyError(condition.place, f"true or false is expected, found {value!r}")
    return Holds() if ("true" if found is None else "false") in wanted else Fails(found=found)


def _tests(condition: Condition, operator: Operator, resolve: Resolve | None) -> list[Test]:
    tests = []
    for value in condition.values:
        try:
            tests.append(operator.test(value, resolve))
        except BadValueError as exc:
            raise PolicyError(condition.place, f"{exc} is expected, found {value!r}") from exc
    return tests


def _passes(value: str, tests: Sequence[Test], operator: Operator) -> bool:
    return any(test(value) for test in tests) != operator.negated


def _resolve(variable: str, *, context: Context) -> str:
    """What `${variable}` stands for: `${*}`, `${?}` and `${$}` are the characters themselves; a default is in quotes.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
    """
    if variable in ("*", "?", "$"):
        return variable
    key, _, default = (part.strip() for part in variable.partition(","))
    found = context.value(key)
    if found is not None and len(found.values) == 1:
        return found.values[0]
    quoted = re.fullmatch(r"'(.*)'", default)
    if quoted and found is None and not context.is_unknown(key):
        return quoted[1]
    raise _UnresolvedError(f"${{{variable}}}")
