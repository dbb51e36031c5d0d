"""What do the Secrets hold that stand among the manifests? Kept for as long as a command runs, never shown. Pure."""

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Any

from ctl.look_ups import texts
from ctl.manifest import Document
from ctl.workload import objects_of
from webhook.account_cache import account_key


def secrets_in(documents: Iterable[Document], namespace: str | None) -> dict[str, Mapping[str, str]]:
    """Their texts by NAMESPACE/NAME; `namespace` holds where one names none."""
    return {
        account_key(one.namespace, one.name): {key: text for (_, key), text in secret_texts(one.manifest).items()}
        for document in documents
        for one in objects_of(document.content, namespace)
        if (one.group, one.kind) == ("", "Secret")
    }


def secret_texts(manifest: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    """A Secret's texts by field and key; stringData, which the API server merges over data, comes last."""
    decoded = {("data", key): _decoded(text) for key, text in texts(manifest.get("data")).items()}
    return decoded | {("stringData", key): text for key, text in texts(manifest.get("stringData")).items()}


def _decoded(text: str) -> str:
    """What is no text is no reference."""
    try:
        return base64.b64decode(text).decode()
    except (binascii.Error, ValueError):
        return ""
