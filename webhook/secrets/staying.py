"""What does the pod ask of a sidecar that stays with its application, and can it be had?

Pure: rotation needs somebody who looks for new versions, and a scraper somebody who answers.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from contract import annotations as keys
from contract.secrets import EXEC_ROTATED
from webhook.decision import Shape
from webhook.pod import Pod, application_containers
from webhook.precedence import Annotations
from webhook.secrets.asked import Asked
from webhook.secrets.needs import ContainerNeeds
from webhook.secrets.refused import RefusedError


def refuse_without_sidecar(
    pod: Pod, served: Sequence[ContainerNeeds], asked: Asked, shape: Shape, gathered: Annotations
) -> None:
    """`served` are the containers that have references. Raises `RefusedError`."""
    _refuse_rotation(pod, served, asked, shape, gathered)
    _refuse_metrics(pod, asked, shape, gathered)


def _refuse_rotation(
    pod: Pod, served: Sequence[ContainerNeeds], asked: Asked, shape: Shape, gathered: Annotations
) -> None:
    kind, place = asked.rotation.kind, gathered.source(keys.SECRET_ROTATION)
    if kind == "none":
        return
    if kind == "file" and not asked.files:
        gathered.warn(
            f"{place}: 'file' renews files, and no annotation {keys.SECRET_FILE_PREFIX}NAME makes one: "
            "variables do not change"
        )
    if shape != "native":
        raise RefusedError(
            "rotation",
            f"{place}: {kind!r} needs a native sidecar that stays with the application, and there is none here: "
            f"kubelets of 1.29 or newer have them, where {keys.REFRESHER} is auto or native; else set "
            f"{keys.SECRET_ROTATION} to none",
        )
    never = [each for one in served if one.stays and (each := _never_again(one, pod))]
    if kind == "restart" and never:
        raise RefusedError(
            "rotation",
            f"{place}: 'restart' ends a container so that the kubelet starts it again, and {never[0]} is Never: set it "
            f"to OnFailure or Always, or {keys.SECRET_ROTATION} to none or file",
        )


def _never_again(one: ContainerNeeds, pod: Pod) -> str | None:
    """Where it is said that the kubelet does not start the container again after a rotation; None: it does.

    A container's own policy wins over the pod's, and of its rules the first that knows the exit code over both.
    Source: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#container-restart-rules
    """
    rules, policy = one.container.get("restartPolicyRules"), one.container.get("restartPolicy")
    if isinstance(rules, list) and any(map(_restarts, rules)):
        return None
    if policy is not None:
        return f"the restartPolicy of container {one.name!r}" if policy == "Never" else None
    return "spec.restartPolicy" if pod["spec"].get("restartPolicy") == "Never" else None


def _restarts(rule: object) -> bool:
    """Every action that there is starts the container again."""
    codes = rule.get("exitCodes") if isinstance(rule, Mapping) else None
    values = codes.get("values") if isinstance(codes, Mapping) else None
    if not isinstance(codes, Mapping) or not isinstance(values, list):
        return False
    return (EXEC_ROTATED in values) is (codes.get("operator") == "In")


def _refuse_metrics(pod: Pod, asked: Asked, shape: Shape, gathered: Annotations) -> None:
    port, place = asked.metrics_port, gathered.source(keys.SECRET_METRICS_PORT)
    if port is None:
        return
    if shape != "native":
        raise RefusedError(
            "metrics",
            f"{place}: a native sidecar answers at port {port}, and there is none here: kubelets of 1.29 or newer have "
            f"them, where {keys.REFRESHER} is auto or native; else leave the annotation out",
        )
    if pod["spec"].get("hostNetwork"):
        raise RefusedError(
            "metrics",
            f"{place}: spec.hostNetwork is true, and port {port} would be the node's, for every pod on it: leave the "
            "annotation out",
        )
    for name, declared in _declared_ports(pod):
        if declared == port:
            raise RefusedError(
                "metrics",
                f"{place}: container {name!r} has port {port}, and containers of a pod share their ports: choose "
                "another for the metrics",
            )


def _declared_ports(pod: Pod) -> Iterator[tuple[str, Any]]:
    """Of TCP, which is the default, and of skipped containers too."""
    for _, _, container in application_containers(pod):
        for port in container.get("ports") or ():
            if port.get("protocol", "TCP") == "TCP":
                yield container["name"], port.get("containerPort")
