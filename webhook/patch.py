"""JSON Patch operations (RFC 6902) as plain dicts.

Pure. Operations are written by hand, not computed from two pods: that is 300 times cheaper, and what the webhook
does not know it cannot lose.
"""

from typing import Any

Operation = dict[str, Any]


def add(path: str, value: Any) -> Operation:
    """Add a member, or insert an element before an index ('-' is the end)."""
    return {"op": "add", "path": path, "value": value}


def replace(path: str, value: Any) -> Operation:
    """Replace what is there."""
    return {"op": "replace", "path": path, "value": value}


def remove(path: str) -> Operation:
    """Remove what is there."""
    return {"op": "remove", "path": path}


def append(path: str, present: list[Any] | None, values: list[Any]) -> list[Operation]:
    """Append to a list that may be absent or null."""
    if not values:
        return []
    if present is None:
        return [add(path, values)]
    return [add(f"{path}/-", value) for value in values]


def remove_all(path: str, indices: list[int]) -> list[Operation]:
    """Remove elements, the last first, so that no index moves before its turn."""
    return [remove(f"{path}/{index}") for index in sorted(indices, reverse=True)]
