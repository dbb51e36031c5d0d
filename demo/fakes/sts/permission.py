"""May this role read what the request names? Of IAM only what secrets need: names and patterns. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from http import HTTPStatus
from typing import Any

from demo.fakes.sts.errors import RefusedError

# Where the requests of the services' JSON protocol name what they read.
_NAMES = ("SecretId", "SecretIdList", "Name", "Names", "Path", "TableName", "RequestItems")


def denial(action: str, asked: Mapping[str, Any], patterns: Sequence[str] | None) -> RefusedError | None:
    """AccessDenied for the first name that no pattern allows; None where there is none, or no patterns."""
    if patterns is None:
        return None
    for name in _names(asked):
        if not any(fnmatchcase(name, pattern) for pattern in patterns):
            message = f"not authorized to perform: {action} on resource: {name}"
            return RefusedError("AccessDenied", message, HTTPStatus.FORBIDDEN)
    return None


def _names(asked: Mapping[str, Any]) -> Iterator[str]:
    for field in _NAMES:
        match asked.get(field):
            case str(name):
                yield name
            case list() | dict() as several:
                yield from map(str, several)
