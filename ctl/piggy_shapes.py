"""Are the values of piggy's chart of the form that its templates take? Pure.

A value of another form would say nothing, and what its author meant by it would be lost without a word.
"""

from collections.abc import Iterator, Mapping
from typing import Any

_MAP, _LIST, _NUMBER, _TEXT = "a map", "a list", "a whole number", "a text"
_VARIABLES = "a map, NAME: value"
# Those that are read; parents before what is in them.
SHAPES: Mapping[str, str] = {
    "env": _VARIABLES,
    "aws": _MAP,
    "aws.roleArn": _TEXT,
    "mutate": _MAP,
    "mutate.timeoutSeconds": _NUMBER,
    "mutate.podsFailurePolicy": _TEXT,
    "mutate.excludeNamespaces": _LIST,
    "mutate.objectSelector": _MAP,
    "mutate.objectSelector.matchExpressions": _LIST,
    "replicaCount": _NUMBER,
    "port": _NUMBER,
    "resources": _MAP,
    "affinity": _MAP,
    "imagePullSecrets": _LIST,
    "nodeSelector": _MAP,
    "tolerations": _LIST,
    "priorityClassName": _TEXT,
    "podAnnotations": _MAP,
}
_TYPES: Mapping[str, type] = {_MAP: dict, _VARIABLES: dict, _LIST: list, _NUMBER: int, _TEXT: str}
_NAMES: tuple[tuple[type, str], ...] = (
    (bool, "true or false"),
    (dict, _MAP),
    (list, _LIST),
    (int, _NUMBER),
    (float, "a number"),
    (str, _TEXT),
)


def wrong_shapes(values: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong, value by value; never with the value, which may be a secret."""
    for path, expected in SHAPES.items():
        value = value_at(values, path)
        if value is not None and not _is(value, _TYPES[expected]):
            yield f"{path} is {_named(value)}: expected {expected}"
    env = values.get("env")
    for name, value in env.items() if isinstance(env, dict) else ():
        if isinstance(value, dict | list):
            yield f"env.{name} is {_named(value)}: expected {_TEXT}"


def value_at(values: Any, path: str) -> Any:
    """The value; None where it is absent, or where one above it is no map."""
    found = values
    for key in path.split("."):
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _is(value: Any, expected: type) -> bool:
    """In Python a bool is a number too."""
    return isinstance(value, expected) and not (expected is int and isinstance(value, bool))


def _named(value: Any) -> str:
    return next((name for kind, name in _NAMES if isinstance(value, kind)), type(value).__name__)
