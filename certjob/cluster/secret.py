"""How do certificates lie in a Secret? What others wrote into ours, keys, labels and annotations, stays.

Pure.
"""

import base64
import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from certjob.decide import Unusable

Object = dict[str, Any]
MANAGED_BY = "app.kubernetes.io/managed-by"
US = "token-injector-certs"
_LABELS = {"app.kubernetes.io/name": "token-injector", MANAGED_BY: US}
TLS = "kubernetes.io/tls"
OPAQUE = "Opaque"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The webhook's Service: when it is deleted, our Secrets go with it."""

    name: str
    uid: str


def content(secret: Object | None, key: str, *, called: str) -> bytes | Unusable:
    """What a key of the Secret holds."""
    if secret is None:
        return Unusable(reason=f"{called} does not exist")
    encoded = (secret.get("data") or {}).get(key)
    return Unusable(reason=f"{called} has no {key}") if encoded is None else base64.b64decode(encoded)


def labels(secret: Object) -> Mapping[str, str]:
    """The Secret's labels."""
    found: Mapping[str, str] = secret["metadata"].get("labels") or {}
    return found


def annotations(secret: Object) -> Mapping[str, str]:
    """The Secret's annotations."""
    found: Mapping[str, str] = secret["metadata"].get("annotations") or {}
    return found


def is_ours(secret: Object) -> bool:
    """Whether a cert job has made the Secret, or taken it over."""
    return labels(secret).get(MANAGED_BY) == US


def is_marked(secret: Object, owner: Owner | None) -> bool:
    """Whether labels and owner are as `written` writes them."""
    return bool(_marked(secret["metadata"], owner) == secret["metadata"])


def written(
    before: Object | None, *, name: str, secret_type: str, data: Mapping[str, bytes], owner: Owner | None
) -> Object:
    """The Secret with this data, made or changed. The type of one that exists cannot change."""
    new: Object = {"apiVersion": "v1", "kind": "Secret", "type": secret_type, "metadata": {"name": name}}
    secret = copy.deepcopy(before) if before else new
    encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
    return secret | {
        "metadata": _marked(secret["metadata"], owner),
        "data": (secret.get("data") or {}) | encoded,
    }


def _marked(metadata: Object, owner: Owner | None) -> Object:
    marked = metadata | {"labels": (metadata.get("labels") or {}) | _LABELS}
    return marked | {"ownerReferences": _owners(metadata, owner)} if owner else marked


def _owners(metadata: Object, owner: Owner) -> list[Object]:
    """The Service in place of the one that had its name before; other owners stay.

    Without blockOwnerDeletion: it would need the right to update the Service's finalizers.
    """
    ours = {"apiVersion": "v1", "kind": "Service", "name": owner.name, "uid": owner.uid}
    found: list[Object] = metadata.get("ownerReferences") or []
    if any(one.items() >= ours.items() for one in found):
        return found
    others = [one for one in found if (one.get("kind"), one.get("name")) != ("Service", owner.name)]
    return [*others, ours]
