"""What do the pieces look like?

Pure literals: reading this file is reading the YAML that appears in the pod. Injected containers pass the
`restricted` Pod Security Standard, whatever the pod's own security context says.
"""

import math
from dataclasses import replace
from typing import Any

from contract import environ, pod, secrets
from secretenv import plan
from webhook.decision import Injection, SecretsInjection, WebIdentity
from webhook.env import INJECTED_VARIABLES, without_authors
from webhook.settings import Resources, Settings

# A container's files: its secrets, and the launcher. tmpfs counts what is in it, not what could be.
_SECRETS_SIZE = "8Mi"
_STATE_SIZE = "1Mi"
# The least that Kubernetes takes: the token is read when secrets are, and the kubelet renews it.
_BROKER_TOKEN_SECONDS = 600
_STATE_PATH = f"{secrets.INJECTOR_PATH}/{secrets.STATE_VOLUME}"


def token_volume(identity: WebIdentity, settings: Settings) -> dict[str, Any]:
    """In google mode a memory volume that the injected container fills, in cluster mode the kubelet's projection."""
    if identity.mode == "google":
        return _memory_volume(settings.volume_name, settings.volume_size_limit)
    return _projected_token(settings.volume_name, identity.audience, identity.token_expiration, identity.token_file)


def secrets_volumes(injection: Injection) -> list[dict[str, Any]]:
    """One for each container, one for files, the injected container's own, and the token for the broker."""
    delivered = injection.secrets
    if delivered is None:
        return []
    volumes = [_memory_volume(one.volume, _SECRETS_SIZE) for one in delivered.containers]
    if delivered.files_path:
        volumes.append(_memory_volume(secrets.FILES_VOLUME, _SECRETS_SIZE))
    if injection.shape == "native":
        volumes.append(_memory_volume(secrets.STATE_VOLUME, _STATE_SIZE))
    if delivered.plan.broker:
        volumes.append(
            _projected_token(
                secrets.BROKER_TOKEN_VOLUME, secrets.BROKER_AUDIENCE, _BROKER_TOKEN_SECONDS, secrets.BROKER_TOKEN_FILE
            )
        )
    return volumes


def application_mount(identity: WebIdentity, settings: Settings) -> dict[str, Any]:
    """The token is the refresher's to write, the application's to read."""
    return {"name": settings.volume_name, "mountPath": identity.volume_path, "readOnly": True}


def launcher_mount(volume: str) -> dict[str, Any]:
    """The launcher, and the socket or the file that it asks."""
    return {"name": volume, "mountPath": secrets.APPLICATION_PATH, "readOnly": True}


def files_mount(path: str) -> dict[str, Any]:
    """Files made of references."""
    return {"name": secrets.FILES_VOLUME, "mountPath": path, "readOnly": True}


def env_file_entry(variable: str, volume: str) -> dict[str, Any]:
    """A variable that the kubelet reads from a file; the application does not mount its volume."""
    reference = {"volumeName": volume, "path": f"{variable}.env", "key": variable, "optional": False}
    return {"name": variable, "valueFrom": {"fileKeyRef": reference}}


def application_env(identity: WebIdentity, session_name: str) -> list[dict[str, str]]:
    """What an AWS SDK reads, in the order by which a later review recognises it (`env.read_env`)."""
    entries = [
        (environ.AWS_WEB_IDENTITY_TOKEN_FILE, token_path(identity)),
        (environ.AWS_REGION, identity.region),
        (environ.AWS_DEFAULT_REGION, identity.region),
        (environ.AWS_STS_REGIONAL_ENDPOINTS, identity.sts_regional_endpoints),
        (environ.AWS_ROLE_ARN, _unexpanded(identity.role_arn)),
        (environ.AWS_ROLE_SESSION_NAME, session_name),
    ]
    return [{"name": name, "value": value} for name, value in entries if value is not None]


def native_sidecar(injection: Injection, settings: Settings, session_name: str) -> dict[str, Any]:
    """One init container that never ends; its postStart hook holds back the others until all is in its place."""
    google = injection.google
    name = pod.UPDATE_CONTAINER if google else secrets.SECRETS_CONTAINER
    awaited = [token_path(google)] if google else []
    if injection.secrets:
        awaited.append(f"{_STATE_PATH}/{secrets.READY_FILE}")
    hook = [*_program(settings), pod.AWAIT_COMMAND, *awaited, f"--timeout={settings.token_wait + _delay(injection)}"]
    return {
        **_injected_container(name, injection, settings, session_name, refresh=True),
        "restartPolicy": "Always",
        "lifecycle": {"postStart": {"exec": {"command": hook}}},
    }


def _delay(injection: Injection) -> int:
    """The seconds that the author has the secrets wait: the hook, which ends the sidecar, waits as much longer."""
    return math.ceil(injection.secrets.plan.initial_delay) if injection.secrets else 0


def init_container(injection: Injection, settings: Settings, session_name: str) -> dict[str, Any]:
    """The init container of the pair: one token, the secrets, then it ends."""
    name = pod.GENERATE_CONTAINER if injection.google else secrets.SECRETS_CONTAINER
    return _injected_container(name, injection, settings, session_name, refresh=False)


def refresher_container(injection: Injection, settings: Settings) -> dict[str, Any]:
    """The ordinary sidecar of the pair, which has nothing to do with secrets."""
    alone = replace(injection, secrets=None)
    return _injected_container(pod.UPDATE_CONTAINER, alone, settings, "", refresh=True)


def token_path(identity: WebIdentity) -> str:
    """The token's file as containers see it."""
    return f"{identity.volume_path}/{identity.token_file}"


def _injected_container(
    name: str, injection: Injection, settings: Settings, session_name: str, *, refresh: bool
) -> dict[str, Any]:
    env = _secrets_env(injection, injection.secrets, session_name) if injection.secrets else []
    if settings.injector_env:
        env += [{"name": name, "value": value} for name, value in settings.injector_env]
    container = {
        "name": name,
        "image": settings.image,
        "imagePullPolicy": settings.pull_policy,
        "command": [*_program(settings), *_arguments(injection, refresh=refresh)],
        "resources": _resources(injection.resources),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "privileged": False,
            "readOnlyRootFilesystem": True,
            "runAsGroup": pod.USER_ID,
            "runAsNonRoot": True,
            "runAsUser": pod.USER_ID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": _injected_mounts(injection, settings),
    }
    if env:
        container["env"] = env
    if injection.secrets and injection.secrets.copied_env_from:
        container["envFrom"] = list(injection.secrets.copied_env_from)
    if injection.secrets and injection.secrets.metrics_port:
        port = {"name": secrets.METRICS_PORT_NAME, "containerPort": injection.secrets.metrics_port, "protocol": "TCP"}
        container["ports"] = [port]
    return container


def _arguments(injection: Injection, *, refresh: bool) -> list[str]:
    google = injection.google
    more = ["--log-level=debug"] if injection.secrets and injection.secrets.is_debugged else []
    if google is None:
        return [secrets.SECRETS_COMMAND, *(["--refresh=true"] if refresh else []), *more]
    arguments = [f"--file={token_path(google)}", f"--refresh={str(refresh).lower()}"]
    if google.audience != pod.GOOGLE_AUDIENCE:
        arguments.append(f"--audience={_unexpanded(google.audience)}")
    return [*arguments, *more]


def _secrets_env(injection: Injection, delivered: SecretsInjection, session_name: str) -> list[dict[str, Any]]:
    """Who reads, where, and what: the identity first, by which a later review recognises its session name."""
    own, identity = delivered.own_identity, injection.web_identity
    author = {entry["name"]: entry for entry in own.env} if own else {}
    ours: list[dict[str, str]] = []
    if identity:
        ours = application_env(replace(identity, region=delivered.region), session_name)
    elif delivered.region is not None:
        ours = [{"name": name, "value": delivered.region} for name in (environ.AWS_REGION, environ.AWS_DEFAULT_REGION)]
    # Where the author's container gets ours too, this one has the same: a second review can't tell who wrote which.
    variables = author | {entry["name"]: entry for entry in without_authors(ours, author)}
    env = [dict(variables[name]) for name in INJECTED_VARIABLES if name in variables]
    env.append({"name": secrets.PLAN, "value": _unexpanded(plan.to_json(delivered.plan))})
    sockets = [
        f"{one.directory}/{secrets.SOCKET_FILE}" for one in delivered.plan.containers if one.delivery == "socket"
    ]
    if sockets:
        env.append({"name": secrets.SOCKETS, "value": ":".join(sockets)})
    if delivered.metrics_port:
        env.append({"name": secrets.METRICS_PORT, "value": str(delivered.metrics_port)})
    return [*env, *(dict(entry) for entry in delivered.copied_env)]


def _injected_mounts(injection: Injection, settings: Settings) -> list[dict[str, Any]]:
    mounts: list[dict[str, Any]] = []
    identity, delivered = injection.web_identity, injection.secrets
    if identity and identity.mode == "google":
        mounts.append({"name": settings.volume_name, "mountPath": identity.volume_path})
    elif identity and delivered and not delivered.own_identity:
        mounts.append(application_mount(identity, settings))
    if delivered is None:
        return mounts
    for volume in secrets_volumes(injection):
        name = volume["name"]
        if name == secrets.BROKER_TOKEN_VOLUME:
            mounts.append({"name": name, "mountPath": secrets.BROKER_TOKEN_PATH, "readOnly": True})
        else:
            mounts.append({"name": name, "mountPath": f"{secrets.INJECTOR_PATH}/{name}"})
    if delivered.own_identity:
        mounts.append(dict(delivered.own_identity.mount))
    return mounts


def _memory_volume(name: str, size_limit: str) -> dict[str, Any]:
    return {"name": name, "emptyDir": {"medium": "Memory", "sizeLimit": size_limit}}


def _projected_token(name: str, audience: str, seconds: int, path: str) -> dict[str, Any]:
    token = {"audience": audience, "expirationSeconds": seconds, "path": path}
    return {"name": name, "projected": {"sources": [{"serviceAccountToken": token}]}}


def _unexpanded(text: str) -> str:
    """Kubernetes expands $(NAME) in commands and variables, and reads $$ as $."""
    return text.replace("$", "$$")


def _program(settings: Settings) -> list[str]:
    return [pod.LAUNCHER] if settings.refresher_program == "launcher" else list(pod.PYTHON_REFRESHER)


def _resources(resources: Resources) -> dict[str, dict[str, str]]:
    limits = {"cpu": resources.cpu_limit, "memory": resources.memory_limit}
    given = {name: value for name, value in limits.items() if value is not None}
    requests = {"cpu": resources.cpu_request, "memory": resources.memory_request}
    return {"requests": requests, "limits": given} if given else {"requests": requests}
