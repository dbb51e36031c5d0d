"""The second webhook as objects of a cluster."""

import base64
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from demo.cluster.kubectl import apply, kubectl

# The API server calls webhooks in the order of their configurations' names: this one comes after ours.
NAME = "zz-second-webhook"


@contextmanager
def second_webhook(namespace: str, image: str, folder: Path) -> Iterator[None]:
    """It reviews the pods of this namespace while the context lasts."""
    certify = ["-m", "certjob", "certify", f"--output-dir={folder}", "--service=second", f"--namespace={namespace}"]
    subprocess.run([sys.executable, *certify], check=True, capture_output=True)
    files = {name: base64.b64encode((folder / name).read_bytes()).decode() for name in ("tls.crt", "tls.key")}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": _metadata(namespace, "second"), "data": files}
    apply(secret, _service(namespace), _deployment(namespace, image))
    kubectl("rollout", "status", "deployment/second", "-n", namespace, "--timeout=120s", seconds=130)
    apply(_configuration(namespace, base64.b64encode((folder / "ca.crt").read_bytes()).decode()))
    try:
        yield
    finally:
        kubectl("delete", "mutatingwebhookconfiguration", NAME)


def _metadata(namespace: str, name: str) -> dict[str, Any]:
    return {"name": name, "namespace": namespace}


def _service(namespace: str) -> dict[str, Any]:
    spec = {"selector": {"app": "second"}, "ports": [{"port": 443, "targetPort": 8443}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": _metadata(namespace, "second"), "spec": spec}


def _deployment(namespace: str, image: str) -> dict[str, Any]:
    container = {
        "name": "second",
        "image": image,
        "command": ["python3", "-m", "demo.cluster.second_webhook"],
        "readinessProbe": {"httpGet": {"path": "/", "port": 8443, "scheme": "HTTPS"}, "periodSeconds": 1},
        "volumeMounts": [{"name": "certs", "mountPath": "/certs", "readOnly": True}],
    }
    spec = {"containers": [container], "volumes": [{"name": "certs", "secret": {"secretName": "second"}}]}
    labels = {"app": "second"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(namespace, "second"),
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def _configuration(namespace: str, ca_bundle: str) -> dict[str, Any]:
    service = {"namespace": namespace, "name": "second", "path": "/"}
    webhook = {
        "name": "second.example.com",
        "clientConfig": {"service": service, "caBundle": ca_bundle},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "objectSelector": {"matchLabels": {"admission.token-injector/enabled": "true"}},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "failurePolicy": "Fail",
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": NAME},
        "webhooks": [webhook],
    }
