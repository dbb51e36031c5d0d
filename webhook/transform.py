"""Which operations change the pod?

Pure: pod and decision in, JSON Patch out. Verbs say the policy: `put` replaces by name wherever it stands,
`put_if_absent` leaves the author's. A pod that already is as it should be gets no operation.
"""

from typing import Any

from webhook import parts, session_name
from webhook.amended import is_amended
from webhook.decision import Injection
from webhook.env import ContainerEnv, read_env
from webhook.patch import Operation, add, append, remove_all, replace
from webhook.pod import INJECTED_CONTAINERS, Container, ContainerList, Pod, application_containers, containers
from webhook.put import put, put_env
from webhook.settings import Settings


def transform(pod: Pod, injection: Injection, settings: Settings) -> list[Operation]:
    """The operations that turn the pod into one with this injection; none if it already is.

    Order matters: containers are changed at the index they came with before others are removed or inserted.
    """
    operations: list[Operation] = []
    name = _session_name(pod, injection, settings)
    for which, index, container in application_containers(pod, injection.skip_containers):
        path = f"/spec/{which}/{index}"
        operations += _put_env(path, container, injection, settings, name)
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


def _session_name(pod: Pod, injection: Injection, settings: Settings) -> str:
    """All containers' name: the one that an earlier review drew for one of them, or else this review's."""
    if not injection.session_name_drawn:
        return injection.session_name
    # Without our mount nothing in a container is an earlier review's: most pods are looked at no closer.
    containers = (container for _, _, container in application_containers(pod) if _mounts_ours(container, settings))
    drawn = (_drawn(container, read_env(container, settings.volume_name), injection) for container in containers)
    return next((name for name in drawn if name), injection.session_name)


def _mounts_ours(container: Container, settings: Settings) -> bool:
    return any(mount.get("name") == settings.volume_name for mount in container.get("volumeMounts") or ())


def _drawn(container: Container, env: ContainerEnv, injection: Injection) -> str | None:
    """The name that an earlier review drew for this container; the seed drew one for each."""
    if not injection.session_name_drawn or not env.injected:
        return None
    earlier = [container["env"][index].get("value") for index in env.injected]
    return next((value for value in earlier if session_name.is_default(value)), None)


def _put_env(path: str, container: Container, injection: Injection, settings: Settings, name: str) -> list[Operation]:
    """The author's entries win; those of an earlier review are replaced where they stand."""
    env = read_env(container, settings.volume_name, injection.volume_path)
    return put_env(path, container, env, parts.application_env(injection, _drawn(container, env, injection) or name))


def _put_mount(path: str, container: Container, injection: Injection, settings: Settings) -> list[Operation]:
    return put(f"{path}/volumeMounts", container.get("volumeMounts"), parts.application_mount(injection, settings))


def _take_back(path: str, container: Container, settings: Settings) -> list[Operation]:
    """A skipped container of a copied spec gives back what an earlier review gave it."""
    mounts = container.get("volumeMounts") or []
    ours = [index for index, mount in enumerate(mounts) if mount.get("name") == settings.volume_name]
    env = read_env(container, settings.volume_name).injected
    return remove_all(f"{path}/env", env) + remove_all(f"{path}/volumeMounts", ours)


def _put_volume(pod: Pod, volume: dict[str, Any]) -> list[Operation]:
    return put("/spec/volumes", pod["spec"].get("volumes"), volume)


def _put_first(pod: Pod, which: ContainerList, wanted: dict[str, Any] | None) -> list[Operation]:
    """Ours stands before every other: what comes later may need the token, and proxies have not cut the network yet."""
    path, present = f"/spec/{which}", containers(pod, which)
    ours = _injected(present)
    if wanted is None:
        return remove_all(path, ours)
    kept = _as_amended(pod, present, wanted)
    if ours == [0]:
        return [] if present[0] == kept else [replace(f"{path}/0", kept)]
    if not present:
        return [add(path, [kept])]
    return [*remove_all(path, ours), add(f"{path}/0", kept)]


def _put_last(pod: Pod, which: ContainerList, wanted: dict[str, Any] | None) -> list[Operation]:
    """Where ours stands already it stays: the order of ordinary containers means nothing."""
    path, present = f"/spec/{which}", containers(pod, which)
    ours = _injected(present)
    if wanted is not None and len(ours) == 1:
        kept = _as_amended(pod, present, wanted)
        return [] if present[ours[0]] == kept else [replace(f"{path}/{ours[0]}", kept)]
    return remove_all(path, ours) + append(path, pod["spec"].get(which), [] if wanted is None else [wanted])


def _injected(present: list[Container]) -> list[int]:
    return [index for index, container in enumerate(present) if container["name"] in INJECTED_CONTAINERS]


def _as_amended(pod: Pod, present: list[Container], wanted: dict[str, Any]) -> Container:
    """What an earlier review injected and others amended, where it is still what we want and can run in this pod."""
    volumes = {volume.get("name") for volume in pod["spec"].get("volumes") or ()}
    for container in (present[index] for index in _injected(present)):
        mounted = {mount.get("name") for mount in container.get("volumeMounts") or ()}
        if mounted <= volumes and is_amended(container, wanted):
            return container
    return wanted


def _put_pull_secrets_if_absent(pod: Pod, settings: Settings) -> list[Operation]:
    present = pod["spec"].get("imagePullSecrets")
    names = {secret.get("name") for secret in present or ()}
    missing = [{"name": name} for name in settings.image_pull_secrets if name not in names]
    return append("/spec/imagePullSecrets", present, missing)
