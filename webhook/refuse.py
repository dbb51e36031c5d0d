"""What makes an otherwise well-formed injection impossible?

Pure: a closed list of reasons, each with the object, the value and the way out.
"""

import posixpath
from collections.abc import Mapping
from typing import Any

from contract import annotations as keys
from contract import environ, secrets
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
        wanted = (
            f"remove the label {keys.ENABLED_LABEL} and give the pod credentials in another way"
            if injection.for_application
            else "give the pod its secrets in another way"
        )
        return Deny(
            reason="windows",
            message=f"{gathered.pod_place}: spec.os or spec.nodeSelector asks for Windows, and what is injected works "
            f"on Linux nodes only: {wanted}",
        )
    taken = _taken_mount(pod, injection, settings, gathered) or _taken_for_secrets(pod, injection, gathered)
    if taken or not injection.has_container:
        return taken
    if injection.google and pod["spec"].get("hostNetwork"):
        return Deny(
            reason="host_network",
            message=f"{gathered.pod_place}: spec.hostNetwork is true: in google mode such a pod gets the node's Google "
            "identity, not its own; "
            f"set hostNetwork to false or the annotation {keys.MODE} to cluster",
        )
    return _no_container(injection, settings, gathered)


def _no_container(injection: Injection, settings: Settings, gathered: Annotations) -> Deny | None:
    """Why the container cannot be injected."""
    if injection.shape == "native" and not settings.has_native_sidecars:
        floor = settings.kubelet_version_floor
        known = f"this cluster may have kubelets of {'.'.join(map(str, floor))}" if floor else (
            "the webhook does not know this cluster's kubelets yet")  # fmt: skip
        return Deny(
            reason="native_sidecar",
            message=f"{gathered.source(keys.REFRESHER)}: 'native' needs kubelets of 1.29 or newer, and {known}: "
            f"{'' if floor else 'retry, or '}set {keys.REFRESHER} to auto or sidecar",
        )
    if settings.image:
        return None
    if injection.google is None:
        return Deny(
            reason="no_image",
            message=f"{gathered.pod_place}: an injected container delivers its secrets, and the webhook was started "
            "without --image: ask its operator to set it",
        )
    return Deny(
        reason="no_image",
        message=f"{gathered.source(keys.MODE)}: google mode injects a container, and the webhook was started "
        f"without --image: ask its operator to set it, or set {keys.MODE} to cluster",
    )


def _forbidden_role(
    pod: Pod, injection: Injection, role_policy: RolePolicy, settings: Settings, gathered: Annotations
) -> Deny | None:
    """The role that is injected, and those that containers name themselves.

    Their AWS_ROLE_ARN is kept over ours, and their secrets may be read with it.
    """
    identity, found = injection.web_identity, []
    if identity:
        place, shown = gathered.source(keys.ROLE_ARN), f"the role {identity.role_arn}"
        found.append(_held_to(role_policy, gathered.namespace, identity.role_arn, place, shown))
    if injection.for_application or (injection.secrets and injection.secrets.own_identity):
        volume_path = identity.volume_path if identity else None
        for _, _, container in pods.application_containers(pod, injection.skip_containers):
            author = read_env(container, settings.volume_name, volume_path).author
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
    if injection.web_identity is None or not injection.for_application:
        return None
    for _, _, container in pods.application_containers(pod, injection.skip_containers):
        mount = taken_mount(container, injection.web_identity.volume_path, settings.volume_name)
        if mount:
            return Deny(
                reason="mount_taken",
                message=f"{gathered.pod_place}: container {container['name']!r} mounts volume "
                f"{mount.get('name')!r} at {mount['mountPath']!r}, where the token goes: mount it elsewhere, set "
                f"the annotation {keys.VOLUME_PATH}, or, if another webhook (such as gtoken) left it in a pod that "
                "was copied, remove this mount, its volume and its AWS_ variables from the manifest",
            )
    return None


def _taken_for_secrets(pod: Pod, injection: Injection, gathered: Annotations) -> Deny | None:
    delivered = injection.secrets
    if delivered is None:
        return None
    taken = _taken_by_ours(injection, gathered)
    if taken:
        return taken
    launched = {one.name: one.volume for one in delivered.containers if one.delivery != "envfile"}
    for _, _, container in pods.application_containers(pod, injection.skip_containers):
        name = container["name"]
        mount = taken_mount(container, secrets.APPLICATION_PATH, launched[name]) if name in launched else None
        if mount:
            return Deny(
                reason="mount_taken",
                message=f"{gathered.pod_place}: container {name!r} mounts volume {mount.get('name')!r} at "
                f"{mount['mountPath']!r}, where the launcher goes: mount it elsewhere",
            )
        mount = taken_mount(container, delivered.files_path, secrets.FILES_VOLUME) if delivered.files_path else None
        if mount:
            return Deny(
                reason="mount_taken",
                message=f"{gathered.pod_place}: container {name!r} mounts volume {mount.get('name')!r} at "
                f"{mount['mountPath']!r}, where files of secrets go: mount it elsewhere, or set the annotation "
                f"{keys.SECRET_FILES_PATH}",
            )
    return None


def _taken_by_ours(injection: Injection, gathered: Annotations) -> Deny | None:
    """Files in a folder of ours, or the other way round: both are mounted read-only."""
    delivered = injection.secrets
    if delivered is None or not delivered.files_path:
        return None
    ours = [secrets.APPLICATION_PATH] if any(one.delivery != "envfile" for one in delivered.containers) else []
    if injection.web_identity is not None and injection.for_application:
        ours.append(injection.web_identity.volume_path)
    for path in ours:
        if _is_within(path, delivered.files_path) or _is_within(delivered.files_path, path):
            what = "the launcher" if path == secrets.APPLICATION_PATH else "the token"
            is_set = gathered.has(keys.SECRET_FILES_PATH)
            place = gathered.source(keys.SECRET_FILES_PATH) if is_set else gathered.pod_place
            return Deny(
                reason="mount_taken",
                message=f"{place}: files of secrets go to {delivered.files_path!r} and {what} to "
                f"{path!r}, and neither can be in the other: set {keys.SECRET_FILES_PATH} to a folder of its own",
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
    path = str(mount_path)
    if not path.startswith("/") or "//" in path or "/." in path or path.endswith("/"):
        path = "/" + posixpath.normpath(f"/{path}").lstrip("/")
    return path == folder or path.startswith(f"{folder}/")
