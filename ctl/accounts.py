"""Which annotations has this service account, of those in the files?

Pure. The webhook asks the API server; here the accounts stand in manifests, their own or among the workloads. What is
kept of an account, and what is wrong with one, the webhook's own function says.
"""

from collections.abc import Iterable, Mapping

from ctl.errors import UsageError
from ctl.manifest import Document
from ctl.workload import objects_of
from kube.errors import UnexpectedObjectError
from webhook.account_cache import keep_account

Accounts = Mapping[str, Mapping[str, str]]
"""Annotations by NAMESPACE/NAME (`webhook.account_cache.account_key`)."""


def accounts_in(documents: Iterable[Document], namespace: str | None) -> Accounts:
    """The service accounts of these documents; `namespace` holds where one names none.

    Raises `UsageError` for annotations that are no strings, and for an account that stands twice and differs.
    """
    found: dict[str, Mapping[str, str]] = {}
    origins: dict[str, str] = {}
    for document in documents:
        for one in objects_of(document.content, namespace):
            if (one.group, one.kind) != ("", "ServiceAccount"):
                continue
            metadata = one.manifest.get("metadata")
            named = {**metadata, "namespace": one.namespace} if isinstance(metadata, dict) else metadata
            try:
                account = keep_account({**one.manifest, "metadata": named})
            except UnexpectedObjectError as exc:
                raise UsageError(f"{document.origin}: {one.display_name}: {exc}") from exc
            if found.setdefault(account.key, account.annotations) != account.annotations:
                raise UsageError(
                    f"{one.display_name} stands in {origins[account.key]} and, with other annotations, in "
                    f"{document.origin}: keep one of them"
                )
            origins.setdefault(account.key, document.origin)
    return found
