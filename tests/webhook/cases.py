"""What the webhook's tests share as plain data: the golden cases, and a review of a pod."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from webhook.entrypoint.manifest import Entrypoint
from webhook.entrypoint.question import Failure, Wanted
from webhook.mutate import Mutation, mutate, mutate_ephemeral
from webhook.role_policy_file import load_role_policy
from webhook.secrets.look_ups import OFFLINE, LookUps, Missing
from webhook.settings import Settings, parse_settings

GOLDEN = Path(__file__).parent / "golden"
UID = "00000000-0000-0000-0000-000000000001"
NAMESPACE = "shop"
IMAGE = "registry.example/token-injector:1.0"
BROKER_CA = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


class CaseConfigMaps:
    """`ConfigMaps` of these objects; there are no others."""

    def __init__(self, items: list[dict[str, Any]]) -> None:
        self._data = {item["metadata"]["name"]: item.get("data") or {} for item in items}

    def data(self, namespace: str, name: str) -> Mapping[str, str] | Missing:
        """What a ConfigMap of the namespace holds."""
        assert namespace == NAMESPACE
        return self._data.get(name, "absent")


class CaseImages:
    """`Entrypoints` of these images; a text is why one is not known."""

    def __init__(self, images: dict[str, Any]) -> None:
        self._images = images
        self.asked: list[Wanted] = []

    def look_up(self, wanted: Wanted) -> Entrypoint | Failure:
        """What the image starts."""
        self.asked.append(wanted)
        found = self._images[wanted.image]
        if isinstance(found, str):
            return Failure(found)
        return Entrypoint(entrypoint=tuple(found.get("entrypoint", ())), cmd=tuple(found.get("cmd", ())))


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenCase:
    """A folder: pod.yaml, service-account.yaml, settings.yaml in; expected.yaml and warnings.txt, or denied.txt, out.

    environ.yaml is the webhook's environment; config-maps.yaml holds ConfigMaps, which nobody may read where there is
    none; images.yaml maps images to what their registries say, where it is absent nobody asks.
    A case with old.yaml is an update of a running pod's ephemeral containers; no account is looked up for it.
    settings.yaml maps flags to values; role-policy.yaml is the file that --role-policy names.
    """

    folder: Path

    @property
    def pod(self) -> dict[str, Any]:
        """The pod as its author wrote it."""
        return dict(yaml.safe_load((self.folder / "pod.yaml").read_text()))

    @property
    def old(self) -> dict[str, Any] | None:
        """The running pod before its ephemeral containers were changed; None for a pod that is created."""
        path = self.folder / "old.yaml"
        return dict(yaml.safe_load(path.read_text())) if path.exists() else None

    @property
    def account(self) -> dict[str, Any]:
        """The service account."""
        return dict(yaml.safe_load((self.folder / "service-account.yaml").read_text()))

    @property
    def annotations(self) -> dict[str, str]:
        """The service account's annotations."""
        return dict((self.account.get("metadata") or {}).get("annotations") or {})

    @property
    def settings(self) -> Settings:
        """The defaults, an image, and what settings.yaml says."""
        path = self.folder / "settings.yaml"
        flags = yaml.safe_load(path.read_text()) if path.exists() else {}
        given = {
            flag: [str(item) for item in value] if isinstance(value, list) else [str(value)]
            for flag, value in flags.items()
        }
        settings = parse_settings({"image": [IMAGE], **given}, self._data("environ.yaml") or {})[0]
        settings = replace(settings, secrets=replace(settings.secrets, broker_ca=BROKER_CA))
        policy = self.folder / "role-policy.yaml"
        if not policy.exists():
            return settings
        return replace(settings, role_policy=load_role_policy(policy.read_text(), policy.name))

    @property
    def look_ups(self) -> LookUps:
        """What outside says."""
        config_maps, images = self._data("config-maps.yaml"), self._data("images.yaml")
        return LookUps(
            config_maps=OFFLINE.config_maps if config_maps is None else CaseConfigMaps(config_maps["items"]),
            entrypoints=OFFLINE.entrypoints if images is None else CaseImages(images),
        )

    def _data(self, name: str) -> Any:
        path = self.folder / name
        return yaml.safe_load(path.read_text()) if path.exists() else None

    def mutate(self, pod: dict[str, Any] | None = None, *, seed: str = UID) -> Mutation:
        """What happens to the case's pod, or to this one instead."""
        pod = self.pod if pod is None else pod
        if self.old is not None:
            return mutate_ephemeral(pod, self.old, NAMESPACE, self.settings)
        return mutate(pod, NAMESPACE, self.annotations, self.settings, seed=seed, look_ups=self.look_ups)

    def review(self) -> dict[str, Any]:
        """The AdmissionReview that brings the case."""
        return admission_review(self.pod, namespace=NAMESPACE, old=self.old)


@functools.cache
def golden_cases() -> tuple[GoldenCase, ...]:
    """Every folder is a case."""
    return tuple(GoldenCase(folder=folder) for folder in sorted(GOLDEN.iterdir()))


def admission_review(
    pod: Any, *, namespace: str = NAMESPACE, uid: str = UID, old: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The AdmissionReview of a pod's creation, whole; with an old one, of its ephemeral containers' update."""
    is_update = (
        {"operation": "UPDATE", "subResource": "ephemeralcontainers", "oldObject": old} if old is not None else {}
    )
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": uid,
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": namespace,
            "operation": "CREATE",
            "userInfo": {"username": "system:serviceaccount:kube-system:replicaset-controller"},
            "object": pod,
            "oldObject": None,
            "dryRun": False,
            **is_update,
        },
    }
