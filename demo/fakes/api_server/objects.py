"""What an API server refuses to store, and how it applies a patch. Each refusal reads as the real one's of 1.36.

Pure.
"""

import base64
import binascii
import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jsonpatch

Object = dict[str, Any]
TLS = "kubernetes.io/tls"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
# Resources that can be written: group and version, kind, whether it lives in a namespace.
KINDS = {
    "secrets": ("v1", "Secret", True),
    "endpointslices": ("discovery.k8s.io/v1", "EndpointSlice", True),
    "mutatingwebhookconfigurations": ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", False),
}
# What the server itself writes: a client's words about it count for nothing.
_SERVERS_OWN = ("uid", "creationTimestamp", "managedFields", "resourceVersion", "generation")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A line of RBAC. Without names it holds for each; a create has no name yet, as on the real server."""

    verbs: frozenset[str]
    resource: str
    names: frozenset[str] = frozenset()

    def allows(self, verb: str, resource: str, name: str) -> bool:
        """Whether this line grants the request."""
        return verb in self.verbs and resource == self.resource and (not self.names or name in self.names)


class RefusalError(Exception):
    """The answer to a write that is not done."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message


def conflict(resource: str, name: str) -> RefusalError:
    """Somebody else has changed it."""
    told = "the object has been modified; please apply your changes to the latest version and try again"
    return RefusalError(409, "Conflict", f'Operation cannot be fulfilled on {resource} "{name}": {told}')


def check_place(obj: Object, resource: str, namespace: str, name: str) -> None:
    """Raise where the object is not what its path says."""
    version, kind, _ = KINDS[resource]
    metadata = obj.get("metadata") or {}
    if (obj.get("apiVersion"), obj.get("kind")) != (version, kind):
        raise RefusalError(400, "BadRequest", f"the object in the request is no {kind} in version {version}")
    if not metadata.get("name"):
        raise RefusalError(422, "Invalid", f"{kind} is invalid: metadata.name: Required value: name is required")
    if metadata["name"] != name:
        told = f"the name of the object ({metadata['name']}) does not match the name on the URL ({name})"
        raise RefusalError(400, "BadRequest", told)
    if metadata.get("namespace", namespace) != namespace:
        told = "the namespace of the provided object does not match the namespace sent on the request"
        raise RefusalError(400, "BadRequest", told)


def check(obj: Object, before: Object | None = None) -> None:
    """Raise for what is invalid, alone or after the object that it replaces."""
    metadata = obj.get("metadata") or {}
    what = f'{obj.get("kind")} "{metadata.get("name")}" is invalid'
    for owner in metadata.get("ownerReferences") or ():
        for key in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(key):
                raise RefusalError(422, "Invalid", f"{what}: metadata.ownerReferences.{key}: must not be empty")
    if obj.get("kind") == "Secret":
        _check_secret(obj, before, what)
    for number, webhook in enumerate(obj.get("webhooks") or ()):
        _base64(webhook["clientConfig"].get("caBundle", ""), f"webhooks[{number}].clientConfig.caBundle")


def stored(obj: Object, before: Object | None, *, version: str, uid: str) -> Object:
    """The object as it is kept: the server's own fields are the server's."""
    kept = copy.deepcopy(obj)
    metadata = {key: value for key, value in kept["metadata"].items() if key not in _SERVERS_OWN}
    first = (before or {}).get("metadata") or {"uid": uid, "creationTimestamp": "2026-06-01T12:00:00Z"}
    metadata |= {"uid": first["uid"], "resourceVersion": version}
    kept["metadata"] = metadata | {"creationTimestamp": first.get("creationTimestamp")}
    if kept.get("kind") == "Secret":
        kept["data"] = (kept.get("data") or {}) | _string_data(kept.pop("stringData", {}))
        kept.setdefault("type", "Opaque")
    return kept


def same(one: Object, other: Object) -> bool:
    """Whether a write changes nothing: then there is no new version."""
    return _without_version(one) == _without_version(other)


def patched(obj: Object, media_type: str, body: Any) -> Object:
    """The object after the patch. A failed `test` and a wrong path are both 422, without a reason that tells them."""
    if media_type == MERGE_PATCH:
        merged: Object = _merged(obj, body)
        return merged
    if media_type != JSON_PATCH:
        raise RefusalError(415, "UnsupportedMediaType", "the body of the request was in an unknown format")
    try:
        after: Object = jsonpatch.apply_patch(obj, body)
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException):
        told = "the server rejected our request due to an error in our request"
        raise RefusalError(422, "Invalid", told) from None
    return after


def _check_secret(obj: Object, before: Object | None, what: str) -> None:
    data = obj.get("data") or {}
    for key, value in data.items():
        _base64(value, key)
    if obj.get("type") == TLS:
        missing = [key for key in ("tls.crt", "tls.key") if key not in data]
        if missing:
            raise RefusalError(422, "Invalid", f"{what}: data[{missing[0]}]: Required value")
    if before is None:
        return
    if before["type"] != obj.get("type"):
        raise RefusalError(422, "Invalid", f"{what}: type: Invalid value: {obj.get('type')!r}: field is immutable")
    if before.get("immutable") and (before.get("data") != data or not obj.get("immutable")):
        raise RefusalError(422, "Invalid", f"{what}: data: Forbidden: field is immutable when `immutable` is set")


def _base64(value: str, where: str) -> None:
    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, TypeError):
        raise RefusalError(400, "BadRequest", f"{where}: illegal base64 data at input byte 0") from None


def _string_data(given: Mapping[str, str]) -> dict[str, str]:
    return {key: base64.b64encode(value.encode()).decode() for key, value in given.items()}


def _without_version(obj: Object) -> Object:
    return obj | {"metadata": {key: value for key, value in obj["metadata"].items() if key != "resourceVersion"}}


def _merged(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merged(result.get(key), value)
    return result
