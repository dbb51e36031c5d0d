"""What an API server knows, and what it was told to do wrong. Any thread may change it at any time."""

import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from demo.fakes.api_server.objects import (
    Grant,
    Object,
    RefusalError,
    check,
    check_place,
    conflict,
    patched,
    same,
    stored,
)
from demo.fakes.api_server.reviews import Reviews
from demo.fakes.api_server.script import Fault
from demo.fakes.google import ClusterSigner

Verb = Literal["get", "list", "watch", "create", "update", "patch"]
VERBS = get_args(Verb)
SERVICE_ACCOUNTS = "serviceaccounts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A request, without its credentials."""

    verb: Verb
    path: str
    query: Mapping[str, str]


@dataclass(slots=True)
class Collection:
    """The objects of one resource, and what happened to them."""

    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    log: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    oldest: int = 0
    """A watch from before this version is answered with 410."""


class State:
    """Objects by resource, with one counter of versions, as etcd has it."""

    def __init__(self, tokens: set[str] | None) -> None:
        self.tokens = tokens
        self.forbidden: set[Verb] = set()
        self.forbidden_resources: set[str] = set()
        """Those on which RBAC grants no verb at all."""
        self.server_version: Mapping[str, str] = {"major": "1", "minor": "36", "gitVersion": "v1.36.3"}
        """The answer to GET /version."""
        self.grants: tuple[Grant, ...] | None = None
        """RBAC; None allows everything that `forbidden` does not name."""
        self.reviews: Reviews | None = None
        """What answers TokenReviews, if anything does."""
        self.after_write: Callable[[], None] = lambda: None
        """Called after each write that changed something, before its answer."""
        self.faults: dict[Verb, deque[Fault]] = {verb: deque() for verb in VERBS}
        """Each request takes the next fault of its verb."""
        self.requests: list[Seen] = []
        self.closing = False
        self.changed = threading.Condition()
        self._version = 1000
        self._collections: dict[str, Collection] = {}
        self._pages: dict[str, tuple[int, list[dict[str, Any]]]] = {}

    @property
    def counts(self) -> Counter[str]:
        """Requests by verb."""
        return Counter(seen.verb for seen in list(self.requests))

    def end_streams(self) -> None:
        """Every watch and every hanging request ends."""
        with self.changed:
            self.closing = True
            self.changed.notify_all()

    def put(
        self,
        namespace: str,
        name: str,
        annotations: Mapping[str, str],
        resource: str = SERVICE_ACCOUNTS,
        *,
        fields: Mapping[str, Any] | None = None,
    ) -> None:
        """Create an object, or change its annotations; `fields` are the object's beside its metadata."""
        with self.changed:
            collection = self._collection(resource)
            key = f"{namespace}/{name}"
            kind = "MODIFIED" if key in collection.objects else "ADDED"
            metadata = {
                "name": name,
                "namespace": namespace,
                "uid": f"{key}-uid",
                "resourceVersion": self._next(),
                "annotations": dict(annotations),
                "managedFields": [{"manager": "scripted", "operation": "Update"}],
            }
            collection.objects[key] = {"metadata": metadata, **(fields or {})}
            self._log(collection, kind, collection.objects[key])

    def load(self, resource: str, obj: Object) -> None:
        """Store an object as if a client with every right had written it."""
        metadata = obj["metadata"]
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        with self.changed:
            before = self._collection(resource).objects.get(f"{namespace}/{name}")
            check_place(obj, resource, namespace, name)
            check(obj, before)
            self._store(resource, f"{namespace}/{name}", obj, before)

    def create(self, resource: str, namespace: str, obj: Object) -> Object:
        """The object as it was stored; raises `RefusalError`."""
        name = (obj.get("metadata") or {}).get("name", "")
        with self.changed:
            check_place(obj, resource, namespace, name)
            if obj["metadata"].get("resourceVersion"):
                raise RefusalError(500, "", "resourceVersion should not be set on objects to be created")
            if self.find(resource, namespace, name):
                raise RefusalError(409, "AlreadyExists", f'{resource} "{name}" already exists')
            obj = obj | {"metadata": {**obj["metadata"], **({"namespace": namespace} if namespace else {})}}
            check(obj)
            return self._store(resource, f"{namespace}/{name}", obj, None)

    def replace(self, resource: str, namespace: str, name: str, obj: Object) -> Object:
        """The object as it was stored; raises `RefusalError`.

        Stricter than the real one, which overwrites whatever there is when no resourceVersion is given.
        """
        with self.changed:
            before = self._existing(resource, namespace, name)
            check_place(obj, resource, namespace, name)
            if not obj["metadata"].get("resourceVersion"):
                raise RefusalError(422, "Invalid", "metadata.resourceVersion: must be specified for an update")
            return self._update(resource, namespace, name, obj, before)

    def patch(self, resource: str, namespace: str, name: str, media_type: str, body: Any) -> Object:
        """The object as it was stored; raises `RefusalError`."""
        with self.changed:
            before = self._existing(resource, namespace, name)
            after = patched(before, media_type, body)
            check_place(after, resource, namespace, name)
            return self._update(resource, namespace, name, after, before)

    def allows(self, verb: Verb, resource: str, name: str) -> bool:
        """Whether RBAC grants the request."""
        if verb in self.forbidden or resource in self.forbidden_resources:
            return False
        return self.grants is None or any(grant.allows(verb, resource, name) for grant in self.grants)

    def delete(self, namespace: str, name: str, resource: str = SERVICE_ACCOUNTS) -> None:
        """Delete an object, if there is one."""
        with self.changed:
            collection = self._collection(resource)
            obj = collection.objects.pop(f"{namespace}/{name}", None)
            if obj is not None:
                metadata = {**obj["metadata"], "resourceVersion": self._next()}
                self._log(collection, "DELETED", {**obj, "metadata": metadata})

    def compact(self, resource: str = SERVICE_ACCOUNTS) -> None:
        """Forget all history: a watch from before now, and the next page of a list, are answered with 410."""
        with self.changed:
            collection = self._collection(resource)
            collection.log.clear()
            collection.oldest = self._version
            self._pages.clear()

    def annotations(self, resource: str = SERVICE_ACCOUNTS) -> dict[str, dict[str, str]]:
        """NAMESPACE/NAME → annotations: what a cache must hold."""
        with self.changed:
            return {key: obj["metadata"]["annotations"] for key, obj in self._collection(resource).objects.items()}

    def find(self, resource: str, namespace: str, name: str) -> dict[str, Any] | None:
        """One object."""
        with self.changed:
            return self._collection(resource).objects.get(f"{namespace}/{name}")

    def events_after(self, resource: str, version: int) -> list[tuple[int, dict[str, Any]]] | None:
        """Events that are newer, with their versions; None where the history does not reach back so far."""
        with self.changed:
            collection = self._collection(resource)
            if version < collection.oldest:
                return None
            return [entry for entry in collection.log if entry[0] > version]

    def accept_tokens_of(self, issuer: ClusterSigner) -> None:
        """Answer TokenReviews of this issuer's tokens."""
        self.reviews = Reviews(issuer, lambda namespace, name: self.find("pods", namespace, name))

    def page(self, resource: str, limit: int, token: str, namespace: str = "") -> dict[str, Any] | None:
        """One page of a list as of the moment of its first page; None for an expired continue token."""
        with self.changed:
            if token and token not in self._pages:
                return None
            objects = self._collection(resource).objects
            everything = [obj for key, obj in objects.items() if key.startswith(f"{namespace}/" if namespace else "")]
            version, rest = self._pages[token] if token else (self._version, everything)
            limit = limit or len(rest)
            metadata = {"resourceVersion": str(version)}
            if len(rest) > limit:
                metadata["continue"] = f"{version}+{len(rest) - limit}"
                self._pages[metadata["continue"]] = (version, rest[limit:])
            return {"kind": "List", "apiVersion": "v1", "metadata": metadata, "items": rest[:limit]}

    def next_fault(self, verb: Verb) -> Fault | None:
        """The next thing to do wrong."""
        with self.changed:
            return self.faults[verb].popleft() if self.faults[verb] else None

    def _existing(self, resource: str, namespace: str, name: str) -> Object:
        before = self.find(resource, namespace, name)
        if before is None:
            raise RefusalError(404, "NotFound", f'{resource} "{name}" not found')
        return before

    def _update(self, resource: str, namespace: str, name: str, obj: Object, before: Object) -> Object:
        now = before["metadata"]
        for key in ("resourceVersion", "uid"):
            if obj["metadata"].get(key, now[key]) != now[key]:
                raise conflict(resource, name)
        check(obj, before)
        after = stored(obj, before, version=now["resourceVersion"], uid="")
        return before if same(after, before) else self._store(resource, f"{namespace}/{name}", obj, before)

    def _store(self, resource: str, key: str, obj: Object, before: Object | None) -> Object:
        collection = self._collection(resource)
        version = self._next()
        after = stored(obj, before, version=version, uid=f"{key}-{version}")
        collection.objects[key] = after
        self._log(collection, "MODIFIED" if before else "ADDED", after)
        self.after_write()
        return after

    def _collection(self, resource: str) -> Collection:
        return self._collections.setdefault(resource, Collection())

    def _next(self) -> str:
        self._version += 1
        return str(self._version)

    def _log(self, collection: Collection, kind: str, obj: dict[str, Any]) -> None:
        collection.log.append((self._version, {"type": kind, "object": obj}))
        self.changed.notify_all()
