"""Service accounts from a file: its forms, its faults, and its replacement while we run."""

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from contract.annotations import EKS_AUDIENCE, ENABLED_LABEL, MODE, ROLE_ARN
from tests.webhook.cases import admission_review
from webhook.account_file import AccountFileError, FileServiceAccounts, parse_accounts
from webhook.reviews import prepare_reviews
from webhook.settings import parse_settings

if TYPE_CHECKING:
    from webhook.review import ServiceAccounts

ARN = "arn:aws:iam::111122223333:role/reader"
SECRET = "hunter2-e91f"

MANIFESTS = f"""
apiVersion: v1
kind: ServiceAccount
metadata:
  name: web
  namespace: shop
  annotations: {{{ROLE_ARN}: "{ARN}", other: ignored}}
---
# nothing
---
apiVersion: v1
kind: Secret
metadata: {{name: s}}
stringData: {{password: {SECRET}}}
---
apiVersion: v1
kind: List
items:
  - {{kind: ServiceAccount, apiVersion: v1, metadata: {{name: api, annotations: {{{EKS_AUDIENCE}: x}}}}}}
  - {{kind: Pod, apiVersion: v1, metadata: {{name: p}}}}
  - kind: List
    items: [{{kind: ServiceAccount, metadata: {{name: nested, namespace: shop}}}}]
---
kind: ServiceAccountList
items: [{{metadata: {{name: typed, namespace: shop, annotations: null}}}}]
---
kind: List
items: null
"""


def test_forms() -> None:
    """Documents, Lists, typed lists and lists in lists; other kinds are passed over; the namespace may be missing."""
    assert parse_accounts(MANIFESTS, "f") == {
        "shop/web": {ROLE_ARN: ARN},
        "default/api": {EKS_AUDIENCE: "x"},
        "shop/nested": {},
        "shop/typed": {},
    }


def test_json_and_nothing() -> None:
    """JSON is YAML; an empty file is a file without accounts."""
    assert parse_accounts('{"kind": "ServiceAccount", "metadata": {"name": "a"}}', "f") == {"default/a": {}}
    assert parse_accounts("", "f") == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"kind: Pod\n---\nkind: [{SECRET}", r"f: document 2: line \d+: .*expected YAML"),
        (f"kind: Pod\n---\n{SECRET}", "f: document 2: expected a manifest"),
        ("metadata: {name: a}", "f: document 1: expected a manifest"),
        ("kind: ServiceAccount", "f: document 1: .*metadata.name"),
        ("kind: ServiceAccount\nmetadata: x", "f: document 1: .*metadata.name"),
        ("kind: ServiceAccount\nmetadata: {namespace: a}", "metadata.name"),
        ("kind: ServiceAccount\nmetadata: {name: 7}", "metadata.name"),
        (f"kind: ServiceAccount\nmetadata: {{name: a, annotations: [{SECRET}]}}", "default/a: .*must be a mapping"),
        (
            f"kind: ServiceAccount\nmetadata: {{name: a, annotations: {{{MODE}: on}}}}",
            f"{MODE} must be a string: put it in",
        ),
        ("kind: List\nitems: 7", "items are no list"),
        ("kind: List\nitems: [7]", "expected a manifest"),
        (
            "kind: ServiceAccount\nmetadata: {name: a}\n---\nkind: ServiceAccountList\nitems: [{metadata: {name: a}}]",
            "document 2: service account default/a is already in document 1: leave one",
        ),
        (f"!!python/object/apply:os.system [{SECRET}]", "could not determine a constructor"),
        ("a: \x00", "f: document 1:"),
        ("a: 2026-13-01", "f: document 1: a value is none of its type.*expected YAML"),
        ("kind: Pod\n---\n!!int x", "f: document 2: a value is none of its type.*expected YAML"),
        ("[" * 5000, "f: document 1: nested too deeply"),
    ],
)
def test_faults(text: str, said: str) -> None:
    """A fault names file, document and what is expected, and repeats nothing that may be a secret."""
    with pytest.raises(AccountFileError, match=said) as caught:
        parse_accounts(text, "f")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("content", [None, b"\xff\xfe" + SECRET.encode(), b"]"])
def test_a_broken_file_stops_the_start(tmp_path: Path, content: bytes | None) -> None:
    """A file that is missing or broken at the start is an error that names it."""
    path = tmp_path / "accounts.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AccountFileError, match=str(path)) as caught:
        FileServiceAccounts(path)
    assert SECRET not in str(caught.value)


def manifest(name: str, role: str = ARN) -> str:
    """One account."""
    return f"kind: ServiceAccount\nmetadata: {{name: {name}, annotations: {{{ROLE_ARN}: '{role}'}}}}\n"


def put(path: Path, text: str) -> None:
    """Replace the file, as editors and kubelets do."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.rename(path)


def test_reload(tmp_path: Path) -> None:
    """A new version holds from the next review on; a broken one leaves the last good one, and says so."""
    path = tmp_path / "accounts.yaml"
    put(path, manifest("web"))
    accounts = FileServiceAccounts(path)
    source: ServiceAccounts = accounts
    assert source.annotations("default", "web") == {ROLE_ARN: ARN}
    assert (accounts.size, accounts.problem, accounts.age_seconds(1.0)) == (1, None, 0.0)
    put(path, manifest("web", "other") + "---\n" + manifest("api"))
    assert accounts.annotations("default", "web") == {ROLE_ARN: "other"}
    assert accounts.annotations("default", "gone") is None
    put(path, "]")
    assert accounts.annotations("default", "api") == {ROLE_ARN: ARN}
    assert str(path) in (accounts.problem or "")
    path.unlink()
    assert accounts.annotations("default", "api") == {ROLE_ARN: ARN}
    assert "No such file" in (accounts.problem or "")
    put(path, manifest("api", "third"))
    assert accounts.annotations("default", "api") == {ROLE_ARN: "third"}
    assert accounts.problem is None


def test_worker_that_starts_on_a_broken_file(tmp_path: Path) -> None:
    """A worker that is replaced while the file is broken serves the last good one: gunicorn ends with its workers."""
    path = tmp_path / "accounts.yaml"
    put(path, manifest("web"))
    settings, server = parse_settings({"service-accounts": [str(path)]}, {})
    start_reviews = prepare_reviews(settings, server, {})
    put(path, "]")

    reviews = start_reviews()

    assert (reviews.gauges().service_accounts, reviews.readiness().missing) == (1, {})
    reviews.review(admission_review({"metadata": {"labels": {ENABLED_LABEL: "true"}}, "spec": {}}))
    assert str(path) in reviews.readiness().problems["service accounts"]


def test_written_in_place(tmp_path: Path) -> None:
    """A file that is written over, not replaced, is read again too."""
    path = tmp_path / "accounts.yaml"
    path.write_text(manifest("web"))
    accounts = FileServiceAccounts(path)
    path.write_text(manifest("api"))
    assert accounts.annotations("default", "api") == {ROLE_ARN: ARN}


def test_many_threads(tmp_path: Path) -> None:
    """Readers on many threads see one version or another while the file changes, never a part or an error."""
    path = tmp_path / "accounts.yaml"
    put(path, manifest("web", "0"))
    accounts = FileServiceAccounts(path)
    ended = threading.Event()
    seen: list[object] = []

    def read() -> None:
        while not ended.is_set():
            found = accounts.annotations("default", "web")
            if not found or not found[ROLE_ARN].isdigit():
                seen.append(found)
            time.sleep(0)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for number in range(50):
        put(path, manifest("web", str(number)))
    ended.set()
    for thread in threads:
        thread.join(10)
    assert seen == []
    assert accounts.annotations("default", "web") == {ROLE_ARN: "49"}
