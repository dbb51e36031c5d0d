"""What did the pod's author write, before a review changed it?

Pure. A pod can come back to the webhook, and a spec copied from a running pod carries what a review made of it. The
references stand in the plan of the injected container, the command behind the launcher's `--`: both are put back, and
the decision is made anew. What piggy's webhook made of a command is undone in the same way.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from contract import secrets
from secretenv import plan
from webhook.pod import CONTAINER_LISTS, Container, Pod, annotations, containers, is_injected
from webhook.secrets.expansion import unexpanded, written
from webhook.secrets.variables import annotation_meant

LAUNCHER = f"{secrets.APPLICATION_PATH}/{secrets.LAUNCHER_FILE}"
# What piggy's webhook leaves in a pod.
PIGGY_COMMAND = ["/piggy/piggy-env"]
PIGGY_CONTAINER = "install-piggy-env"
_OUR_VOLUMES = frozenset({secrets.STATE_VOLUME, secrets.FILES_VOLUME, secrets.BROKER_TOKEN_VOLUME})
_END_OF_FLAGS = "--"


@dataclass(frozen=True, slots=True)
class Restored:
    """The pod as its author wrote it."""

    pod: Pod
    lost: tuple[tuple[str, str], ...] = ()
    """Containers and variables whose text no plan has any more."""
    started: Mapping[str, plan.Started] = field(default_factory=dict)
    """By container, the command that an earlier review wrote and that is taken back."""


def is_our_volume(name: object, token: str | None = None) -> bool:
    """Whether a review of ours gave the volume its name; `token` is the name of the token's, where that counts."""
    return isinstance(name, str) and (name == token or name.startswith(secrets.VOLUME_PREFIX) or name in _OUR_VOLUMES)


def texts_of_variables(pod: Pod) -> str:
    """What the pod's variables have, as far as the pod itself says it, a line each: to be looked through at once."""
    entries = [entry for which in CONTAINER_LISTS for each in containers(pod, which) for entry in each.get("env") or ()]
    texts = [text for entry in entries if isinstance(text := entry.get("value"), str)]
    if len(texts) < len(entries):
        meant = [annotations(pod).get(annotation_meant(entry) or "") for entry in entries if entry.get("value") is None]
        texts += [text for text in meant if isinstance(text, str)]
    return "\n".join(texts)


def may_refer(pod: Pod, texts: str) -> bool:
    """Whether one of the `texts_of_variables` may be a reference, or was one before an earlier review.

    Most have no colon. Of $(NAME) a reference may come that stands nowhere as a whole.
    """
    return "$(" in texts or (":" in texts and _is_marked(texts)) or has_our_volumes(pod)


def _is_marked(value: str) -> bool:
    return any(marker in value for marker in secrets.MARKERS)


def restore(pod: Pod, *, undo_piggy: bool) -> Restored:
    """The pod without what a review did to env and commands; containers, volumes and mounts of ours are still there.

    The lists have their lengths and their order: an index means the same in both pods.
    """
    spec = pod["spec"]
    changed = has_our_volumes(pod)
    if not changed and not _is_started_by_another(pod, undo_piggy=undo_piggy):
        return Restored(pod)  # most pods
    earlier = _planned(pod) if changed else {}
    lost: list[tuple[str, str]] = []
    lists = {}
    for which in CONTAINER_LISTS:
        present = containers(pod, which)
        restored = [_container(each, earlier, lost, changed=changed, undo_piggy=undo_piggy) for each in present]
        if any(after is not before for after, before in zip(restored, present, strict=True)):
            lists[which] = restored
    started = {name: one.started for name, one in earlier.items() if one.started}
    return Restored({**pod, "spec": {**spec, **lists}} if lists else pod, tuple(lost), started)


def has_our_volumes(pod: Pod) -> bool:
    """Whether an earlier review delivered something."""
    return any(is_our_volume(volume.get("name")) for volume in pod["spec"].get("volumes") or ())


def _is_started_by_another(pod: Pod, *, undo_piggy: bool) -> bool:
    for which in CONTAINER_LISTS:
        for container in containers(pod, which):
            command = container.get("command")
            if command and (command[0] == LAUNCHER or (undo_piggy and command == PIGGY_COMMAND)):
                return True
    return False


def _planned(pod: Pod) -> Mapping[str, plan.ContainerPlan]:
    """What an earlier review decided, by container."""
    found: dict[str, plan.ContainerPlan] = {}
    for container in containers(pod, "initContainers"):
        if is_injected(container):
            for entry in container.get("env") or ():
                if entry.get("name") == secrets.PLAN:
                    found |= {one.name: one for one in _read_plan(entry.get("value"))}
    return found


def _read_plan(text: object) -> tuple[plan.ContainerPlan, ...]:
    try:
        # Written for the kubelet, which reads $$ as $; perhaps by a replica of the release before or after this one.
        return plan.from_json(str(text).replace("$$", "$"), takes_unknown=True).containers
    except plan.PlanError:
        return ()


def _container(
    container: Container,
    earlier: Mapping[str, plan.ContainerPlan],
    lost: list[tuple[str, str]],
    *,
    changed: bool,
    undo_piggy: bool,
) -> Container:
    if is_injected(container):
        return container
    one = earlier.get(container["name"])
    restored: dict[str, Any] = _command(container, one.started if one else None, undo_piggy=undo_piggy)
    entries = (container.get("env") or []) if changed else []
    ours = [index for index, entry in enumerate(entries) if _is_our_file(entry)]
    if ours:
        env = list(entries)
        texts = {variable.name: variable.text for variable in one.variables} if one else {}
        for index in ours:
            name = str(entries[index].get("name"))
            text = texts.get(name)
            if text is None:
                lost.append((container["name"], name))
            else:
                # Kubernetes would expand what the plan has expanded already.
                rest = {key: each for key, each in entries[index].items() if key != "valueFrom"}
                env[index] = {**rest, "value": written(text)}
        restored["env"] = env
    if not restored:
        return container
    return {key: value for key, value in {**container, **restored}.items() if value is not None}


def _is_our_file(entry: Mapping[str, Any]) -> bool:
    reference = (entry.get("valueFrom") or {}).get("fileKeyRef")
    return isinstance(reference, Mapping) and is_our_volume(reference.get("volumeName"))


def _command(container: Container, started: plan.Started | None, *, undo_piggy: bool) -> dict[str, Any]:
    command = container.get("command") or []
    if command[:1] == [LAUNCHER] and _END_OF_FLAGS in command:
        behind = command[command.index(_END_OF_FLAGS) + 1 :]
        return _without_images(behind, container.get("args") or [], started) if started else {"command": behind or None}
    if undo_piggy and command == PIGGY_COMMAND:
        args = container.get("args") or []
        start = args.index(_END_OF_FLAGS) + 1 if _END_OF_FLAGS in args else 0
        return {"command": args[start:] or None, "args": None}
    return {}


def _without_images(behind: list[str], args: list[str], started: plan.Started) -> dict[str, Any]:
    """Command and args without what the image says; what differs from it was edited, and is the author's."""
    entrypoint, cmd = list(map(unexpanded, started.entrypoint)), list(map(unexpanded, started.cmd))
    if not entrypoint:
        rest = behind if started.has_args or behind != cmd else None
        return {"command": None, "args": rest or args or None}
    if behind != entrypoint:
        return {"command": behind or None}
    return {"command": None} if started.has_args or args != cmd else {"command": None, "args": None}
