"""What do we keep of a service account, and which ones are known?

Pure: objects in, annotations out. Of ten thousand accounts most have none of our annotations; they share one mapping.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from contract.annotations import ANNOTATIONS, PREFIX
from kube.errors import UnexpectedObjectError

NONE: Mapping[str, str] = MappingProxyType({})

_READ = frozenset(
    key for row in ANNOTATIONS if "service account" in row.places for key in (row.key, row.alias) if key is not None
)


@dataclass(frozen=True, slots=True)
class Account:
    """What the webhook may read of a service account."""

    key: str
    """NAMESPACE/NAME."""
    annotations: Mapping[str, str]


def account_key(namespace: str, name: str) -> str:
    """Neither part may hold a slash, so one string says both."""
    return f"{namespace}/{name}"


def keep_account(obj: Mapping[str, Any]) -> Account:
    """The account in a ServiceAccount object. Raises `UnexpectedObjectError`, which says what is wrong with which."""
    metadata = obj.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    namespace = metadata.get("namespace") if isinstance(metadata, dict) else None
    if not isinstance(metadata, dict) or not isinstance(name, str) or not isinstance(namespace, str):
        raise UnexpectedObjectError("metadata.name and metadata.namespace must be strings")
    annotations = metadata.get("annotations")
    if not isinstance(annotations, dict | None):
        raise UnexpectedObjectError(f"service account {namespace}/{name}: metadata.annotations must be a mapping")
    return Account(key=account_key(namespace, name), annotations=_kept(annotations or {}, f"{namespace}/{name}"))


def _kept(annotations: Mapping[Any, Any], account: str) -> Mapping[str, str]:
    kept = {}
    for key, value in annotations.items():
        if key in _READ or str(key).startswith(PREFIX):
            if not isinstance(value, str):
                raise UnexpectedObjectError(
                    f"service account {account}: the annotation {key} must be a string: put it in quotes"
                )
            kept[sys.intern(key)] = value
    return kept or NONE


class AccountCache:
    """Every account, as the watch tells; one thread writes, many read."""

    def __init__(self) -> None:
        self._accounts: dict[str, Mapping[str, str]] = {}
        self.resource_version: str | None = None
        """Of the last list; None before the first."""

    def __len__(self) -> int:
        return len(self._accounts)

    def get(self, namespace: str, name: str) -> Mapping[str, str] | None:
        """The account's annotations, None where it is not known."""
        return self._accounts.get(account_key(namespace, name))

    def replace(self, items: list[Account], resource_version: str) -> None:
        """Readers see the old collection or the new one, never a part."""
        self._accounts = {item.key: item.annotations for item in items}
        self.resource_version = resource_version

    def upsert(self, item: Account) -> None:
        """A new account, or new annotations."""
        self._accounts[item.key] = item.annotations

    def delete(self, item: Account) -> None:
        """A deletion may be told twice."""
        self._accounts.pop(item.key, None)
