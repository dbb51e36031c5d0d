"""Which objects hold a pod, and where?

Pure. Kubernetes' own workloads by group and kind; other kinds hold no pod that we know of. A pod's template has no
namespace of its own: it takes the object's.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# From the object to its pod, by API group and kind.
_TEMPLATE = ("spec", "template")
POD_PLACES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("", "Pod"): (),
    ("", "PodTemplate"): ("template",),
    ("", "ReplicationController"): _TEMPLATE,
    ("apps", "DaemonSet"): _TEMPLATE,
    ("apps", "Deployment"): _TEMPLATE,
    ("apps", "ReplicaSet"): _TEMPLATE,
    ("apps", "StatefulSet"): _TEMPLATE,
    ("batch", "CronJob"): ("spec", "jobTemplate", "spec", "template"),
    ("batch", "Job"): _TEMPLATE,
}
_DEFAULT_NAMESPACE = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class KubernetesObject:
    """An object and its place in the document: its own, or an item of a List."""

    api_version: str
    kind: str
    namespace: str
    name: str
    """The name, or the generated name's prefix."""
    place: tuple[str, ...]
    manifest: Mapping[str, Any]

    @property
    def group(self) -> str:
        """The API group; empty for the core's."""
        return self.api_version.rpartition("/")[0]

    @property
    def display_name(self) -> str:
        """KIND/NAMESPACE/NAME, before every message about it."""
        return f"{self.kind}/{self.namespace}/{self.name}"

    @property
    def pod_place(self) -> tuple[str, ...] | None:
        """From the object to its pod; None for a kind without one, and for a fragment that has no template."""
        place = POD_PLACES.get((self.group, self.kind))
        return place if place is not None and isinstance(_at(self.manifest, place), dict) else None

    @property
    def pod(self) -> Any:
        """The pod, or the pod's template; only where there is a `pod_place`."""
        return _at(self.manifest, self.pod_place or ())

    def metadata_above_pod(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The metadata that are not the pod's, by path: the workload's own, and a CronJob's jobTemplate's."""
        place = self.pod_place or ()
        for depth in range(len(place)):
            metadata = (_at(self.manifest, place[:depth]) or {}).get("metadata")
            if isinstance(metadata, dict):
                yield ".".join((*place[:depth], "metadata")), metadata


def pointer(*segments: str) -> str:
    """A JSON Pointer; none of our segments needs an escape."""
    return "".join(f"/{segment}" for segment in segments)


def objects_of(content: Any, namespace: str | None) -> Iterator[KubernetesObject]:
    """The objects of a document, those of a List one by one; `namespace` holds where an object names none."""
    yield from _objects(content, namespace or _DEFAULT_NAMESPACE, "", "", ())


def _objects(
    content: Any, namespace: str, api_version: str, kind: str, place: tuple[str, ...]
) -> Iterator[KubernetesObject]:
    if not isinstance(content, dict):
        return
    api_version, kind = str(content.get("apiVersion") or api_version), str(content.get("kind") or kind)
    items = content.get("items")
    if kind.endswith("List") and isinstance(items, list):
        item_kind = kind.removesuffix("List")  # a typed list's items may leave out what the list says for all
        for index, item in enumerate(items):
            yield from _objects(item, namespace, api_version, item_kind, (*place, "items", str(index)))
        return
    metadata = content.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    yield KubernetesObject(
        api_version=api_version,
        kind=kind,
        namespace=str(metadata.get("namespace") or namespace),
        name=str(metadata.get("name") or metadata.get("generateName") or ""),
        place=place,
        manifest=content,
    )


def _at(manifest: Any, place: tuple[str, ...]) -> Any:
    for segment in place:
        manifest = manifest.get(segment) if isinstance(manifest, dict) else None
    return manifest
