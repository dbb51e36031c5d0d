"""Which of several annotations holds?

Pure. A value is looked for in this order, the first one found holds:

| order | object          | key                       |
|-------|-----------------|---------------------------|
| 1     | pod             | ours (or the seed's)      |
| 2     | pod             | the matching EKS key      |
| 3     | service account | ours (or the seed's)      |
| 4     | service account | the matching EKS key      |
| 5     | setting         | the flag, or its variable |
"""

import difflib
from collections.abc import Callable, Mapping
from typing import TypeVar

from contract.annotations import ANNOTATIONS, ENABLED_LABEL, PREFIX, Annotation
from webhook import pod as pods
from webhook.pod import Pod

Value = TypeVar("Value")


class AnnotationError(Exception):
    """A value that cannot be meant: names the object, the key, the value and the form. Becomes a denial."""


# A warning that the API server does not cut has 256 characters; a value may have 256 KiB.
_SHOWN = 100
# Keys that nobody reads and that are told one by one: each costs half a millisecond, and a pod may carry thousands.
_MOST_UNREAD = 5
_BY_NAME = {row.key.rpartition("/")[2]: row.key + row.named for row in ANNOTATIONS}
_ROWS: Mapping[str, Annotation] = {
    key: row for row in ANNOTATIONS if not row.named for key in (row.key, row.alias) if key
}
_NAMED = tuple(row for row in ANNOTATIONS if row.named)


class Annotations:
    """Both objects' annotations under one precedence, and the warnings met on the way."""

    def __init__(self, pod: Pod, namespace: str, account: Mapping[str, str]) -> None:
        self.namespace = namespace
        self.account_name = pods.service_account_name(pod)
        self.account_place = f"service account {namespace}/{self.account_name}"
        self.pod_place = f"pod {namespace}/{pods.display_name(pod)}"
        self.of_pod = pods.annotations(pod)
        """All of the pod's, whoever reads them."""
        self.warnings: list[str] = []
        self._found: dict[str, tuple[str, str, str]] = {}
        """Our key to where it was written, as what, and the value."""
        self._gather("pod", self.pod_place, self.of_pod)
        self._gather("service account", self.account_place, account)

    def warn(self, text: str) -> None:
        """Say something to the pod's author."""
        self.warnings.append(text)

    def has(self, key: str) -> bool:
        """Whether either object carries the key or its alias."""
        return self._find(key) is not None

    def source(self, key: str) -> str:
        """Where the value that holds was written, for a message about it."""
        found = self._find(key)
        return f"{found[0]}, annotation {found[1]}" if found else "the webhook's setting"

    def value(self, key: str, parse: Callable[[str], Value], default: Value) -> Value:
        """The parsed value that wins; `default` where neither object has the key. Raises `AnnotationError`."""
        found = self._found.get(key)
        if found is None:
            return default
        place, written_key, text = found
        try:
            return parse(text)
        except ValueError as exc:
            raise AnnotationError(f"{place}, annotation {written_key}: {shown(text)} is not valid: {exc}") from exc

    def is_silent_about(self, keys: frozenset[str]) -> bool:
        """Whether neither object carries any of these keys or their aliases."""
        return keys.isdisjoint(self._found)

    def has_any(self, prefixes: tuple[str, ...]) -> bool:
        """Whether either object carries a key that begins so."""
        return any(key.startswith(prefixes) for key in self._found)

    def named(self, prefix: str) -> list[str]:
        """What stands behind a prefix of keys, in the order of the annotations."""
        return [key.removeprefix(prefix) for key in self._found if key.startswith(prefix)]

    def _find(self, key: str) -> tuple[str, str, str] | None:
        return self._found.get(key)

    def _gather(self, kind: str, place: str, annotations: Mapping[str, str]) -> None:
        """Add one object's annotations behind those found before. Keys of ours that nobody reads there are told."""
        unread = 0
        for written_key in [key for key in annotations if key in _ROWS or key.startswith(PREFIX)]:
            row = _row(written_key)
            if row is None or kind not in row.places:
                unread += 1
                if unread <= _MOST_UNREAD:
                    self.warnings.append(_unread(place, written_key, row))
            elif written_key == row.alias and row.key in annotations:
                if annotations[row.key] != annotations[written_key]:
                    ours = f"{row.key} ({shown(annotations[row.key])})"
                    self.warnings.append(f"{place}: {row.key} and {row.alias} disagree: {ours} holds")
            else:
                key = written_key if row.named else row.key
                self._found.setdefault(key, (place, written_key, annotations[written_key]))
        if unread > _MOST_UNREAD:
            self.warnings.append(f"{place}: {unread - _MOST_UNREAD} more annotations {PREFIX}* that nobody reads")


def _row(key: str) -> Annotation | None:
    """The row of a key; of one with a name of the author's in it, the row of its prefix."""
    named = (row for row in _NAMED if key.startswith(row.key) and key != row.key)
    return _ROWS.get(key) or next(named, None)


def _unread(place: str, key: str, row: Annotation | None) -> str:
    if row:
        return f"{place}: the annotation {key} is read on the {row.places[0]} only: move it there"
    if key == ENABLED_LABEL:
        return f"{place}: {key} is a label of the pod, no annotation: write it among the labels"
    # A key of the seed's with our prefix is further from the right one than some key of ours is.
    exact = _BY_NAME.get(key.rpartition("/")[2])
    alike = [exact] if exact else difflib.get_close_matches(key, _ROWS, n=1)
    return f"{place}: there is no annotation {key}" + (f": did you mean {alike[0]}?" if alike else "")


def shown(text: str) -> str:
    """The author's text for a message; the beginning of a long one."""
    return repr(text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…")
