"""What piggy's webhook put into a pod, in a manifest that was copied from one, and how it comes out again.

Pure. The command is put back by the webhook's own function; what the author wrote stays.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from webhook.pod import CONTAINER_LISTS, containers
from webhook.secrets.restore import PIGGY_COMMAND, PIGGY_CONTAINER, restore

PIGGY_VOLUME = "piggy-env"
# piggy-env's own, which it keeps from the application; and PIGGY_UID, which it forgets to.
VARIABLES = frozenset(
    f"PIGGY_{name}"
    for name in (
        "AWS_SECRET_NAME AWS_SSM_PARAMETER_PATH AWS_REGION AWS_SECRET_VERSION POD_NAME DEBUG STANDALONE ADDRESS "
        "ALLOWED_SA SKIP_VERIFY_TLS IGNORE_NO_ENV DEFAULT_SECRET_NAME_PREFIX DEFAULT_SECRET_NAME_SUFFIX DNS_RESOLVER "
        "INITIAL_DELAY NUMBER_OF_RETRY UID"
    ).split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """A pod, and what was taken out of it, in words."""

    pod: Mapping[str, Any]
    taken: tuple[str, ...]


def without_leftovers(pod: Mapping[str, Any]) -> Cleaned:
    """The pod without them; the same object where there are none."""
    taken = tuple(dict.fromkeys(_leftovers(pod)))
    if not taken:
        return Cleaned(pod=pod, taken=())
    spec = dict(restore(pod, undo_piggy=True).pod["spec"])
    for which in CONTAINER_LISTS:
        if spec.get(which):
            spec[which] = [_cleaned(each) for each in spec[which] if each["name"] != PIGGY_CONTAINER]
    spec["volumes"] = [each for each in spec.get("volumes") or () if each.get("name") != PIGGY_VOLUME]
    empty = [name for name in ("initContainers", "volumes") if name in spec and not spec[name]]
    return Cleaned(pod={**pod, "spec": {key: value for key, value in spec.items() if key not in empty}}, taken=taken)


def _leftovers(pod: Mapping[str, Any]) -> Iterator[str]:
    for which in CONTAINER_LISTS:
        for container in containers(pod, which):
            if container["name"] == PIGGY_CONTAINER:
                yield f"container {PIGGY_CONTAINER}"
            elif container.get("command") == PIGGY_COMMAND:
                yield f"the command {PIGGY_COMMAND[0]}"
            yield from (f"variable {name}" for name in _variables(container))
            if any(_is_piggys(mount) for mount in container.get("volumeMounts") or ()):
                yield f"mounts of {PIGGY_VOLUME}"
    if any(_is_piggys(volume) for volume in pod["spec"].get("volumes") or ()):
        yield f"volume {PIGGY_VOLUME}"


def _cleaned(container: Mapping[str, Any]) -> Mapping[str, Any]:
    """Lists that are empty only now go with their last entry."""
    kept = {
        "env": [each for each in container.get("env") or () if each.get("name") not in VARIABLES],
        "volumeMounts": [each for each in container.get("volumeMounts") or () if not _is_piggys(each)],
    }
    changed = {name: value for name, value in kept.items() if len(value) != len(container.get(name) or ())}
    cleaned = {**container, **changed}
    return {key: value for key, value in cleaned.items() if key not in changed or value}


def _variables(container: Mapping[str, Any]) -> Iterator[str]:
    return (entry["name"] for entry in container.get("env") or () if entry.get("name") in VARIABLES)


def _is_piggys(entry: Mapping[str, Any]) -> bool:
    return entry.get("name") == PIGGY_VOLUME
