"""Is this a pod that can be worked on?

Pure. The API server validates types before it asks; what fails here came from somewhere else. Everything that the other
modules rely on is looked at here, once.
"""

from collections.abc import Callable, Mapping
from typing import Any

from webhook.pod import CONTAINER_LISTS, EPHEMERAL

_LISTS = (*CONTAINER_LISTS, EPHEMERAL)


def shape_problem(pod: Any) -> str | None:
    """The first field of a wrong type and what it should be, or None."""
    if not isinstance(pod, dict) or not isinstance(pod.get("spec"), dict):
        return "the pod has no spec: expected an object with the objects metadata and spec"
    metadata, spec = pod.get("metadata") or {}, pod["spec"]
    if not isinstance(metadata, dict) or not isinstance(spec.get("os") or {}, dict):
        return "metadata or spec.os is not an object"
    return (
        _first_wrong("metadata", metadata, _METADATA)
        or _first_wrong("spec.os", spec.get("os") or {}, _OS)
        or _first_wrong("spec", spec, _SPEC)
        or next(filter(None, (_container_problem(spec, which) for which in _LISTS)), None)
    )


def _container_problem(spec: Mapping[str, Any], which: str) -> str | None:
    for index, container in enumerate(spec.get(which) or ()):
        place = f"spec.{which}[{index}]"
        if not isinstance(container.get("name"), str):
            return f"{place}.name is not a string"
        problem = _first_wrong(place, container, _CONTAINER)
        if problem:
            return problem
        for number in [at for at, entry in enumerate(container.get("env") or ()) if "valueFrom" in entry]:
            if not _is_source(container["env"][number]["valueFrom"]):
                return f"{place}.env[{number}].valueFrom is not an object with a reference, whose key is a string"
    return None


def _is_text(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _is_text_map(value: Any) -> bool:
    return value is None or (isinstance(value, dict) and all(isinstance(item, str) for item in value.values()))


def _is_list_with_text(value: Any, key: str) -> bool:
    if not isinstance(value, list):
        return value is None
    for item in value:  # noqa: SIM110 - a generator costs a fifth more, in each review
        if not isinstance(item, dict) or not _is_text(item.get(key)):
            return False
    return True


def _is_named_list(value: Any) -> bool:
    return _is_list_with_text(value, "name")


def _is_text_list(value: Any) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(item, str) for item in value))


def _is_object(value: Any) -> bool:
    return value is None or isinstance(value, dict)


def _is_source(value: Any) -> bool:
    """Where a variable's value comes from: one reference, whose key is a text."""
    return value is None or (
        isinstance(value, dict)
        and all(_is_object(item) and _is_text((item or {}).get("key")) for item in value.values())
    )


def _is_env_from(value: Any) -> bool:
    return _is_list_with_text(value, "prefix")


_Check = tuple[Callable[[Any], bool], str]
_TEXT: _Check = (_is_text, "a string")
_TEXT_MAP: _Check = (_is_text_map, "a map of strings")
_NAMED_LIST: _Check = (_is_named_list, "a list of objects whose name is a string")

_METADATA = dict.fromkeys(("name", "generateName", "namespace"), _TEXT) | dict.fromkeys(
    ("labels", "annotations"), _TEXT_MAP
)
_OS = {"name": _TEXT}
_SPEC = dict.fromkeys(("serviceAccountName", "serviceAccount", "restartPolicy"), _TEXT) | {
    "nodeSelector": _TEXT_MAP,
    **dict.fromkeys(("volumes", "imagePullSecrets", *_LISTS), _NAMED_LIST),
}
_CONTAINER = dict.fromkeys(("targetContainerName", "image", "imagePullPolicy", "restartPolicy"), _TEXT) | {
    "command": (_is_text_list, "a list of strings"),
    "args": (_is_text_list, "a list of strings"),
    "env": _NAMED_LIST,
    "envFrom": (_is_env_from, "a list of objects whose prefix is a string"),
    "volumeMounts": _NAMED_LIST,
    "ports": _NAMED_LIST,
}


def _first_wrong(place: str, holder: Mapping[str, Any], checks: Mapping[str, _Check]) -> str | None:
    for name, value in holder.items():
        check = checks.get(name)
        if check and not check[0](value):
            return f"{place}.{name} is not {check[1]}"
    return None
