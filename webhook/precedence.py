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

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from contract.annotations import ANNOTATIONS, Annotation
from webhook import pod as pods
from webhook.pod import Pod

Value = TypeVar("Value")


class AnnotationError(Exception):
    """A value that cannot be meant: names the object, the key, the value and the form. Becomes a denial."""


# A warning that the API server does not cut has 256 characters; a value may have 256 KiB.
_SHOWN = 100
_ROWS: Mapping[str, Annotation] = {row.key: row for row in ANNOTATIONS}


class Annotations:
    """Both objects' annotations under one precedence, and the warnings met on the way."""

    def __init__(self, pod: Pod, namespace: str, account: Mapping[str, str]) -> None:
        self.namespace = namespace
        self.account_name = pods.service_account_name(pod)
        self.account_place = f"service account {namespace}/{self.account_name}"
        self.pod_place = f"pod {namespace}/{pods.display_name(pod)}"
        self.warnings: list[str] = []
        self._objects: tuple[tuple[str, str, Mapping[str, Any]], ...] = (
            ("pod", self.pod_place, pods.annotations(pod)),
            ("service account", self.account_place, account),
        )

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
        found = self._find(key)
        if found is None:
            return default
        place, written_key, text = found
        try:
            return parse(text)
        except ValueError as exc:
            raise AnnotationError(f"{place}, annotation {written_key}: {_shown(text)} is not valid: {exc}") from exc

    def _find(self, key: str) -> tuple[str, str, str] | None:
        row = _ROWS[key]
        for kind, place, annotations in self._objects:
            if kind not in row.places:
                continue
            ours, alias = annotations.get(key), annotations.get(row.alias) if row.alias else None
            if ours is not None and alias is not None and ours != alias:
                self._warn_once(f"{place}: {key} and {row.alias} disagree: {key} ({_shown(ours)}) holds")
            if ours is not None:
                return place, key, ours
            if alias is not None and row.alias is not None:
                return place, row.alias, alias
        return None

    def _warn_once(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…")
