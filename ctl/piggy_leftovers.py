"""What piggy's webhook put into a pod, in a manifest that was copied from one, and how it comes out again.

Pure. The command is put back by the webhook's own function; what the author wrote stays.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from webhook.pod import CONTAINER_LISTS, containers
from webhook.secrets.restore import PIGGY_COMMAND, PIGGY_CONTAINER, restore

PIGGY_VOLUME = "piggy-env"
# piggy-env's own, whoever wrote them, which it keeps from the application; and PIGGY_UID, which it forgets to.
VARIABLES = frozenset(
    {
        "PIGGY_AWS_SECRET_NAME",
        "PIGGY_AWS_SSM_PARAMETER_PATH",
        "PIGGY_AWS_REGION",
        "PIGGY_AWS_SECRET_VERSION",
        "PIGGY_POD_NAME",
        "PIGGY_DEBUG",
        "PIGGY_STANDALONE",
        "PIGGY_ADDRESS",
        "PIGGY_ALLOWED_SA",
        "PIGGY_SKIP_VERIFY_TLS",
        "PIGGY_IGNORE_NO_ENV",
        "PIGGY_DEFAULT_SECRET_NAME_PREFIX",
        "PIGGY_DEFAULT_SECRET_NAME_SUFFIX",
        "PIGGY_DNS_RESOLVER",
        "PIGGY_INITIAL_DELAY",
        "PIGGY_NUMBER_OF_RETRY",
        "PIGGY_UID",
    }
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
