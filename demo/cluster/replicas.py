"""What tests and faults ask of the webhook's replicas and of the cert job."""

import base64
import json
import uuid
from collections.abc import Sequence
from typing import Any

from cryptography import x509

from demo.cluster.kubectl import ClusterError, apply, get, kubectl, until
from demo.cluster.release import DEPLOYMENT, NAME, NAMESPACE, webhook_pods

SECRET = f"{DEPLOYMENT}-certs"
CERTS = f"{NAME}-certs"
TELEMETRY_PORT = 9090


def readiness() -> list[dict[str, Any]]:
    """What each replica answers at /readyz."""
    names = [pod["metadata"]["name"] for pod in webhook_pods()]
    paths = [f"/api/v1/namespaces/{NAMESPACE}/pods/{name}:{TELEMETRY_PORT}/proxy/readyz" for name in names]
    return [json.loads(kubectl("get", "--raw", path)) for path in paths]


def metrics(pod: str) -> str:
    """A replica's metrics."""
    return kubectl("get", "--raw", f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}:{TELEMETRY_PORT}/proxy/metrics")


def ca_bundle() -> list[x509.Certificate]:
    """What the API server trusts."""
    configuration = get("mutatingwebhookconfiguration", NAME)
    encoded = configuration["webhooks"][0]["clientConfig"].get("caBundle", "")
    return x509.load_pem_x509_certificates(base64.b64decode(encoded)) if encoded else []


def leaf() -> x509.Certificate:
    """What the Secret holds."""
    return x509.load_pem_x509_certificate(base64.b64decode(get("secret", SECRET, NAMESPACE)["data"]["tls.crt"]))


def run_cert_job(*more: str, command: Sequence[str] = ("certify",), seconds: float = 180) -> str:
    """A Job as the CronJob makes it, with more arguments; what it printed. Raises `ClusterError` if it fails."""
    template = get("cronjob", CERTS, NAMESPACE)["spec"]["jobTemplate"]["spec"]
    name = f"{CERTS}-{uuid.uuid4().hex[:6]}"
    container = template["template"]["spec"]["containers"][0]
    given = container.get("args") or []
    container["args"] = [*command, *given[1:], *more]
    metadata = {"name": name, "namespace": NAMESPACE}
    apply({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {**template, "backoffLimit": 0}})
    until(f"the end of Job {name}", lambda: _finished(name), seconds=seconds)
    printed = kubectl("logs", "-n", NAMESPACE, f"job/{name}")
    succeeded = get("job", name, NAMESPACE)["status"].get("succeeded")
    kubectl("delete", "job", "-n", NAMESPACE, name, "--wait=false")
    if not succeeded:
        raise ClusterError(f"Job {name} failed: {printed}")
    return printed


def _finished(name: str) -> bool:
    status = get("job", name, NAMESPACE)["status"]
    return bool(status.get("succeeded") or status.get("failed"))
