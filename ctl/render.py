"""What would the webhook do to these manifests?

Pure: objects, service accounts and the webhook's settings in, one rendering for each object that holds a pod out. The
decision and the patch are the webhook's own; only what a manifest can get wrong and a pod cannot is said here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import jsonpatch

from contract.annotations import ANNOTATIONS, ENABLED_LABEL, PIGGY_PREFIX
from ctl.accounts import Accounts
from ctl.errors import UsageError
from ctl.look_ups import FromFiles, KnownConfigMaps, Registries
from ctl.manifest import Document
from ctl.workload import KubernetesObject, objects_of, pointer
from webhook.account_cache import account_key
from webhook.decide import asks_for_nothing, opted_out
from webhook.decision import Deny, Skip
from webhook.mutate import Mutation, mutate
from webhook.patch import Operation
from webhook.pod import CONTAINER_LISTS, containers, service_account_name
from webhook.secrets.asked import is_asked_by_label_alone
from webhook.secrets.variables import config_maps_named
from webhook.settings import Settings
from webhook.shape import shape_problem

_ANNOTATION_KEYS = frozenset(key for row in ANNOTATIONS for key in (row.key, row.alias) if key and not row.named)
_OF_ACCOUNTS = frozenset(key for row in ANNOTATIONS if "service account" in row.places for key in (row.key, row.alias))
_PREFIXES = (PIGGY_PREFIX, *(row.key for row in ANNOTATIONS if row.named))
_JOB_KINDS = ("Job", "CronJob")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendering:
    """What happens to one object that holds a pod."""

    document: int
    """Its index among the documents."""
    subject: KubernetesObject
    mutation: Mutation
    warnings: tuple[str, ...]
    unknown_config_maps: tuple[str, ...] = ()
    """NAMESPACE/NAME of those that were looked for, and that nobody here knows."""
    is_asked_by_label_alone: bool = False
    """Whether references are looked for, and none in what comes from ConfigMaps and Secrets."""
    images: tuple[str, ...] = ()
    """Those whose registry the webhook would ask what they start."""

    @property
    def unlabelled(self) -> bool:
        """Whether nobody asked for anything."""
        return isinstance(self.mutation.decision, Skip) and self.mutation.decision.reason == "no_label"

    @property
    def denial(self) -> Deny | None:
        """Why the pod would be denied."""
        return self.mutation.decision if isinstance(self.mutation.decision, Deny) else None

    @property
    def patch(self) -> list[Operation]:
        """The operations on the object, whose pod stands deeper."""
        return self._patch(self.subject.pod_place or ())

    @property
    def document_patch(self) -> list[Operation]:
        """The operations on the document, which may be a List of objects."""
        return self._patch((*self.subject.place, *(self.subject.pod_place or ())))

    def _patch(self, place: tuple[str, ...]) -> list[Operation]:
        prefix = pointer(*place)
        return [{**operation, "path": prefix + operation["path"]} for operation in self.mutation.patch]


def render(
    documents: Iterable[Document],
    accounts: Accounts,
    settings: Settings,
    config_maps: KnownConfigMaps,
    *,
    namespace: str | None,
    registries: Registries = "unknown",
) -> list[Rendering]:
    """A rendering for every object that holds a pod, in the order of the documents.

    Raises `UsageError` for a pod of a shape that no API server takes.
    """
    return [
        _render(index, document, subject, accounts, settings, FromFiles(config_maps, registries))
        for index, document in enumerate(documents)
        for subject in objects_of(document.content, namespace)
        if subject.pod_place is not None
    ]


def accounts_of(documents: Iterable[Document], settings: Settings, namespace: str | None) -> list[tuple[str, str]]:
    """Namespace and name of the service account of every pod that asks for something and whose shape can be read."""
    return [(one.namespace, service_account_name(one.pod)) for one in _asking(documents, settings, namespace)]


def config_maps_of(documents: Iterable[Document], settings: Settings, namespace: str | None) -> list[tuple[str, str]]:
    """Namespace and name of every ConfigMap from which these pods take variables."""
    return [
        (one.namespace, name)
        for one in _asking(documents, settings, namespace)
        for which in CONTAINER_LISTS
        for container in containers(one.pod, which)
        for name in config_maps_named(container)
    ]


def patched(content: Any, operations: list[Operation]) -> Any:
    """A copy with the operations applied."""
    return jsonpatch.apply_patch(content, operations)


def _asking(documents: Iterable[Document], settings: Settings, namespace: str | None) -> list[KubernetesObject]:
    return [
        one
        for each in documents
        for one in objects_of(each.content, namespace)
        if one.pod_place is not None and _is_sent(one.pod, settings) and not shape_problem(one.pod)
    ]


def _render(
    index: int,
    document: Document,
    subject: KubernetesObject,
    accounts: Accounts,
    settings: Settings,
    looked_up: FromFiles,
) -> Rendering:
    pod = subject.pod
    misplaced = tuple(_misplaced(subject))
    if not _is_sent(pod, settings):
        return Rendering(
            document=index, subject=subject, mutation=Mutation(decision=Skip(reason="no_label")), warnings=misplaced
        )
    problem = shape_problem(pod)
    if problem:
        place = ".".join(subject.pod_place or ())
        raise UsageError(
            f"{document.origin}: {subject.display_name}: {place}{': ' if place else ''}{problem}: mend the manifest"
            + ('; a label\'s value needs quotes: "true"' if "labels" in problem else "")
        )
    key = account_key(subject.namespace, service_account_name(pod))
    # The same object gets the same session name each time: a rendering that is committed must not change by itself.
    seed = f"{subject.namespace}/{subject.kind}/{subject.name}"
    mutation = mutate(
        _reviewed(subject),
        subject.namespace,
        accounts.get(key, {}),
        settings,
        seed=seed,
        look_ups=looked_up.look_ups,
    )
    warnings = [*misplaced, *_restart_policy(subject)]
    if key not in accounts and not _is_opted_out(mutation):
        warnings.append(
            f"service account {key} is in none of the files: give it with --service-accounts, or ask a "
            "cluster with --live"
        )
    return Rendering(
        document=index,
        subject=subject,
        mutation=mutation,
        warnings=(*warnings, *mutation.warnings),
        unknown_config_maps=tuple(dict.fromkeys(looked_up.unknown_config_maps)),
        is_asked_by_label_alone=_is_asked_by_label_alone(subject, mutation, settings),
        images=tuple(looked_up.images),
    )


def _is_asked_by_label_alone(subject: KubernetesObject, mutation: Mutation, settings: Settings) -> bool:
    if isinstance(mutation.decision, Deny) or opted_out(subject.pod):
        return False
    return is_asked_by_label_alone(subject.pod, subject.namespace, settings)


def _reviewed(subject: KubernetesObject) -> Mapping[str, Any]:
    """The pod as a controller creates it: a template has no name, and messages should have one."""
    if not subject.pod_place:
        return subject.manifest
    return {**subject.pod, "metadata": {**_map(subject.pod.get("metadata")), "generateName": f"{subject.name}-"}}


def _is_sent(pod: Mapping[str, Any], settings: Settings) -> bool:
    """Whether the webhook has to look at this pod, whose shape nobody has looked at."""
    metadata = _map(pod.get("metadata"))
    annotations = {key: value for key, value in _map(metadata.get("annotations")).items() if isinstance(key, str)}
    return ENABLED_LABEL in _map(metadata.get("labels")) or not asks_for_nothing(
        {"metadata": {"annotations": annotations}}, settings
    )


def _carries_label(pod: Mapping[str, Any]) -> bool:
    return ENABLED_LABEL in _map(_map(pod.get("metadata")).get("labels"))


def _map(value: Any) -> Mapping[str, Any]:
    """What is no map counts as an empty one here: `shape_problem` says more."""
    return value if isinstance(value, dict) else {}


def _is_opted_out(mutation: Mutation) -> bool:
    return isinstance(mutation.decision, Skip) and mutation.decision.reason != "no_role"


def _misplaced(subject: KubernetesObject) -> Iterable[str]:
    """What stands on a workload and is only read on its pods."""
    pods_metadata = ".".join((*(subject.pod_place or ()), "metadata"))
    for place, metadata in subject.metadata_above_pod():
        labels, annotations = _map(metadata.get("labels")), _map(metadata.get("annotations"))
        if str(labels.get(ENABLED_LABEL, "false")).lower() != "false" and not _carries_label(subject.pod):
            yield (
                f"the label {ENABLED_LABEL} stands on the {subject.kind} itself ({place}.labels), where it does "
                f"nothing: the webhook sees pods only; move it to {pods_metadata}.labels"
            )
        for key in map(str, annotations):
            elsewhere = " or to the service account" if key in _OF_ACCOUNTS else ""
            if key in _ANNOTATION_KEYS or key.startswith(_PREFIXES):
                yield (
                    f"the annotation {key} stands on the {subject.kind} itself ({place}.annotations), where it does "
                    f"nothing: move it to {pods_metadata}.annotations{elsewhere}"
                )


def _restart_policy(subject: KubernetesObject) -> Iterable[str]:
    """A Job's pods end, those of other workloads do not: the API server refuses the opposite, after us."""
    place = ".".join((*(subject.pod_place or ()), "spec.restartPolicy"))
    policy = subject.pod["spec"].get("restartPolicy")
    refused = f"{place} is {policy or 'absent'}, and the API server takes no such {subject.kind}"
    if subject.kind in _JOB_KINDS and policy not in ("Never", "OnFailure"):
        yield f"{refused}: write Never or OnFailure"
    is_controller = subject.kind not in (*_JOB_KINDS, "Pod", "PodTemplate")
    if is_controller and policy not in (None, "Always"):
        yield f"{refused}: write Always, or use a Job"
