"""What do these manifests say in our words?

Pure: documents with piggy's words and the variables of piggy's webhook in, contents with ours and what differs out.
Nothing has to be converted for a pod to work: the webhook reads piggy's words.
"""

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contract.annotations import PIGGY_PREFIX
from ctl.look_ups import texts
from ctl.manifest import Document
from ctl.origins import origins
from ctl.piggy_pods import PiggyPod, in_our_words, read_pod
from ctl.piggy_words import PREFIX, Difference, reference
from ctl.render import patched
from ctl.secret_texts import secret_texts
from ctl.workload import KubernetesObject, objects_of, pointer
from secretenv.references import MalformedReferenceError, PiggySource

_Key = tuple[str, str, str]
"""Kind, namespace, name."""
_HOLDERS = (("", "ConfigMap"), ("", "Secret"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """An object with words of piggy's, and what became of it."""

    subject: KubernetesObject
    after: Any
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """All of it."""

    contents: list[Any]
    """Of each document; the same object where nothing changed."""
    objects: tuple[Changed, ...]

    @property
    def is_blocked(self) -> bool:
        """Whether something has to be mended first."""
        return any(difference.blocks for one in self.objects for difference in one.differences)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Holder:
    """A ConfigMap or a Secret, from which pods take variables."""

    document: int
    subject: KubernetesObject
    references: Mapping[tuple[str, str], str]
    """`piggy:NAME` by field and key."""


def convert(documents: Sequence[Document], environ: Mapping[str, str], namespace: str | None) -> Conversion:
    """The conversion; `namespace` holds where an object names none. Raises `UsageError`."""
    objects = [(index, one) for index, each in enumerate(documents) for one in objects_of(each.content, namespace)]
    found = [
        read_pod(index, documents[index], one, environ, is_namespaced=_is_namespaced(one, namespace))
        for index, one in objects
        if one.pod_place is not None
    ]
    pods = [one for one in found if one]
    holders = {_key(one): _holder(index, one) for index, one in objects if (one.group, one.kind) in _HOLDERS}
    sources = {key: _source_of(key, pods) for key in holders}
    changed = [(one.document, _converted_pod(one, holders, sources)) for one in pods]
    changed += [(one.document, _converted_holder(one, sources[key])) for key, one in holders.items() if one.references]
    changed += [(index, Changed(subject=one, after=one.manifest, differences=_unknown(one))) for index, one in objects]
    contents = [
        patched(document.content, operations) if (operations := _operations(index, changed)) else document.content
        for index, document in enumerate(documents)
    ]
    order = {id(one): number for number, (_, one) in enumerate(objects)}
    said = [one for _, one in changed if one.after is not one.subject.manifest or one.differences]
    return Conversion(contents=contents, objects=tuple(sorted(said, key=lambda one: order[id(one.subject)])))


def _converted_pod(one: PiggyPod, holders: Mapping[_Key, _Holder], sources: Mapping[_Key, Any]) -> Changed:
    used = dict.fromkeys((kind, one.subject.namespace, name) for kind, name in origins(one.pod))
    left = [f"{key[0]} {key[2]}" for key in used if not _is_rewritten(key, holders, sources)]
    refers = any(key in holders and holders[key].references and sources[key] for key in used)
    pod, differences = in_our_words(one, left=left, refers=refers)
    place = one.subject.pod_place or ()
    same = pod == one.subject.pod
    after = one.subject.manifest if same else patched(one.subject.manifest, [_replace(place, pod)])
    return Changed(subject=one.subject, after=after, differences=differences)


def _is_rewritten(key: _Key, holders: Mapping[_Key, _Holder], sources: Mapping[_Key, PiggySource | None]) -> bool:
    """Whether no `piggy:NAME` will be left in it."""
    return key in holders and (not holders[key].references or sources[key] is not None)


def _converted_holder(one: _Holder, source: PiggySource | None) -> Changed:
    if source is None:
        text = (
            "it has values piggy:NAME, and the pods here that use it have no source or different ones: it stays as it "
            "is; convert it together with the pods, or make one for each source"
        )
        return Changed(subject=one.subject, after=one.subject.manifest, differences=(Difference("", text),))
    differences = []
    manifest: dict[str, Any] = {**one.subject.manifest}
    for (field, key), text in one.references.items():
        try:
            written = reference(text, source, expands=False)
        except MalformedReferenceError as exc:
            differences.append(Difference(f"key {key}", f"it is no reference: {exc}", blocks=True))
            continue
        if (one.subject.kind, field) == ("Secret", "data"):
            written = base64.b64encode(written.encode()).decode()
        manifest[field] = {**manifest[field], key: written}
    differences.append(
        Difference("", "pods that use it and are in none of the files need the annotations that these pods have now")
    )
    return Changed(subject=one.subject, after=manifest, differences=tuple(differences))


def _source_of(key: _Key, pods: Sequence[PiggyPod]) -> PiggySource | None:
    """The one source of all pods that take variables from it."""
    kind, namespace, name = key
    found = {one.source for one in pods if one.subject.namespace == namespace and (kind, name) in set(origins(one.pod))}
    return found.pop() if len(found) == 1 else None


def _holder(index: int, subject: KubernetesObject) -> _Holder:
    of_secret = subject.kind == "Secret"
    data = {("data", key): text for key, text in texts(subject.manifest.get("data")).items()}
    found = secret_texts(subject.manifest) if of_secret else data
    references = {place: text for place, text in found.items() if text.startswith(PREFIX)}
    return _Holder(document=index, subject=subject, references=references)


def _unknown(subject: KubernetesObject) -> tuple[Difference, ...]:
    """About words of piggy's in an object of which nobody here knows where its pod is."""
    if subject.pod_place is not None or not any(_piggy_keys(subject.manifest)):
        return ()
    text = (
        f"it has annotations {PIGGY_PREFIX}*, and its kind is not known here: convert it by hand, or leave it as it is"
    )
    return (Difference("", text),)


def _piggy_keys(value: Any) -> Iterator[bool]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield str(key).startswith(PIGGY_PREFIX)
            yield from _piggy_keys(item)
    elif isinstance(value, list):
        for item in value:
            yield from _piggy_keys(item)


def _operations(index: int, changed: Sequence[tuple[int, Changed]]) -> list[dict[str, Any]]:
    return [
        _replace(one.subject.place, one.after)
        for document, one in changed
        if document == index and one.after is not one.subject.manifest
    ]


def _replace(place: Sequence[str], value: Any) -> dict[str, Any]:
    return {"op": "replace", "path": pointer(*place), "value": value}


def _key(subject: KubernetesObject) -> _Key:
    return subject.kind, subject.namespace, subject.name


def _is_namespaced(subject: KubernetesObject, namespace: str | None) -> bool:
    metadata = subject.manifest.get("metadata")
    return bool(namespace or (isinstance(metadata, dict) and metadata.get("namespace")))
