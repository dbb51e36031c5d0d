"""What users write: namespaces, service accounts, pods and controllers. Literals; reading them is reading the YAML."""

from collections.abc import Mapping, Sequence
from typing import Any

from demo.cluster.cloud import AWS_URL
from demo.cluster.kubectl import OURS

ENABLED = "admission.token-injector/enabled"
ROLE_ARN = "amazonaws.com/role-arn"
APPLICATION = ("python3", "-m", "demo.cluster.application")
REVEAL = ("python3", "-m", "demo.cluster.reveal")
# Sleeps until SIGTERM, as the first process too, whose default is to ignore it: a blocked signal is kept for sigwait.
SLEEP = "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, {15}); signal.sigwait({15})"
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def namespace(name: str, *, enforce: str = "") -> dict[str, Any]:
    """A namespace, whose pods must pass a Pod Security Standard where one is named."""
    labels = {OURS: "true", **({"pod-security.kubernetes.io/enforce": enforce} if enforce else {})}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def service_account(namespace: str, name: str, annotations: Mapping[str, str]) -> dict[str, Any]:
    """A service account, annotated with its role by whoever runs the platform."""
    metadata = {"name": name, "namespace": namespace, "annotations": dict(annotations)}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}


def application(image: str, *arguments: str, name: str = "app") -> dict[str, Any]:
    """A container that calls STS; it would pass the restricted profile."""
    return {
        "name": name,
        "image": image,
        "command": [*APPLICATION, *arguments],
        "env": [{"name": "AWS_ENDPOINT_URL", "value": AWS_URL}, {"name": "AWS_REGION", "value": "eu-west-1"}],
        "securityContext": RESTRICTED,
    }


def revealing(
    image: str,
    env: Mapping[str, str],
    *arguments: str,
    name: str = "app",
    options: Sequence[str] = (),
    watched: Sequence[str] = (),
) -> dict[str, Any]:
    """A container that tells hashes of its variables, of `watched` ones from elsewhere, and of its arguments."""
    told = ",".join([*env, *watched])
    return {
        "name": name,
        "image": image,
        "command": [*REVEAL, f"--variables={told}", *options, "--"],
        **({"args": list(arguments)} if arguments else {}),
        "env": [{"name": variable, "value": value} for variable, value in env.items()],
        "securityContext": RESTRICTED,
    }


def unlabelled(pod: dict[str, Any]) -> dict[str, Any]:
    """The pod without our label."""
    return {**pod, "metadata": {**pod["metadata"], "labels": {}}}


def pod(
    namespace: str,
    name: str,
    containers: Sequence[Mapping[str, Any]],
    *,
    account: str = "app",
    annotations: Mapping[str, str] | None = None,
    **spec: Any,
) -> dict[str, Any]:
    """A labelled pod that runs once."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {ENABLED: "true"},
            "annotations": dict(annotations or {}),
        },
        "spec": {"serviceAccountName": account, "restartPolicy": "Never", "containers": list(containers), **spec},
    }


def job(pod: Mapping[str, Any], *, retries: int = 0) -> dict[str, Any]:
    """A Job of this pod, which may fail, or restart a container, so many times."""
    metadata = {"name": pod["metadata"]["name"], "namespace": pod["metadata"]["namespace"]}
    spec = {"backoffLimit": retries, "template": _template(pod)}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


def deployment(pod: Mapping[str, Any], replicas: int) -> dict[str, Any]:
    """A Deployment of this pod."""
    name = pod["metadata"]["name"]
    template = _template(pod)
    template["metadata"]["labels"] |= {"app": name}
    template["spec"].pop("restartPolicy")
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
    metadata = {"name": name, "namespace": pod["metadata"]["namespace"]}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def _template(pod: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {key: dict(pod["metadata"][key]) for key in ("labels", "annotations")}
    return {"metadata": metadata, "spec": dict(pod["spec"])}
