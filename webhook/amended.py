"""Is this still the container that we injected, as others have amended it since?

Pure. Under `reinvocationPolicy: IfNeeded` a pod is reviewed again after the API server's own admission has filled our
container in. Taking that away gets the pod refused: LimitRanger demands the very limit that it has just set.
"""

from collections.abc import Mapping
from typing import Any

from webhook.pod import Container

# What the API server writes where nothing is said.
_DEFAULTS: Mapping[str, Any] = {"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}
# LimitRanger adds limits, ServiceAccount its token's mount, policy webhooks what they demand of a security context.
_AMENDED = frozenset({"resources", "volumeMounts", "securityContext"})


def is_amended(present: Container, wanted: Container) -> bool:
    """Whether `present` says all that `wanted` says, and beyond that only what admission adds to any container."""
    said = {**_DEFAULTS, **present}
    # The admission plugin AlwaysPullImages writes this, and refuses the pod where it is written back.
    pulled = {"imagePullPolicy": "Always"} if present.get("imagePullPolicy") == "Always" else {}
    meant = {**_DEFAULTS, **wanted, **pulled}
    return said.keys() == meant.keys() and all(
        _carries(said[key], meant[key]) if key in _AMENDED else said[key] == meant[key] for key in meant
    )


def _carries(present: Any, wanted: Any) -> bool:
    """Whether every member and every element that is wanted is there."""
    match wanted:
        case dict():
            return isinstance(present, dict) and all(
                key in present and _carries(present[key], value) for key, value in wanted.items()
            )
        case list():
            return isinstance(present, list) and _carries_all(present, wanted)
    return bool(present == wanted)


def _carries_all(present: list[Any], wanted: list[Any]) -> bool:
    """Those of one name are compared: a pod may have thousands of mounts, in any order."""
    by_name: dict[Any, list[Any]] = {}
    for each in present:
        by_name.setdefault(_name(each), []).append(each)
    return all(any(_carries(each, one) for each in by_name.get(_name(one), ())) for one in wanted)


def _name(element: Any) -> Any:
    return element.get("name") if isinstance(element, dict) else None
