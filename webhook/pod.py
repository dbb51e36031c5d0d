"""What does this pod say?

Pure readers over a pod as the API server sent it: plain dicts, JSON null read as absent. Nothing is copied or changed.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from contract.pod import GENERATE_CONTAINER, UPDATE_CONTAINER
from contract.secrets import SECRETS_CONTAINER

Pod = Mapping[str, Any]
Container = Mapping[str, Any]
ContainerList = Literal["initContainers", "containers", "ephemeralContainers"]
EPHEMERAL: ContainerList = "ephemeralContainers"
# Of a pod that is created; ephemeral containers are added to a running one.
CONTAINER_LISTS: tuple[ContainerList, ...] = ("initContainers", "containers")

INJECTED_CONTAINERS = frozenset({GENERATE_CONTAINER, UPDATE_CONTAINER, SECRETS_CONTAINER})


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


def is_injected(container: Container) -> bool:
    """Whether the container is one of ours."""
    return container["name"] in INJECTED_CONTAINERS


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
