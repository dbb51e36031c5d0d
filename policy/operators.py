"""What does a condition operator compare?

Pure. One table of AWS's operators; each makes, from one value of the policy, a test of one value of the request.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

import ipaddress
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

Test = Callable[[str], bool]
Resolve = Callable[[str], str]
_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_ARN_PARTS = 6


class BadValueError(Exception):
    """The policy's value is not of the operator's kind; the message is the expected form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """One operator without prefix and suffix."""

    test: Callable[[str, Resolve | None], Test]
    """From the policy's value (and what resolves its variables, or None) to the test. Raises BadValueError."""
    negated: bool = False


def _split(text: str, resolve: Resolve | None) -> list[tuple[str, bool]]:
    """The text's pieces, each with whether it is literal: what a variable stands for is, even `${*}`."""
    if resolve is None:
        return [(text, False)]
    pieces: list[tuple[str, bool]] = []
    end = 0
    for match in _VARIABLE.finditer(text):
        pieces += [(text[end : match.start()], False), (resolve(match[1]), True)]
        end = match.end()
    return [*pieces, (text[end:], False)]


def _literal(text: str, resolve: Resolve | None) -> str:
    return "".join(piece for piece, _ in _split(text, resolve))


def _pattern(text: str, resolve: Resolve | None) -> re.Pattern[str]:
    def regex(piece: str) -> str:
        return re.escape(piece).replace(r"\*", ".*").replace(r"\?", ".")

    parts = (re.escape(piece) if literal else regex(piece) for piece, literal in _split(text, resolve))
    return re.compile("".join(parts), re.DOTALL)


def _equals(text: str, resolve: Resolve | None) -> Test:
    wanted = _literal(text, resolve)
    return lambda value: value == wanted


def _equals_ignore_case(text: str, resolve: Resolve | None) -> Test:
    wanted = _literal(text, resolve).casefold()
    return lambda value: value.casefold() == wanted


def _like(text: str, resolve: Resolve | None) -> Test:
    pattern = _pattern(text, resolve)
    return lambda value: pattern.fullmatch(value) is not None


def _arn(text: str, resolve: Resolve | None) -> Test:
    """Each of the six parts is matched by itself: a wildcard does not reach over a colon."""
    if resolve is not None and _VARIABLE.search(text):
        raise BadValueError("variables within ARNs are not judged here: an ARN without one")
    patterns = [_pattern(part, None) for part in text.split(":", _ARN_PARTS - 1)]
    if len(patterns) != _ARN_PARTS:
        raise BadValueError("an ARN of six parts")

    def matches(value: str) -> bool:
        parts = value.split(":", _ARN_PARTS - 1)
        return len(parts) == _ARN_PARTS and all(
            pattern.fullmatch(part) for pattern, part in zip(patterns, parts, strict=True)
        )

    return matches


def _bool(text: str, _: Resolve | None) -> Test:
    wanted = text.lower()
    if wanted not in ("true", "false"):
        raise BadValueError("true or false")
    return lambda value: value.lower() == wanted


def _ip_address(text: str, _: Resolve | None) -> Test:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError as exc:
        raise BadValueError("an address or a CIDR range") from exc

    def matches(value: str) -> bool:
        try:
            return ipaddress.ip_address(value) in network
        except ValueError:
            return False

    return matches


def _ordered(read: Callable[[str], Any], form: str, compare: Callable[[Any, Any], bool]) -> Operator:
    def make(text: str, _: Resolve | None) -> Test:
        wanted = read(text)
        if wanted is None:
            raise BadValueError(form)

        def matches(value: str) -> bool:
            found = read(value)
            return found is not None and compare(found, wanted)

        return matches

    return Operator(test=make)


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _date(text: str) -> datetime | None:
    """ISO 8601 or seconds since 1970; a date without a zone is UTC."""
    seconds = _number(text)
    try:
        if seconds is not None:
            return datetime.fromtimestamp(float(seconds), tz=UTC)
        found = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _orders(prefix: str, read: Callable[[str], Any], form: str) -> dict[str, Operator]:
    comparisons: dict[str, Callable[[Any, Any], bool]] = {
        "Equals": operator.eq,
        "LessThan": operator.lt,
        "LessThanEquals": operator.le,
        "GreaterThan": operator.gt,
        "GreaterThanEquals": operator.ge,
    }
    found = {f"{prefix}{name}": _ordered(read, form, compare) for name, compare in comparisons.items()}
    found[f"{prefix}NotEquals"] = Operator(test=found[f"{prefix}Equals"].test, negated=True)
    return found


OPERATORS: dict[str, Operator] = {
    "StringEquals": Operator(test=_equals),
    "StringNotEquals": Operator(test=_equals, negated=True),
    "StringEqualsIgnoreCase": Operator(test=_equals_ignore_case),
    "StringNotEqualsIgnoreCase": Operator(test=_equals_ignore_case, negated=True),
    "StringLike": Operator(test=_like),
    "StringNotLike": Operator(test=_like, negated=True),
    "ArnEquals": Operator(test=_arn),
    "ArnLike": Operator(test=_arn),
    "ArnNotEquals": Operator(test=_arn, negated=True),
    "ArnNotLike": Operator(test=_arn, negated=True),
    "Bool": Operator(test=_bool),
    "IpAddress": Operator(test=_ip_address),
    "NotIpAddress": Operator(test=_ip_address, negated=True),
    **_orders("Numeric", _number, "a number"),
    **_orders("Date", _date, "a date (ISO 8601 or seconds since 1970)"),
}
