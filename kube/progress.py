"""Where does a watch stand? Bytes in, changes out.

Pure. The rule of https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes: list,
watch from the list's resourceVersion, go on from the last one seen, list again once that is too old.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from kube.errors import KubeError, UnexpectedObjectError, status_error

T = TypeVar("T")

# etcd takes objects of 1.5 MB; JSON may double them. A longer line is no event.
LINE_BYTES = 8 << 20


class WatchBrokenError(KubeError):
    """The stream holds what can't be understood; nothing after it can be trusted: list again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change(Generic[T]):
    """What one event does to the collection; a bookmark does nothing but confirm."""

    kind: Literal["upsert", "delete", "bookmark"]
    item: T | None = None


class Progress(Generic[T]):
    """Between two lists: the resourceVersion, and the half line that has arrived so far."""

    def __init__(self, keep: Callable[[dict[str, Any]], T], request: str) -> None:
        """`keep` makes of an object what is worth keeping; it raises `UnexpectedObjectError`.

        `request` is how errors name the watch.
        """
        self._keep = keep
        self._request = request
        self._half = bytearray()
        self.resource_version: str | None = None
        """None: a list has to come first."""

    def listed(self, resource_version: str) -> None:
        """The collection is known as of this version."""
        self.resource_version = resource_version

    def lost(self) -> None:
        """What is known can't be continued: list again."""
        self.resource_version = None

    def opened(self) -> None:
        """A new stream: the half line of the last one will come again, whole."""
        self._half.clear()

    def feed(self, data: bytes) -> Iterator[Change[T]]:
        """The changes that these bytes complete.

        The version moves on after the caller has taken the change. After a `KubeError` the version is None.
        """
        searched = len(self._half)
        self._half += data
        while (end := self._half.find(b"\n", searched)) >= 0:
            line = bytes(self._half[:end])
            del self._half[: end + 1]
            searched = 0
            if line.strip():
                yield from self._take(line)
        if len(self._half) > LINE_BYTES:
            raise self._broken(f"a line of more than {LINE_BYTES} bytes")

    def _take(self, line: bytes) -> Iterator[Change[T]]:
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            event = None  # the exception would hold the line
        kind = event.get("type") if isinstance(event, dict) else None
        obj = event.get("object") if isinstance(event, dict) else None
        if not isinstance(obj, dict):
            raise self._broken("a line that is no event")
        if kind == "ERROR":
            raise self._error(obj)
        metadata = obj.get("metadata")
        version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
        if not isinstance(version, str) or not version:
            raise self._broken("an object without metadata.resourceVersion")
        yield self._change(kind, obj)
        self.resource_version = version

    def _change(self, kind: Any, obj: dict[str, Any]) -> Change[T]:
        if kind == "BOOKMARK":
            return Change(kind="bookmark")
        try:
            match kind:
                case "ADDED" | "MODIFIED":
                    return Change(kind="upsert", item=self._keep(obj))
                case "DELETED":
                    return Change(kind="delete", item=self._keep(obj))
        except UnexpectedObjectError as exc:
            raise self._broken(str(exc)) from exc
        raise self._broken("an event of an unknown type")

    def _error(self, status: dict[str, Any]) -> KubeError:
        """Whatever the code, listing again is right: the stream ends here, and its version may be the reason."""
        self.lost()
        code, message = status.get("code"), status.get("message")
        return status_error(
            code if isinstance(code, int) else 0,
            request=self._request,
            message=message if isinstance(message, str) else None,
            verb="watch",
        )

    def _broken(self, what: str) -> WatchBrokenError:
        self.lost()
        return WatchBrokenError(f"{self._request}: {what}; the collection is listed again")
