"""Service accounts from a YAML file: for the demo, CI and rendering without a cluster.

A file that has been replaced is read again; a broken one leaves the last good one in force, and says so.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kube.errors import UnexpectedObjectError
from serving.reloaded_file import FileError, ReloadedFile
from webhook.account_cache import account_key, keep_account


class AccountFileError(FileError):
    """A file of service accounts."""


class FileServiceAccounts:
    """`ServiceAccounts` of a file: manifests as kubectl takes them. Objects of other kinds are passed over."""

    def __init__(self, path: str | Path) -> None:
        """Read it. Raises `AccountFileError`: a start with a broken file must fail."""
        expected = "a readable file of ServiceAccount manifests"
        self._file = ReloadedFile(path, parse_accounts, error=AccountFileError, expected=expected)

    def annotations(self, namespace: str, name: str) -> Mapping[str, str] | None:
        """The account's annotations, as far as the webhook reads them; None if the file has no such account."""
        return self._file.content().get(account_key(namespace, name))

    @property
    def size(self) -> int:
        """Accounts in the file."""
        return len(self._file.content())

    @property
    def problem(self) -> str | None:
        """Why the file as it is now is not in force; None while it is."""
        return self._file.problem

    @property
    def unready(self) -> str:
        """Never: the last good file is in force."""
        return ""

    def stop(self) -> None:
        """Nothing was started."""

    def age_seconds(self, now: float) -> float | None:
        """Always 0: the file is looked at for each review."""
        del now
        return 0.0


def parse_accounts(text: str, origin: str) -> dict[str, Mapping[str, str]]:
    """NAMESPACE/NAME → annotations. Pure.

    `text` holds YAML documents: ServiceAccounts, Lists of them, and other kinds, which are passed over. Raises
    `AccountFileError`, which begins with `origin`.
    """
    accounts: dict[str, Mapping[str, str]] = {}
    seen: dict[str, int] = {}
    for number, document in _documents(text, origin):
        try:
            found = [keep_account(obj) for obj in _service_accounts(document)]
        except UnexpectedObjectError as exc:
            raise AccountFileError(f"{origin}: document {number}: {exc}") from exc
        for account in found:
            if account.key in accounts:
                raise AccountFileError(
                    f"{origin}: document {number}: service account {account.key} is already in document "
                    f"{seen[account.key]}: leave one of them"
                )
            accounts[account.key], seen[account.key] = account.annotations, number
    return accounts


def _documents(text: str, origin: str) -> Iterator[tuple[int, Any]]:
    import yaml  # noqa: PLC0415 - a webhook that follows the API server does without

    from serving.yaml_errors import YamlError, yaml_errors  # noqa: PLC0415 - as yaml

    number = 0
    try:
        with yaml_errors():
            for document in yaml.safe_load_all(text):
                number += 1
                yield number, document
    except YamlError as exc:
        raise AccountFileError(f"{origin}: document {number + 1}: {exc}: expected YAML manifests") from exc


def _service_accounts(obj: Any) -> Iterator[Mapping[str, Any]]:
    """The ServiceAccounts in a document, those of a List too, with their namespace filled in as kubectl does."""
    if obj is None:
        return
    if not isinstance(obj, dict) or not isinstance(obj.get("kind"), str):
        raise UnexpectedObjectError("expected a manifest: a mapping with apiVersion, kind and metadata")
    if obj["kind"] in {"List", "ServiceAccountList"}:
        if not isinstance(obj.get("items"), list | None):
            raise UnexpectedObjectError(f"a {obj['kind']} whose items are no list")
        for item in obj.get("items") or []:
            # A typed list leaves out the kind of its items.
            implied = {"kind": "ServiceAccount"} if obj["kind"] == "ServiceAccountList" else {}
            yield from _service_accounts({**implied, **item} if isinstance(item, dict) else item)
        return
    if obj["kind"] == "ServiceAccount":
        metadata = obj.get("metadata")
        named = {"namespace": "default", **metadata} if isinstance(metadata, dict) else metadata
        yield {**obj, "metadata": named}
