"""What makes an otherwise well-formed injection impossible?

Pure: a closed list of reasons, each with the object, the value and the way out.
"""

import posixpath
from collections.abc import Mapping
from typing import Any

from contract import annotations as keys
from contract import environ
from webhook import pod as pods
from webhook.decision import Deny, Injection
from webhook.env import Entry, read_env
from webhook.pod import Container, Pod
from webhook.precedence import Annotations
from webhook.role_policy import RolePolicy
from webhook.settings import Settings


def refusal(pod: Pod, injection: Injection, settings: Settings, gathered: Annotations) -> Deny | None:
    """The first reason against this injection, None if there is none."""
    forbidden = settings.role_policy and _forbidden_role(pod, injection, settings.role_policy, settings, gathered)
    if forbidden:
        return forbidden
    if pods.is_windows(pod):
        return Deny(
            reason="windows",
            message=f"{gathered.pod_place}: spec.os or spec.nodeSelector asks for Windows, and what is injected works "
            "on Linux nodes only: "
            f"remove the label {keys.ENABLED_LABEL} and give the pod credentials in another way",
        )
    taken = _taken_mount(pod, injection, settings, gathered)
    if taken or injection.mode == "cluster":
        return taken
    if pod["spec"].get("hostNetwork"):
        return Deny(
            reason="host_network",
            message=f"{gathered.pod_place}: spec.hostNetwork is true: in google mode such a pod gets the node's Google "
            "identity, not its own; "
            f"set hostNetwork to false or the annotation {keys.MODE} to cluster",
        )
    if injection.shape == "native" and not settings.has_native_sidecars:
        floor = settings.kubelet_version_floor
        known = f"this cluster may have kubelets of {'.'.join(map(str, floor))}" if floor else (
            "the webhook does not know this cluster's kubelets yet")  # fmt: skip
        return Deny(
            reason="native_sidecar",
            message=f"{gathered.source(keys.REFRESHER)}: 'native' needs kubelets of 1.29 or newer, and {known}: "
            f"{'' if floor else 'retry, or '}set {keys.REFRESHER} to auto or sidecar",
        )
    if not settings.image:
        return Deny(
            reason="no_image",
            message=f"{gathered.source(keys.MODE)}: google mode injects a container, and the webhook was started "
            f"without --image: ask its operator to set it, or set {keys.MODE} to cluster",
        )
    return None


def _forbidden_role(
    pod: Pod, injection: Injection, role_policy: RolePolicy, settings: Settings, gathered: Annotations
) -> Deny | None:
    """The role that is injected, and those that containers name themselves: their AWS_ROLE_ARN is kept over ours."""
    place, shown = gathered.source(keys.ROLE_ARN), f"the role {injection.role_arn}"
    found = [_held_to(role_policy, gathered.namespace, injection.role_arn, place, shown)]
    for _, _, container in pods.application_containers(pod, injection.skip_containers):
        author = read_env(container, settings.volume_name, injection.volume_path).author
        found.append(forbidden_own_role(container, author, role_policy, gathered))
    return next(filter(None, found), None)


def forbidden_own_role(
    container: Container, author: Mapping[str, Entry], role_policy: RolePolicy, gathered: Annotations
) -> Deny | None:
    """The role that a container's author names, where its value can be read."""
    value = author.get(environ.AWS_ROLE_ARN, {}).get("value")
    if not value:
        return None
    place = f"{gathered.pod_place}: container {container['name']!r}, variable {environ.AWS_ROLE_ARN}"
    # Not quoted: whatever stands there, it is no annotation of ours.
    return _held_to(role_policy, gathered.namespace, str(value), place, "this role")


def _held_to(role_policy: RolePolicy, namespace: str, role_arn: str, place: str, shown: str) -> Deny | None:
    why = role_policy.refusal(namespace, role_arn)
    if not why:
        return None
    message = f"{place}: the role policy does not allow {shown} in namespace {namespace}: {why}"
    return Deny(reason="role_not_allowed", message=message)


def _taken_mount(pod: Pod, injection: Injection, settings: Settings, gathered: Annotations) -> Deny | None:
    for _, _, container in pods.application_containers(pod, injection.skip_containers):
        mount = taken_mount(container, injection.volume_path, settings.volume_name)
        if mount:
            return Deny(
                reason="mount_taken",
                message=f"{gathered.pod_place}: container {container['name']!r} mounts volume "
                f"{mount.get('name')!r} at {mount['mountPath']!r}, where the token goes: mount it elsewhere, set "
                f"the annotation {keys.VOLUME_PATH}, or, if another webhook (such as gtoken) left it in a pod that "
                "was copied, remove this mount, its volume and its AWS_ variables from the manifest",
            )
    return None


def taken_mount(container: Container, volume_path: str, volume_name: str) -> Mapping[str, Any] | None:
    """The container's mount of another volume where ours goes."""
    for mount in container.get("volumeMounts") or ():
        if mount.get("name") != volume_name and _is_within(mount.get("mountPath"), volume_path):
            return dict(mount)
    return None


def _is_within(mount_path: object, folder: str) -> bool:
    """Whether a mount stands at the folder or in it; no runtime can make a mount point in a read-only one."""
    path = "/" + posixpath.normpath(f"/{mount_path}").lstrip("/")
    return path == folder or path.startswith(f"{folder}/")
