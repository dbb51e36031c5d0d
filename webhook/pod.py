"""What does this pod say?

Pure readers over a pod as the API server sent it: plain dicts, JSON null read as absent. Nothing is copied or changed.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from contract import environ
from contract.pod import GENERATE_CONTAINER, UPDATE_CONTAINER

Pod = Mapping[str, Any]
Container = Mapping[str, Any]
ContainerList = Literal["initContainers", "containers"]
CONTAINER_LISTS: tuple[ContainerList, ...] = ("initContainers", "containers")

INJECTED_CONTAINERS = frozenset({GENERATE_CONTAINER, UPDATE_CONTAINER})

# What a review appends to a container's env, in this order; see `injected_entries`.
_FIRST = environ.AWS_WEB_IDENTITY_TOKEN_FILE
_BETWEEN = (environ.AWS_REGION, environ.AWS_DEFAULT_REGION, environ.AWS_STS_REGIONAL_ENDPOINTS)
_LAST = (environ.AWS_ROLE_ARN, environ.AWS_ROLE_SESSION_NAME)
INJECTED_VARIABLES = (_FIRST, *_BETWEEN, *_LAST)


def labels(pod: Pod) -> Mapping[str, Any]:
    """The pod's labels."""
    return (pod.get("metadata") or {}).get("labels") or {}


def annotations(pod: Pod) -> Mapping[str, Any]:
    """The pod's annotations."""
    return (pod.get("metadata") or {}).get("annotations") or {}


def display_name(pod: Pod) -> str:
    """The name, or the generated name's prefix: a controller's pod has no name yet when it is reviewed."""
    metadata = pod.get("metadata") or {}
    return str(metadata.get("name") or metadata.get("generateName") or "")


def service_account_name(pod: Pod) -> str:
    """The service account that the pod runs as; `serviceAccount` is the field's deprecated name."""
    spec = pod["spec"]
    return str(spec.get("serviceAccountName") or spec.get("serviceAccount") or "default")


def containers(pod: Pod, which: ContainerList) -> list[Container]:
    """One of the pod's container lists."""
    return pod["spec"].get(which) or []


def application_containers(
    pod: Pod, skipped: frozenset[str] = frozenset()
) -> Iterator[tuple[ContainerList, int, Container]]:
    """The author's containers with their place: neither injected ones nor those the author wants skipped."""
    for which in CONTAINER_LISTS:
        for index, container in enumerate(containers(pod, which)):
            if container["name"] not in INJECTED_CONTAINERS and container["name"] not in skipped:
                yield which, index, container


def is_windows(pod: Pod) -> bool:
    """Whether the pod asks for a Windows node."""
    spec = pod["spec"]
    wanted = {(spec.get("os") or {}).get("name"), (spec.get("nodeSelector") or {}).get("kubernetes.io/os")}
    return "windows" in wanted


def runs_to_completion(pod: Pod) -> bool:
    """Whether the pod is meant to end: a Job's, or one that is not always restarted."""
    return (pod["spec"].get("restartPolicy") or "Always") != "Always"


def injected_entries(container: Container, volume_name: str, volume_path: str | None = None) -> list[int]:
    """Where in the container's env the entries stand that an earlier review (ours or the seed's) appended.

    A copied spec carries them, and they must not pass for its author's wish. They are recognised by their first entry,
    a token file on our volume, and end before the first entry that is not the next of our fixed order. A token file in
    `volume_path` is ours even if its author wrote it: no other can be there once our volume is.
    """
    env = container.get("env") or []
    starts = [index for index, entry in enumerate(env) if entry.get("name") == _FIRST]
    if not starts:
        return []
    mounts = container.get("volumeMounts") or ()
    mounted = {str(mount.get("mountPath")) for mount in mounts if mount.get("name") == volume_name}
    found: list[int] = []
    for start in starts:
        folder = str(env[start].get("value", "")).rpartition("/")[0]
        if folder in mounted:
            found.extend(range(start, _end_of_injected(env, start)))
        elif folder == volume_path:
            found.append(start)
    return found


def _end_of_injected(env: list[Mapping[str, Any]], start: int) -> int:
    """The end of what one review appended; only the first entry's if its author continued it.

    A review leaves out what the author had written already, so each of the last names stands in what it appended or
    before. Region entries count only if one of the last follows them: another webhook may have appended them.
    """
    names: Iterator[str] = iter((*_BETWEEN, *_LAST))
    end = start + 1
    for index in range(start + 1, len(env)):
        name = str(env[index].get("name"))
        if name not in names:  # an iterator: a name found takes those before it with it
            break
        if name in _LAST:
            end = index + 1
    present = {entry.get("name") for entry in env[:end]}
    return end if present.issuperset(_LAST) else start + 1


def author_env(container: Container, volume_name: str, volume_path: str) -> dict[str, Mapping[str, Any]]:
    """The author's own entries by name; of two with one name the last holds, as in the container."""
    injected = set(injected_entries(container, volume_name, volume_path))
    entries = enumerate(container.get("env") or ())
    return {str(entry.get("name")): entry for index, entry in entries if index not in injected}


def shape_problem(pod: Any) -> str | None:
    """Why this is no pod that can be worked on: the first field of a wrong type, or None.

    The API server validates types before it asks; what fails here came from somewhere else.
    """
    if not isinstance(pod, dict) or not isinstance(pod.get("spec"), dict):
        return "the pod has no spec: expected an object with the objects metadata and spec"
    metadata, spec = pod.get("metadata") or {}, pod["spec"]
    if not isinstance(metadata, dict) or not isinstance(spec.get("os") or {}, dict):
        return "metadata or spec.os is not an object"
    texts = {f"metadata.{name}": metadata.get(name) for name in ("name", "generateName", "namespace")}
    texts |= {f"spec.{name}": spec.get(name) for name in ("serviceAccountName", "serviceAccount", "restartPolicy")}
    texts["spec.os.name"] = (spec.get("os") or {}).get("name")
    maps = {f"metadata.{name}": metadata.get(name) for name in ("labels", "annotations")}
    maps["spec.nodeSelector"] = spec.get("nodeSelector")
    lists = {f"spec.{name}": spec.get(name) for name in ("volumes", "imagePullSecrets", *CONTAINER_LISTS)}
    return (
        _first_wrong(texts, _is_text, "a string")
        or _first_wrong(maps, _is_text_map, "a map of strings")
        or _first_wrong(lists, _is_named_list, "a list of objects whose name is a string")
        or next(filter(None, (_container_problem(spec, which) for which in CONTAINER_LISTS)), None)
    )


def _container_problem(spec: Mapping[str, Any], which: ContainerList) -> str | None:
    for index, container in enumerate(spec.get(which) or ()):
        place = f"spec.{which}[{index}]"
        if not isinstance(container.get("name"), str):
            return f"{place}.name is not a string"
        lists = {f"{place}.{name}": container.get(name) for name in ("env", "volumeMounts")}
        problem = _first_wrong(lists, _is_named_list, "a list of objects whose name is a string")
        if problem:
            return problem
    return None


def _first_wrong(places: Mapping[str, Any], is_right: Callable[[Any], bool], form: str) -> str | None:
    return next((f"{place} is not {form}" for place, value in places.items() if not is_right(value)), None)


def _is_text(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _is_text_map(value: Any) -> bool:
    return value is None or (isinstance(value, dict) and all(isinstance(item, str) for item in value.values()))


def _is_named_list(value: Any) -> bool:
    return value is None or (
        isinstance(value, list) and all(isinstance(item, dict) and _is_text(item.get("name")) for item in value)
    )
