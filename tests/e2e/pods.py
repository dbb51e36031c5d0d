"""What the tests ask of a pod in the cluster."""

import json
import time
from typing import Any

from demo.cluster.kubectl import ClusterError, get, kubectl, until

# Where an hour lasts a minute, a pod's minute for its token lasts a second: on a busy machine its injected container
# may fail, and is tried again after the kubelet's 10, 20 and 40 s. And many pods start at once, each with a
# Python of its own.
PATIENCE = 150.0


def ended(namespace: str, name: str, *, seconds: float = PATIENCE) -> dict[str, Any]:
    """The pod, when it has succeeded. Raises `ClusterError`, with its words, if it failed."""
    return until(f"the end of pod {namespace}/{name}", lambda: _succeeded(namespace, name), seconds=seconds)


def _succeeded(namespace: str, name: str) -> dict[str, Any] | None:
    pod = get("pod", name, namespace)
    phase = pod["status"].get("phase")
    if phase == "Failed":
        raise ClusterError(f"pod {namespace}/{name} failed: {lines(namespace, name)}: {pod['status']}")
    return pod if phase == "Succeeded" else None


def lines(namespace: str, name: str, container: str = "app") -> list[dict[str, Any]]:
    """The JSON lines that a container printed."""
    printed = kubectl("logs", "-n", namespace, name, "-c", container)
    return [json.loads(line) for line in printed.splitlines() if line.startswith("{")]


def told(namespace: str, name: str, container: str = "app", *, seconds: float = PATIENCE) -> list[dict[str, Any]]:
    """The container's lines, once there is one. Many pods may start at once."""

    def said() -> list[dict[str, Any]]:
        return lines(namespace, name, container) if started(namespace, name, container) else []

    return until(f"a line of pod {namespace}/{name}", lambda: said() or None, seconds=seconds)


def called(namespace: str, name: str, *, calls: int = 1, seconds: float = PATIENCE) -> list[dict[str, Any]]:
    """The application's lines, once it has made so many calls. Raises `ClusterError` if one before that failed."""

    def enough() -> list[dict[str, Any]] | None:
        if not started(namespace, name):
            return None
        said = lines(namespace, name)
        went_well = 0
        for line in said:
            # What comes later is not asked: a token that nothing replaces ends while others are looked at.
            if went_well >= calls:
                break
            if "error" in line:
                raise ClusterError(f"pod {namespace}/{name}: a call failed: {line}")
            went_well += "arn" in line
        return said if went_well >= calls else None

    return until(f"{calls} calls of pod {namespace}/{name}", enough, seconds=seconds)


def started(namespace: str, name: str, container: str = "app") -> bool:
    """Whether the container has begun. Raises `ClusterError` for a pod that is over before it could."""
    status = get("pod", name, namespace)["status"]
    found = [each["state"] for each in status.get("containerStatuses") or [] if each["name"] == container]
    begun = bool(found) and "waiting" not in found[0]
    if not begun and status.get("phase") == "Failed":
        raise ClusterError(f"pod {namespace}/{name} failed before {container} began: {status}")
    return begun


def deletion_seconds(namespace: str, name: str) -> float:
    """How long it takes until the pod is gone."""
    began = time.monotonic()
    kubectl("delete", "pod", "-n", namespace, name, "--wait=true", seconds=60)
    return time.monotonic() - began


def first_pod(namespace: str, selector: str) -> str:
    """The name of a controller's pod, once it is there."""

    def found() -> str | None:
        names = kubectl("get", "pods", "-n", namespace, "-l", selector, "-o", "name").split()
        return names[0].removeprefix("pod/") if names else None

    return until(f"a pod of {selector} in {namespace}", found)
