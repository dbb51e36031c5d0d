"""One pod of piggy's user, in our words.

Pure. What stands where nobody here can write (a Secret that is in no file) still says `piggy:NAME`, so that the pod
keeps piggy's annotation for it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contract import annotations as keys
from ctl.errors import UsageError
from ctl.manifest import Document
from ctl.piggy_leftovers import without_leftovers
from ctl.piggy_told import reader_differences, source_differences, text_differences, version_difference
from ctl.piggy_words import PREFIX, Difference, annotation_differences, kept_source, our_annotations, reference
from ctl.workload import KubernetesObject
from secretenv.piggy import PiggyConfig, PiggyError, read
from secretenv.piggy_table import BY_KEY
from secretenv.references import MalformedReferenceError, PiggySource
from webhook import pod as pods
from webhook.secrets.piggy import is_annotated
from webhook.secrets.piggy_variables import VERSION, with_version
from webhook.shape import shape_problem

_VERSION = f"variable {VERSION}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PiggyPod:
    """A pod with words of piggy's, as its author wrote it."""

    document: int
    subject: KubernetesObject
    pod: Mapping[str, Any]
    """Without what piggy's webhook left in it."""
    config: PiggyConfig
    found: tuple[Difference, ...]
    """What was noticed on the way."""

    @property
    def source(self) -> PiggySource | None:
        """Where `piggy:NAME` is looked for."""
        return self.config.source


def read_pod(
    index: int, document: Document, subject: KubernetesObject, environ: Mapping[str, str], *, is_namespaced: bool
) -> PiggyPod | None:
    """The pod of an object; None where it has no word of piggy's. Raises `UsageError` for a shape that is none."""
    if not _mentions_piggy(subject.pod):
        return None
    problem = shape_problem(subject.pod)
    if problem:
        raise UsageError(f"{document.origin}: {subject.display_name}: {problem}: mend the manifest")
    cleaned = without_leftovers(subject.pod)
    found = list(_taken(cleaned.taken))
    annotations, account = pods.annotations(subject.pod), pods.service_account_name(subject.pod)
    config = PiggyConfig()
    try:
        config = read(annotations, environ, namespace=subject.namespace, service_account=account)
        config = with_version(config, subject.pod)
    except PiggyError as exc:
        found.append(Difference("", f"{exc}: correct it", blocks=True))
    else:
        if _VERSION in cleaned.taken:
            found.append(version_difference(config))
        found += source_differences(config, annotations, environ, is_namespaced=is_namespaced)
    return PiggyPod(
        document=index,
        subject=subject,
        pod=cleaned.pod,
        config=config,
        found=tuple(found),
    )


def _taken(taken: Sequence[str]) -> Iterator[Difference]:
    """But for the version's variable, which only an author writes."""
    others = [each for each in taken if each != _VERSION]
    if others:
        yield Difference(
            "", f"taken out, as piggy's webhook put it in or piggy's program alone reads it: {', '.join(others)}"
        )


def in_our_words(
    one: PiggyPod, *, left: Sequence[str], refers: bool
) -> tuple[Mapping[str, Any], tuple[Difference, ...]]:
    """The pod with our words, and what differs.

    `left`: the objects in which `piggy:NAME` may stay; `refers`: whether one of its objects has references of ours.
    """
    source, pod = one.source, one.pod
    if source is None:
        return pod, one.found
    differences = [
        *one.found,
        *reader_differences(pod, one.config, one.subject.namespace),
        *annotation_differences(pods.annotations(pod), one.config),
    ]
    spec = dict(pod["spec"])
    count = 0
    for which in pods.CONTAINER_LISTS:
        if spec.get(which):
            changed = [_container(each, source, is_ours=_is_ours(pod)) for each in spec[which]]
            spec[which] = [container for container, _, _ in changed]
            count += sum(number for _, number, _ in changed)
            differences += [difference for _, _, those in changed for difference in those]
    annotations, those = _annotations(one, left=left, refers=refers or count > 0)
    metadata = {**(pod.get("metadata") or {}), "annotations": annotations}
    if not annotations:
        del metadata["annotations"]
    return {**pod, "metadata": metadata, "spec": spec}, (*differences, *those)


def _mentions_piggy(pod: Any) -> bool:
    """Whether there is anything to look at, in a pod whose shape nobody has looked at."""
    metadata = pod.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    if isinstance(annotations, dict) and is_annotated({str(key): "" for key in annotations}):
        return True
    if shape_problem(pod):
        return False
    return any(
        isinstance(entry.get("value"), str) and entry["value"].upper().startswith(PREFIX.upper())
        for container in _containers(pod)
        for entry in container.get("env") or ()
    ) or bool(without_leftovers(pod).taken)


def _annotations(one: PiggyPod, *, left: Sequence[str], refers: bool) -> tuple[dict[str, str], list[Difference]]:
    present, differences = pods.annotations(one.pod), []
    kept = {key: value for key, value in present.items() if not key.startswith(keys.PIGGY_PREFIX) or key not in BY_KEY}
    ours: dict[str, str] = {}
    try:
        ours = our_annotations(one.config, present)
    except ValueError as exc:
        differences.append(Difference("annotations of region and resources", f"{exc}: correct it", blocks=True))
    if refers and present.get(keys.SECRETS) == "false":
        differences.append(
            Difference(f"annotation {keys.SECRETS}", "it switches our references off: take it out", blocks=True)
        )
    elif refers and present.get(keys.SECRETS) != "arns":
        ours = {keys.SECRETS: "true", **ours}
    if left and one.source:
        ours |= kept_source(one.source)
        differences.append(
            Difference(
                "",
                f"piggy's annotation stays for {', '.join(left)}, where piggy: may stand: give the file "
                "with -f too, or take the annotation out if none does",
            )
        )
    return {**kept, **ours}, differences


def _container(
    container: Mapping[str, Any], source: PiggySource, *, is_ours: bool
) -> tuple[Mapping[str, Any], int, list[Difference]]:
    """The container, how many values are references now, and what differs."""
    env, count, differences = [], 0, []
    for entry in container.get("env") or ():
        place, text = f"container {container['name']}, variable {entry.get('name')}", entry.get("value")
        written = text
        if isinstance(text, str) and text.startswith(PREFIX):
            try:
                written = reference(text, source, expands=True)
                count += 1
            except MalformedReferenceError as exc:
                differences.append(Difference(place, f"it is no reference: {exc}", blocks=True))
        elif isinstance(text, str):
            differences += [Difference(place, said) for said in text_differences(text, is_ours=is_ours)]
        env.append(entry if written is text else {**entry, "value": written})
    return ({**container, "env": env} if count else container), count, differences


def _is_ours(pod: Mapping[str, Any]) -> bool:
    """Whether our references in it are references already."""
    switch = pods.annotations(pod).get(keys.SECRETS)
    return switch in ("true", "arns") or (switch is None and keys.ENABLED_LABEL in pods.labels(pod))


def _containers(pod: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    return (container for which in pods.CONTAINER_LISTS for container in pods.containers(pod, which))
