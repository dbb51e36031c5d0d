"""What does a debug container of a running pod get?

Pure. What the application has: variables and mount are taken from the containers as they run, as the service account
may have changed since. That is the old pod: of the new one, as it comes to admission, the API server keeps the
ephemeral containers only. Of those only what is new is touched; it refuses changes to the others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from contract import annotations as keys
from contract import environ
from webhook import session_name, values
from webhook.advise import advise_container
from webhook.decide import opted_out
from webhook.decision import BAD_REQUEST, Deny, EphemeralContainer, EphemeralInjection, Skip
from webhook.env import INJECTED_VARIABLES, Entry, read_env
from webhook.patch import Operation
from webhook.pod import EPHEMERAL, Container, Pod, application_containers, containers
from webhook.precedence import AnnotationError, Annotations
from webhook.put import put, put_env
from webhook.refuse import forbidden_own_role, taken_mount
from webhook.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class _Identity:
    """What one of the pod's containers carries."""

    env: tuple[Entry, ...]
    volume_path: str


def decide_ephemeral(pod: Pod, old: Pod, namespace: str, settings: Settings) -> EphemeralInjection | Skip | Deny:
    """The decision about the ephemeral containers of `pod`; everything else about it is as in `old`."""
    skip = opted_out(old)
    if skip:
        return skip
    known = {container["name"] for container in containers(old, EPHEMERAL)}
    gathered = Annotations(old, namespace, {})
    nobody: frozenset[str] = frozenset()
    try:
        skipped = gathered.value(keys.SKIP_CONTAINERS, values.container_names, nobody) | known
    except AnnotationError as exc:
        return Deny(reason="bad_annotation", message=str(exc), code=BAD_REQUEST)
    new = [(index, one) for index, one in enumerate(containers(pod, EPHEMERAL)) if one["name"] not in skipped]
    if not new:
        return Skip(reason="no_new_container")
    identities = _identities(old, settings)
    if not identities:
        names = new[0][1]["name"] + (" and others" if len(new) > 1 else "")
        why = f"none of the pod's containers mounts the volume {settings.volume_name}, so it was never injected"
        return Skip(reason="not_injected", warnings=(f"no AWS credentials for {names}: {why}",))
    warnings: list[str] = []
    injected: list[EphemeralContainer] = []
    for index, container in new:
        identity = identities.get(container.get("targetContainerName") or "") or next(iter(identities.values()))
        author = read_env(container, settings.volume_name, identity.volume_path).author
        forbidden = settings.role_policy and forbidden_own_role(container, author, settings.role_policy, gathered)
        if forbidden:
            return forbidden
        taken = taken_mount(container, identity.volume_path, settings.volume_name)
        if taken:
            warnings.append(
                f"no AWS credentials for {container['name']}: it mounts volume {taken.get('name')!r} at "
                f"{taken['mountPath']!r}, where the token goes"
            )
            continue
        warnings += _advice(container, author, identity)
        injected.append(EphemeralContainer(index=index, env=identity.env, volume_path=identity.volume_path))
    if not injected:
        return Skip(reason="not_injected", warnings=tuple(warnings))
    return EphemeralInjection(containers=tuple(injected), warnings=tuple(warnings))


def transform_ephemeral(pod: Pod, injection: EphemeralInjection, settings: Settings) -> list[Operation]:
    """The operations that give the new containers their identity; none if they have it."""
    operations: list[Operation] = []
    for one in injection.containers:
        path, container = f"/spec/{EPHEMERAL}/{one.index}", containers(pod, EPHEMERAL)[one.index]
        env = read_env(container, settings.volume_name, one.volume_path)
        mount = {"name": settings.volume_name, "mountPath": one.volume_path, "readOnly": True}
        operations += put_env(path, container, env, one.env)
        operations += put(f"{path}/volumeMounts", container.get("volumeMounts"), mount)
    return operations


def _identities(pod: Pod, settings: Settings) -> dict[str, _Identity]:
    """By container, those that an earlier review gave an identity; ordinary containers first."""
    found: dict[str, dict[str, _Identity]] = {which: {} for which in ("containers", "initContainers")}
    for which, _, container in application_containers(pod):
        env = read_env(container, settings.volume_name)
        if env.injected:
            injected = [container["env"][index] for index in env.injected]
            # What the author set instead of ours is what the application has.
            present = {**env.author, **{entry["name"]: entry for entry in injected}}
            found[which][container["name"]] = _Identity(
                env=tuple(present[name] for name in INJECTED_VARIABLES if name in present),
                volume_path=injected[0]["value"].rpartition("/")[0],
            )
    return found["containers"] | found["initContainers"]


def _advice(container: Container, author: Mapping[str, Entry], identity: _Identity) -> Sequence[str]:
    ours = {str(entry["name"]): entry.get("value") for entry in identity.env}
    if session_name.is_default(ours.get(environ.AWS_ROLE_SESSION_NAME)):
        del ours[environ.AWS_ROLE_SESSION_NAME]  # nobody chose it
    return advise_container(container, author, ours)
