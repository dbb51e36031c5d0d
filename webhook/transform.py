"""Which operations change the pod?

Pure: pod and decision in, JSON Patch out. Verbs say the policy: `put` replaces by name wherever it stands,
`put_if_absent` leaves the author's. A pod that already is as it should be gets no operation.
"""

import itertools
from functools import partial
from typing import Any

from webhook import parts, session_name
from webhook.amended import is_amended
from webhook.decision import Injection
from webhook.env import ContainerEnv, read_env
from webhook.patch import Operation, add, append, remove_all, replace
from webhook.pod import (
    CONTAINER_LISTS,
    Container,
    ContainerList,
    Pod,
    application_containers,
    containers,
    is_injected,
)
from webhook.put import put_all, put_env
from webhook.secrets.put import WantedSecrets, put_container, put_first_variables, restored_pod, wanted_secrets
from webhook.secrets.restore import is_our_volume
from webhook.settings import Settings


def transform(pod: Pod, injection: Injection, settings: Settings) -> list[Operation]:
    """The operations that turn the pod into one with this injection; none if it already is.

    Order matters: containers are changed at the index they came with before others are removed or inserted, and so are
    variables.
    """
    operations: list[Operation] = []
    name = _session_name(pod, injection, settings)
    variables = parts.application_env(injection.web_identity, name) if injection.web_identity else []
    token = settings.volume_name if injection.for_application else None
    is_ours = partial(is_our_volume, token=token)
    authors = restored_pod(pod, injection.secrets)
    secrets = wanted_secrets(injection.secrets, pod, injection.skip_containers)
    for which, index, container in application_containers(pod):
        path, wanted = f"/spec/{which}/{index}", secrets.get(container["name"])
        skipped = container["name"] in injection.skip_containers
        env = _put_env(path, container, injection, settings, variables, skipped=skipped)
        if wanted or authors is not pod:
            operations += put_container(path, container, containers(authors, which)[index], wanted)
            env += put_first_variables(path, container, wanted, env)
        operations += env
        mounts = _mounts(wanted, injection, settings, skipped=skipped)
        operations += put_all(f"{path}/volumeMounts", container.get("volumeMounts"), mounts, is_ours)
    init, ordinary = _wanted_containers(injection, settings, name)
    operations += _put_first(pod, "initContainers", init)
    operations += _put_last(pod, "containers", ordinary)
    operations += _put_volumes(pod, injection, settings)
    if init or ordinary:
        operations += _put_pull_secrets_if_absent(pod, settings)
    return operations


def _wanted_containers(
    injection: Injection, settings: Settings, session_name: str
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    if not injection.has_container:
        return None, None
    if injection.shape == "native":
        return parts.native_sidecar(injection, settings, session_name), None
    init = parts.init_container(injection, settings, session_name)
    if injection.shape == "init" or not (injection.google and injection.for_application):
        return init, None
    return init, parts.refresher_container(injection, settings)


def _session_name(pod: Pod, injection: Injection, settings: Settings) -> str:
    """All containers' name: the one that an earlier review drew for one of them, or else this review's."""
    identity = injection.web_identity
    if identity is None or not identity.session_name_drawn:
        return identity.session_name if identity else ""
    # Without our volume nothing in a pod is an earlier review's: most pods are looked at no closer.
    if not any(volume.get("name") == settings.volume_name for volume in pod["spec"].get("volumes") or ()):
        return identity.session_name
    injected = (each for which in CONTAINER_LISTS for each in containers(pod, which) if is_injected(each))
    # Ours first: an application's may have been taken for its author's by the last review.
    for container in itertools.chain(injected, (container for _, _, container in application_containers(pod))):
        if _mounts_ours(container, settings):
            drawn = _drawn(container, read_env(container, settings.volume_name))
            if drawn:
                return drawn
    return identity.session_name


def _mounts_ours(container: Container, settings: Settings) -> bool:
    return any(mount.get("name") == settings.volume_name for mount in container.get("volumeMounts") or ())


def _drawn(container: Container, env: ContainerEnv) -> str | None:
    """The name that an earlier review drew for this container; the seed drew one for each."""
    if not env.injected:
        return None
    earlier = [container["env"][index].get("value") for index in env.injected]
    return next((value for value in earlier if session_name.is_default(value)), None)


def _put_env(
    path: str,
    container: Container,
    injection: Injection,
    settings: Settings,
    variables: list[dict[str, str]],
    *,
    skipped: bool,
) -> list[Operation]:
    """`variables` where none were put before; the author's win, those of an earlier review are replaced in place.

    A skipped container of a copied spec gives back what an earlier review gave it.
    """
    identity = injection.web_identity
    if identity is None or not injection.for_application:
        return []
    if skipped:
        return remove_all(f"{path}/env", read_env(container, settings.volume_name).injected)
    env = read_env(container, settings.volume_name, identity.volume_path)
    kept = _drawn(container, env) if identity.session_name_drawn else None
    return put_env(path, container, env, parts.application_env(identity, kept) if kept else variables)


def _mounts(
    wanted: WantedSecrets | None, injection: Injection, settings: Settings, *, skipped: bool
) -> list[dict[str, Any]]:
    mounts = list(wanted.mounts) if wanted else []
    if injection.web_identity and injection.for_application and not skipped:
        mounts.insert(0, parts.application_mount(injection.web_identity, settings))
    return mounts


def _put_volumes(pod: Pod, injection: Injection, settings: Settings) -> list[Operation]:
    volumes = [parts.token_volume(injection.web_identity, settings)] if injection.web_identity else []
    volumes += parts.secrets_volumes(injection)

    token = settings.volume_name if injection.web_identity else None
    return put_all("/spec/volumes", pod["spec"].get("volumes"), volumes, partial(is_our_volume, token=token))


def _put_first(pod: Pod, which: ContainerList, wanted: dict[str, Any] | None) -> list[Operation]:
    """Ours stands before every other: what comes later may need the token, and proxies have not cut the network yet."""
    path, present = f"/spec/{which}", containers(pod, which)
    ours = _injected(present)
    if wanted is None:
        return remove_all(path, ours)
    kept = _as_amended(pod, present, wanted) if ours else wanted
    if ours == [0]:
        return [] if present[0] == kept else [replace(f"{path}/0", kept)]
    if not present:
        return [add(path, [kept])]
    return [*remove_all(path, ours), add(f"{path}/0", kept)]


def _put_last(pod: Pod, which: ContainerList, wanted: dict[str, Any] | None) -> list[Operation]:
    """Where ours stands already it stays: the order of ordinary containers means nothing."""
    path, present = f"/spec/{which}", containers(pod, which)
    ours = _injected(present)
    if wanted is None and not ours:
        return []
    if wanted is not None and len(ours) == 1:
        kept = _as_amended(pod, present, wanted)
        return [] if present[ours[0]] == kept else [replace(f"{path}/{ours[0]}", kept)]
    return remove_all(path, ours) + append(path, pod["spec"].get(which), [] if wanted is None else [wanted])


def _injected(present: list[Container]) -> list[int]:
    return [index for index, container in enumerate(present) if is_injected(container)]


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
