"""What do the pieces look like?

Pure literals: reading this file is reading the YAML that appears in the pod. Injected containers pass the
`restricted` Pod Security Standard, whatever the pod's own security context says.
"""

from typing import Any

from contract import environ, pod
from webhook.decision import Injection
from webhook.settings import Resources, Settings


def token_volume(injection: Injection, settings: Settings) -> dict[str, Any]:
    """In google mode a memory volume that the injected container fills, in cluster mode the kubelet's projection."""
    if injection.mode == "google":
        return {"name": settings.volume_name, "emptyDir": {"medium": "Memory", "sizeLimit": settings.volume_size_limit}}
    return {
        "name": settings.volume_name,
        "projected": {
            "sources": [
                {
                    "serviceAccountToken": {
                        "audience": injection.audience,
                        "expirationSeconds": injection.token_expiration,
                        "path": injection.token_file,
                    }
                }
            ]
        },
    }


def application_mount(injection: Injection, settings: Settings) -> dict[str, Any]:
    """The token is the refresher's to write, the application's to read."""
    return {"name": settings.volume_name, "mountPath": injection.volume_path, "readOnly": True}


def application_env(injection: Injection, session_name: str) -> list[dict[str, str]]:
    """What an AWS SDK reads, in the order by which a later review recognises it (`env.read_env`)."""
    entries = [
        (environ.AWS_WEB_IDENTITY_TOKEN_FILE, token_path(injection)),
        (environ.AWS_REGION, injection.region),
        (environ.AWS_DEFAULT_REGION, injection.region),
        (environ.AWS_STS_REGIONAL_ENDPOINTS, injection.sts_regional_endpoints),
        (environ.AWS_ROLE_ARN, _unexpanded(injection.role_arn)),
        (environ.AWS_ROLE_SESSION_NAME, session_name),
    ]
    return [{"name": name, "value": value} for name, value in entries if value is not None]


def native_sidecar(injection: Injection, settings: Settings) -> dict[str, Any]:
    """One init container that never ends; its postStart hook holds the others back until there is a token."""
    await_token = [*_program(settings), pod.AWAIT_COMMAND, token_path(injection), f"--timeout={settings.token_wait}"]
    return {
        **_injected_container(pod.UPDATE_CONTAINER, injection, settings, refresh=True),
        "restartPolicy": "Always",
        "lifecycle": {"postStart": {"exec": {"command": await_token}}},
    }


def generate_container(injection: Injection, settings: Settings) -> dict[str, Any]:
    """The init container of the pair: one token, then it ends."""
    return _injected_container(pod.GENERATE_CONTAINER, injection, settings, refresh=False)


def refresher_container(injection: Injection, settings: Settings) -> dict[str, Any]:
    """The ordinary sidecar of the pair."""
    return _injected_container(pod.UPDATE_CONTAINER, injection, settings, refresh=True)


def token_path(injection: Injection) -> str:
    """The token's file as containers see it."""
    return f"{injection.volume_path}/{injection.token_file}"


def _injected_container(name: str, injection: Injection, settings: Settings, *, refresh: bool) -> dict[str, Any]:
    command = [*_program(settings), f"--file={token_path(injection)}", f"--refresh={str(refresh).lower()}"]
    if injection.audience != pod.GOOGLE_AUDIENCE:
        command.append(f"--audience={_unexpanded(injection.audience)}")
    container = {
        "name": name,
        "image": settings.image,
        "imagePullPolicy": settings.pull_policy,
        "command": command,
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
        "volumeMounts": [{"name": settings.volume_name, "mountPath": injection.volume_path}],
    }
    if settings.injector_env:
        container["env"] = [{"name": name, "value": value} for name, value in settings.injector_env]
    return container


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
