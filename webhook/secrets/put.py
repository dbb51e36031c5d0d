"""How does a container get its secrets?

Pure. What an earlier review of ours did and this one does not is undone, so that a copied spec becomes what a new one
would be.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from webhook import parts
from webhook.decision import ContainerSecrets, SecretsInjection
from webhook.patch import Operation, add, append, remove, replace
from webhook.pod import Container, Pod, application_containers
from webhook.secrets.restore import restore


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedSecrets:
    """What a container shall have."""

    one: ContainerSecrets | None
    """None: files alone."""
    mounts: list[dict[str, Any]] = field(default_factory=list)


def restored_pod(pod: Pod, delivered: SecretsInjection | None) -> Pod:
    """The pod as its author wrote it, its containers at their places."""
    undo_piggy = delivered is not None and delivered.plan.syntax.piggy is not None
    return restore(pod, undo_piggy=undo_piggy).pod


def wanted_secrets(
    delivered: SecretsInjection | None, pod: Pod, skipped: frozenset[str]
) -> Mapping[str, WantedSecrets]:
    """What each container shall have, where that is anything, by its name."""
    if delivered is None:
        return {}
    by_name = {one.name: one for one in delivered.containers}
    files = [parts.files_mount(delivered.files_path)] if delivered.files_path else []
    wanted = {}
    for _, _, container in application_containers(pod, skipped):
        name = container["name"]
        one = by_name.get(name)
        launcher = [parts.launcher_mount(one.volume)] if one and one.delivery != "envfile" else []
        if one or files:
            wanted[name] = WantedSecrets(one=one, mounts=[*launcher, *files])
    return wanted


def put_container(path: str, container: Container, author: Container, wanted: WantedSecrets | None) -> list[Operation]:
    """Variables where they stand, then command and args; `author` is the container without an earlier review."""
    one = wanted.one if wanted else None
    if one is None and author is container:
        return []  # most containers
    operations: list[Operation] = []
    replaced = set(one.variables) if one else set()
    before, after = container.get("env") or [], author.get("env") or []
    last = {entry.get("name"): index for index, entry in enumerate(after)}
    for index, entry in enumerate(after):
        name = entry.get("name")
        file = one is not None and name in replaced and last[name] == index
        entry_wanted = {**_rest(entry), **parts.env_file_entry(name, one.volume)} if one and file else entry
        if before[index] != entry_wanted:
            operations.append(replace(f"{path}/env/{index}", entry_wanted))
    command = list(one.command) if one and one.command is not None else author.get("command")
    args = list(one.args) if one and one.args is not None else author.get("args")
    return [
        *operations,
        *_put_field(path, container, "command", command),
        *_put_field(path, container, "args", args),
    ]


def put_first_variables(
    path: str, container: Container, wanted: WantedSecrets | None, earlier: Sequence[Operation]
) -> list[Operation]:
    """Variables that came with envFrom, before those that may refer to them; after every operation by an index."""
    one = wanted.one if wanted else None
    if one is None:
        return []
    present = {entry.get("name") for entry in container.get("env") or ()}
    entries = [parts.env_file_entry(name, one.volume) for name in one.variables if name not in present]
    has_env = container.get("env") is not None or any(operation["path"] == f"{path}/env" for operation in earlier)
    if not has_env:
        return append(f"{path}/env", None, entries)
    return [add(f"{path}/env/0", entry) for entry in reversed(entries)]


def _rest(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What a variable says beside its value: fields that nobody knows yet."""
    return {key: each for key, each in entry.items() if key not in ("value", "valueFrom")}


def _put_field(path: str, container: Container, name: str, wanted: list[str] | None) -> list[Operation]:
    present = container.get(name)
    if (present or None) == (wanted or None):
        return []
    if not wanted:
        return [remove(f"{path}/{name}")]
    return [replace(f"{path}/{name}", wanted) if name in container else add(f"{path}/{name}", wanted)]
