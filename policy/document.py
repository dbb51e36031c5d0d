"""What does a trust policy say? JSON in, statements out, or an error that names the place.

Pure. The grammar is AWS's (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html) with a
trust policy's limits: a Principal, no Resource. What IAM would not save is an error here, never silently ignored.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast
from urllib.parse import unquote

from policy.errors import PolicyError

Effect = Literal["Allow", "Deny"]
PRINCIPAL_TYPES = ("AWS", "Federated", "Service", "CanonicalUser")
# Variables such as ${sts:RoleSessionName} came with this version; without it they are plain text.
VARIABLES_VERSION = "2012-10-17"
VERSIONS = (VARIABLES_VERSION, "2008-10-17")
_POLICY_FIELDS = ("Version", "Id", "Statement")
_STATEMENT_FIELDS = ("Sid", "Effect", "Principal", "Action", "NotAction", "Condition")
_REFUSED_FIELDS = {
    "Resource": "a trust policy has no Resource: it is attached to the role; remove it",
    "NotResource": "a trust policy has no Resource: it is attached to the role; remove it",
    "NotPrincipal": "NotPrincipal is not judged here, and as an Allow it lets in everybody else; name a Principal",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One operator on one key: every value of the policy that may match."""

    place: str
    operator: str
    key: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement of a trust policy."""

    place: str
    index: int
    effect: Effect
    principals: tuple[tuple[str, str], ...]
    """Pairs of type and identifier; ("*", "*") is everybody."""
    actions: tuple[str, ...]
    negated_action: bool
    """NotAction: the statement is about every action but these."""
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A whole trust policy."""

    has_variables: bool
    """Whether ${…} means something in this version of the language."""
    statements: tuple[Statement, ...]


def parse_policy(text: str) -> dict[str, Any]:
    """The policy in a text: plain, URL-encoded as IAM's API gives it, or within the answer of `aws iam get-role`.

    Raises PolicyError with line and column for what is no JSON, and for a key that stands twice.
    """
    plain = unquote(text) if text.lstrip().upper().startswith("%7B") else text
    try:
        found = json.loads(plain, object_pairs_hook=_unique)
    except json.JSONDecodeError as exc:
        raise PolicyError(f"line {exc.lineno}, column {exc.colno}", f"no JSON: {exc.msg}") from exc
    if isinstance(found, dict) and isinstance(found.get("Role"), dict):
        found = found["Role"]
    if isinstance(found, dict) and "AssumeRolePolicyDocument" in found:
        found = found["AssumeRolePolicyDocument"]
    if not isinstance(found, dict):
        raise PolicyError("policy", f"an object is expected, found {_kind(found)}")
    return found


def document_of(policy: Mapping[str, Any]) -> Document:
    """The statements of a policy. Raises PolicyError that names the place."""
    _only(policy, _POLICY_FIELDS, "policy")
    version = policy.get("Version", "2008-10-17")
    if version not in VERSIONS:
        raise PolicyError("Version", f"{version!r} is no version of the policy language; write {VARIABLES_VERSION!r}")
    found = policy.get("Statement")
    statements = [found] if isinstance(found, Mapping) else found
    if not isinstance(statements, list) or not statements:
        raise PolicyError("Statement", f"one statement or a list of them is expected, found {_kind(found)}")
    return Document(
        has_variables=version == VARIABLES_VERSION,
        statements=tuple(_statement(entry, index) for index, entry in enumerate(statements)),
    )


def _statement(found: object, index: int) -> Statement:
    place = f"Statement[{index}]"
    if not isinstance(found, Mapping):
        raise PolicyError(place, f"an object is expected, found {_kind(found)}")
    for field, problem in _REFUSED_FIELDS.items():
        if field in found:
            raise PolicyError(f"{place}.{field}", problem)
    _only(found, _STATEMENT_FIELDS, place)
    effect = found.get("Effect")
    if effect not in ("Allow", "Deny"):
        raise PolicyError(f"{place}.Effect", f"'Allow' or 'Deny' is expected (the case matters), found {effect!r}")
    if ("Action" in found) == ("NotAction" in found):
        raise PolicyError(place, "exactly one of Action and NotAction is expected")
    action_field = "Action" if "Action" in found else "NotAction"
    sid = found.get("Sid", "")
    named = f"{place} ({sid})" if isinstance(sid, str) and sid else place
    return Statement(
        place=named,
        index=index,
        effect=cast("Effect", effect),
        principals=_principals(found.get("Principal"), f"{place}.Principal"),
        actions=_strings(found[action_field], f"{place}.{action_field}"),
        negated_action=action_field == "NotAction",
        conditions=tuple(_conditions(found.get("Condition", {}), f"{place}.Condition")),
    )


def _principals(found: object, place: str) -> tuple[tuple[str, str], ...]:
    if found == "*":
        return (("*", "*"),)
    if not isinstance(found, Mapping) or not found:
        raise PolicyError(place, f'an object such as {{"Federated": "accounts.google.com"}}, found {_kind(found)}')
    _only(found, PRINCIPAL_TYPES, place)
    pairs = [(kind, name) for kind, names in found.items() for name in _strings(names, f"{place}.{kind}")]
    if ("Federated", "*") in pairs:
        raise PolicyError(f"{place}.Federated", "a provider's name is expected, IAM takes no '*' here")
    return tuple(("*", "*") if pair == ("AWS", "*") else pair for pair in pairs)


def _conditions(found: object, place: str) -> Iterable[Condition]:
    if not isinstance(found, Mapping):
        raise PolicyError(place, f"an object is expected, found {_kind(found)}")
    for operator, keys in found.items():
        if not isinstance(keys, Mapping) or not keys:
            raise PolicyError(f"{place}.{operator}", f"an object of condition keys is expected, found {_kind(keys)}")
        for key, values in keys.items():
            spot = f"{place}.{operator}.{key}"
            yield Condition(place=spot, operator=operator, key=key, values=_values(values, spot))


def _values(found: object, place: str) -> tuple[str, ...]:
    values = found if isinstance(found, list) else [found]
    if not values:
        raise PolicyError(place, "a value or a list of values is expected, the list is empty")
    for value in values:
        if not isinstance(value, str | int | float):
            raise PolicyError(place, f"a string, a number or a boolean is expected, found {_kind(value)}")
    return tuple(json.dumps(value) if not isinstance(value, str) else value for value in values)


def _strings(found: object, place: str) -> tuple[str, ...]:
    values = found if isinstance(found, list) else [found]
    if not values or not all(isinstance(value, str) and value for value in values):
        raise PolicyError(place, f"a string or a list of strings is expected, found {_kind(found)}")
    return tuple(values)


def _only(found: Mapping[str, Any], known: tuple[str, ...], place: str) -> None:
    for field in found:
        if field not in known:
            meant = next((name for name in known if name.lower() == str(field).lower()), None)
            remedy = f"write {meant}" if meant else f"known are {', '.join(known)}"
            raise PolicyError(f"{place}.{field}", f"no element of a trust policy; {remedy}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise PolicyError(key, "it stands twice in one object, and only one of the two would count; merge them")
        found[key] = value
    return found


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "nothing"}
    return next((name for kind, name in names.items() if isinstance(value, kind)), "a number")
