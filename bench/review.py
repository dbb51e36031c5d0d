"""The review that is measured: 7.9 KB, two containers with fifteen variables each, managedFields, as in a cluster."""

import json
from typing import Any

from webhook.settings import parse_settings

NAMESPACE = "shop"
ACCOUNT = {
    "amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/orders",
    "admission.token-injector/region": "eu-west-1",
}
SETTINGS, _ = parse_settings({"image": ["registry.example/token-injector:1"]}, {})
SIZE = 7_900


def body() -> bytes:
    """An AdmissionReview of about SIZE bytes, all of them short fields as in a cluster."""
    fields = 0
    while len(json.dumps(_review(fields))) < SIZE:
        fields += 1
    return json.dumps(_review(fields)).encode()


def _review(managed_fields: int) -> dict[str, Any]:
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "7b1f2c3d-0000-4000-8000-000000000001",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": NAMESPACE,
            "operation": "CREATE",
            "userInfo": {"username": "system:serviceaccount:kube-system:replicaset-controller"},
            "object": _pod(managed_fields),
            "oldObject": None,
            "dryRun": False,
        },
    }


def _pod(managed_fields: int) -> dict[str, Any]:
    owned: dict[str, Any] = {f"f:field{number}": {".": {}, "f:name": {}} for number in range(managed_fields)}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": "orders-5d9c7b9f6d-",
            "labels": {"app": "orders", "admission.token-injector/enabled": "true"},
            "managedFields": [
                {"manager": "kube-controller-manager", "operation": "Update", "fieldsV1": {"f:spec": owned}}
            ],
        },
        "spec": {
            "serviceAccountName": "orders",
            "containers": [_container(name) for name in ("app", "proxy")],
            "volumes": [{"name": "data", "emptyDir": {}}],
        },
    }


def _container(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "image": f"registry.example/{name}:1",
        "env": [{"name": f"SETTING_{number}", "value": f"value of setting {number}"} for number in range(15)],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
