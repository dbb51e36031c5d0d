"""How does a piece of ours get into a container or a pod?

Pure. An earlier review's is replaced where it stands, the author's is left alone, nothing is there twice.
"""

from collections.abc import Callable, Sequence
from typing import Any

from webhook.env import INJECTED_VARIABLES, ContainerEnv, Entry, without_authors
from webhook.patch import Operation, add, append, remove_all, replace
from webhook.pod import Container


def put_env(path: str, container: Container, env: ContainerEnv, ours: Sequence[Entry]) -> list[Operation]:
    """Variables into the container at this path, whose `env` was read; the author's entries win.

    `ours` are in the order of `env.INJECTED_VARIABLES`.
    """
    entries: list[Any] = container.get("env") or []
    present, author = env.injected, env.author
    wanted = without_authors(ours, author) if author else list(ours)
    if [entries[index] for index in present] == wanted:
        return []
    after = {entry.get("name") for entry in entries[present[0] + 1 :]} if present else set()
    if not present or after & author.keys() & set(INJECTED_VARIABLES):
        # At the end, where no entry of the author's can be taken for the next of ours.
        return remove_all(f"{path}/env", present) + append(f"{path}/env", container.get("env"), wanted)
    # Before what may refer to them: $(NAME) means a variable that stands further up.
    inserted = [add(f"{path}/env/{present[0]}", entry) for entry in reversed(wanted)]
    return remove_all(f"{path}/env", present) + inserted


def put(path: str, present: list[dict[str, Any]] | None, wanted: dict[str, Any]) -> list[Operation]:
    """One element of this name: the first is replaced where it stands, others go, none is appended."""
    return put_all(path, present, [wanted], lambda name: name == wanted["name"])


def put_all(
    path: str,
    present: list[dict[str, Any]] | None,
    wanted: Sequence[dict[str, Any]],
    is_ours: Callable[[object], bool],
) -> list[Operation]:
    """The wanted elements, each once, and no other of ours: those that are there are replaced where they stand."""
    by_name = {element["name"]: element for element in wanted}
    kept: list[Operation] = []
    surplus: list[int] = []
    for index, element in enumerate(present or ()):
        name = element.get("name")
        if not is_ours(name):
            continue
        ours = by_name.pop(name, None)
        if ours is None:
            surplus.append(index)
        elif element != ours:
            kept.append(replace(f"{path}/{index}", ours))
    if surplus:
        kept += remove_all(path, surplus)
    return kept + append(path, present, list(by_name.values())) if by_name else kept
