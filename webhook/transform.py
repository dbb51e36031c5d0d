"""Which operations change the pod?

Pure: pod and decision in, JSON Patch out. Verbs say the policy: `put` replaces by name wherever it stands,
`put_if_absent` leaves the author's. A pod that already is as it should be gets no operation.
"""

from typing import Any

from contract import environ
from webhook import parts, session_name
from webhook.decide import Injection
from webhook.patch import Operation, add, append, remove_all, replace
from webhook.pod import (
    INJECTED_CONTAINERS,
    Container,
    ContainerList,
    Pod,
    application_containers,
    author_env,
    containers,
    injected_entries,
)
from webhook.settings import Settings


def transform(pod: Pod, injection: Injection, settings: Settings) -> list[Operation]:
    """The operations that turn the pod into one with this injection; none if it already is.

    Order matters: containers are changed at the index they came with before others are removed or inserted.
    """
    operations: list[Operation] = []
    for which, index, container in application_containers(pod, injection.skip_containers):
        path = f"/spec/{which}/{index}"
        operations += _put_env(path, container, injection, settings)
        operations += _put_mount(path, container, injection, settings)
    for which, index, container in application_containers(pod):
        if container["name"] in injection.skip_containers:
            operations += _take_back(f"/spec/{which}/{index}", container, settings)
    init, ordinary = _wanted_containers(injection, settings)
    operations += _put_first(pod, "initContainers", init)
    operations += _put_last(pod, "containers", ordinary)
    operations += _put_volume(pod, parts.token_volume(injection, settings))
    if init or ordinary:
        operations += _put_pull_secrets_if_absent(pod, settings)
    return operations


def _wanted_containers(injection: Injection, settings: Settings) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    if injection.mode == "cluster":
        return None, None
    match injection.shape:
        case "native":
            return parts.native_sidecar(injection, settings), None
        case "sidecar":
            return parts.generate_container(injection, settings), parts.refresher_container(injection, settings)
        case "init":
            return parts.generate_container(injection, settings), None


def _put_env(path: str, container: Container, injection: Injection, settings: Settings) -> list[Operation]:
    """The author's entries win; those of an earlier review are replaced."""
    env = container.get("env")
    present = injected_entries(container, settings.volume_name)
    earlier = [env[index] for index in present] if env else []
    author = author_env(container, settings.volume_name)
    name = injection.session_name
    if injection.session_name_drawn:
        drawn = [entry["value"] for entry in earlier if session_name.is_default(entry.get("value"))]
        name = drawn[0] if drawn else name
    wanted = [
        _agreeing(entry, author) for entry in parts.application_env(injection, name) if entry["name"] not in author
    ]
    if earlier == wanted:
        return []
    return remove_all(f"{path}/env", present) + append(f"{path}/env", env, wanted)


_REGION_TWINS = {environ.AWS_REGION: environ.AWS_DEFAULT_REGION, environ.AWS_DEFAULT_REGION: environ.AWS_REGION}


def _agreeing(entry: dict[str, Any], author: dict[str, Any]) -> dict[str, Any]:
    """An author who set one region variable means both: half of the SDKs read the other one."""
    twin = author.get(_REGION_TWINS.get(entry["name"], ""))
    return {**twin, "name": entry["name"]} if twin else entry


def _put_mount(path: str, container: Container, injection: Injection, settings: Settings) -> list[Operation]:
    return _put(f"{path}/volumeMounts", container.get("volumeMounts"), parts.application_mount(injection, settings))


def _take_back(path: str, container: Container, settings: Settings) -> list[Operation]:
    """A skipped container of a copied spec gives back what an earlier review gave it."""
    mounts = container.get("volumeMounts") or []
    ours = [index for index, mount in enumerate(mounts) if mount.get("name") == settings.volume_name]
    env = injected_entries(container, settings.volume_name)
    return remove_all(f"{path}/env", env) + remove_all(f"{path}/volumeMounts", ours)


def _put_volume(pod: Pod, volume: dict[str, Any]) -> list[Operation]:
    return _put("/spec/volumes", pod["spec"].get("volumes"), volume)


def _put(path: str, present: list[dict[str, Any]] | None, wanted: dict[str, Any]) -> list[Operation]:
    """One element of this name: the first is replaced where it stands, others go, none is appended."""
    indices = [index for index, element in enumerate(present or ()) if element.get("name") == wanted["name"]]
    if not indices or present is None:
        return append(path, present, [wanted])
    first, *others = indices
    kept = [] if present[first] == wanted else [replace(f"{path}/{first}", wanted)]
    return kept + remove_all(path, others)


def _put_first(pod: Pod, which: ContainerList, wanted: dict[str, Any] | None) -> list[Operation]:
    """Ours stands before every other: what comes later may need the token, and proxies have not cut the network yet."""
    path, present = f"/spec/{which}", containers(pod, which)
    ours = _injected(present)
    if wanted is None:
        return remove_all(path, ours)
    if ours == [0]:
        return [] if present[0] == wanted else [replace(f"{path}/0", wanted)]
    if not present:
        return [add(path, [wanted])]
    return [*remove_all(path, ours), add(f"{path}/0", wanted)]


def _put_last(pod: Pod, which: ContainerList, wanted: dict[str, Any] | None) -> list[Operation]:
    """Where ours stands already it stays: the order of ordinary containers means nothing."""
    path, present = f"/spec/{which}", containers(pod, which)
    ours = _injected(present)
    if wanted is not None and len(ours) == 1:
        return [] if present[ours[0]] == wanted else [replace(f"{path}/{ours[0]}", wanted)]
    added = [add(f"{path}/-", wanted)] if wanted is not None else []
    return remove_all(path, ours) + added


def _injected(present: list[Container]) -> list[int]:
    return [index for index, container in enumerate(present) if container["name"] in INJECTED_CONTAINERS]


def _put_pull_secrets_if_absent(pod: Pod, settings: Settings) -> list[Operation]:
    present = pod["spec"].get("imagePullSecrets")
    names = {secret.get("name") for secret in present or ()}
    missing = [{"name": name} for name in settings.image_pull_secrets if name not in names]
    return append("/spec/imagePullSecrets", present, missing)
