"""Credentials from Secrets: the pod's own, its service account's, and the operator's file.

The API server is asked only in namespaces where the operator granted us that: everywhere else there is nothing to ask.
"""

import base64
import binascii
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from kube.client import Client
from kube.errors import KubeError, NotFoundError
from webhook.entrypoint.credential import Credential, Offers, Source
from webhook.entrypoint.deadline import Deadline
from webhook.entrypoint.docker_config import DockerConfigError, credentials_for, read_docker_config
from webhook.entrypoint.image_name import ImageName
from webhook.entrypoint.question import PullSecret, Wanted

_EVERYWHERE = "*"
_KINDS = {"kubernetes.io/dockerconfigjson": ".dockerconfigjson", "kubernetes.io/dockercfg": ".dockercfg"}


def from_file(path: str) -> Source:
    """The operator's own pull secret, read each time: the kubelet replaces it."""

    def offers(name: ImageName, _: Wanted, __: Deadline) -> Offers:
        origin = f"--registry-pull-secret {path}"
        try:
            auths = read_docker_config(Path(path).read_text(encoding="utf-8"))
            return Offers(credentials=credentials_for(auths, name, origin))
        except OSError as exc:
            return Offers(problems=[f"{origin}: {exc.strerror}: mount the Secret there"])
        except UnicodeDecodeError:
            return Offers(problems=[f"{origin}: not UTF-8 text"])
        except DockerConfigError as exc:
            return Offers(problems=[f"{origin}: {exc}"])

    return offers


class PodPullSecrets:
    """A `Source`: the Secrets that a pod's author names, and those of its service account."""

    def __init__(self, client: Callable[[], Client], namespaces: Iterable[str]) -> None:
        """`client` is asked for once there is something to read."""
        self._client = client
        self._namespaces = frozenset(namespaces)

    def __call__(self, name: ImageName, wanted: Wanted, deadline: Deadline) -> Offers:
        """What they hold for this registry."""
        problems: list[str] = []
        secrets = list(wanted.pull_secrets)
        if wanted.service_account and self._is_granted(wanted.namespace):
            secrets += self._of_account(wanted, deadline, problems)
        found: list[Credential] = []
        for secret in dict.fromkeys(secrets):
            if self._is_granted(secret.namespace):
                found += self._in_secret(secret, name, deadline, problems)
            else:
                problems.append(
                    f"pull secret {secret.namespace}/{secret.name}: the webhook may not read it: "
                    f"its operator can grant that with --pull-secret-namespace={secret.namespace}"
                )
        return Offers(credentials=found, problems=problems)

    def _is_granted(self, namespace: str) -> bool:
        return bool(self._namespaces & {namespace, _EVERYWHERE})

    def _of_account(self, wanted: Wanted, deadline: Deadline, problems: list[str]) -> list[PullSecret]:
        path = f"/api/v1/namespaces/{wanted.namespace}/serviceaccounts/{wanted.service_account}"
        account = self._get(path, f"service account {wanted.namespace}/{wanted.service_account}", deadline, problems)
        named = (account or {}).get("imagePullSecrets") or []
        names = [each.get("name") for each in named if isinstance(each, dict)]
        return [PullSecret(namespace=wanted.namespace, name=each) for each in names if isinstance(each, str) and each]

    def _in_secret(
        self, secret: PullSecret, name: ImageName, deadline: Deadline, problems: list[str]
    ) -> list[Credential]:
        origin = f"pull secret {secret.namespace}/{secret.name}"
        obj = self._get(f"/api/v1/namespaces/{secret.namespace}/secrets/{secret.name}", origin, deadline, problems)
        if obj is None:
            return []
        key = _KINDS.get(obj.get("type", ""))
        if key is None:
            problems.append(f"{origin}: its type is none of {', '.join(_KINDS)}")
            return []
        try:
            text = base64.b64decode((obj.get("data") or {})[key], validate=True).decode()
            return credentials_for(read_docker_config(text, legacy=key == ".dockercfg"), name, origin)
        except DockerConfigError as exc:
            problems.append(f"{origin}: {exc}")
        except (KeyError, TypeError, binascii.Error, UnicodeDecodeError):
            problems.append(f"{origin}: it has no text under {key}")
        return []

    def _get(self, path: str, what: str, deadline: Deadline, problems: list[str]) -> dict[str, Any] | None:
        try:
            return self._client().get(path, timeout=deadline.left())
        except NotFoundError:
            problems.append(f"{what}: there is none")
        except KubeError as exc:
            problems.append(f"{what}: {exc}")
        return None
