"""The fake clouds as a Deployment, and a hand on their control port through the API server's proxy."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from demo.cluster.kubectl import OURS, apply, get, kubectl, make_namespaces

NAMESPACE = "e2e-cloud"
UNIQUE_ID = "112233445566778899001"
# The audience of the seed's tokens, written out: what the product asks for is judged against it.
AUDIENCE = "token-injector/sts/assume-role-with-web-identity"
METADATA_HOST = f"cloud.{NAMESPACE}.svc.cluster.local:8080"
AWS_URL = f"http://cloud.{NAMESPACE}.svc.cluster.local:4566"
_PORTS = {"metadata": 8080, "aws": 4566, "control": 9000}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the fakes saw since they started."""

    identity_requests: int
    faults_met: int
    calls: list[dict[str, Any]]


def start_cloud(image: str) -> None:
    """The fakes, ready."""
    metadata = {"name": NAMESPACE, "labels": {OURS: "true"}}
    make_namespaces({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    apply(_service(), _deployment(image))
    kubectl("rollout", "status", "deployment/cloud", "-n", NAMESPACE, "--timeout=120s", seconds=130)


def metadata(**wanted: Any) -> None:
    """Change the metadata server: see `demo.fakes.cloud`."""
    _post("metadata", wanted)


def aws(**wanted: Any) -> None:
    """Change AWS: see `demo.fakes.cloud`."""
    _post("aws", wanted)


def seen() -> Seen:
    """What the fakes saw."""
    return Seen(**json.loads(kubectl("get", "--raw", _proxy("seen"))))


def trust_cluster() -> str:
    """Make the cluster's own issuer an IAM OIDC provider; its URL."""
    issuer = str(json.loads(kubectl("get", "--raw", "/.well-known/openid-configuration"))["issuer"])
    aws(providers={issuer: json.loads(kubectl("get", "--raw", "/openid/v1/jwks"))})
    return issuer


def google_role(arn: str, *, audience: str = AUDIENCE, reads: Sequence[str] | None = None) -> None:
    """An AWS role that trusts the fake's Google service account; `reads`: see `demo.fakes.sts.Role`."""
    condition = {"accounts.google.com:sub": UNIQUE_ID, "accounts.google.com:oaud": audience}
    _role(arn, "accounts.google.com", condition, reads)


def cluster_role(arn: str, *, issuer: str, namespace: str, account: str, reads: Sequence[str] | None = None) -> None:
    """An AWS role that trusts one service account of the cluster."""
    host = issuer.removeprefix("https://")
    condition = {f"{host}:sub": f"system:serviceaccount:{namespace}:{account}", f"{host}:aud": "sts.amazonaws.com"}
    _role(arn, f"arn:aws:iam::{arn.split(':')[4]}:oidc-provider/{host}", condition, reads)


def _role(arn: str, principal: str, condition: Mapping[str, str], reads: Sequence[str] | None) -> None:
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": principal},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": condition},
    }
    aws(roles={arn: {"trust_policy": {"Version": "2012-10-17", "Statement": [statement]}, "reads": reads}})


def _post(path: str, wanted: Mapping[str, Any]) -> None:
    kubectl("create", "--raw", _proxy(path), "-f", "-", given=json.dumps(wanted))


def _proxy(path: str) -> str:
    return f"/api/v1/namespaces/{NAMESPACE}/services/cloud:control/proxy/{path}"


def relay(image: str, to: str) -> str:
    """HOST:PORT at which pods reach what the node has at `to`, HOST:PORT."""
    name, port = "relay", 5005
    container = {
        "name": name,
        "image": image,
        "command": ["python3", "-m", "demo.cluster.relay", f"0.0.0.0:{port}", to],
        "readinessProbe": {"tcpSocket": {"port": port}, "periodSeconds": 1},
    }
    metadata = {"name": name, "namespace": NAMESPACE}
    apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": metadata,
            "spec": {"hostNetwork": True, "containers": [container]},
        }
    )
    kubectl("wait", "-n", NAMESPACE, f"pod/{name}", "--for=condition=Ready", "--timeout=120s", seconds=130)
    return f"{get('pod', name, NAMESPACE)['status']['podIP']}:{port}"


def cloud_address() -> str:
    """The fakes' ClusterIP."""
    return str(get("service", "cloud", NAMESPACE)["spec"]["clusterIP"])


def _service() -> dict[str, Any]:
    ports = [{"name": name, "port": port} for name, port in _PORTS.items()]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "cloud", "namespace": NAMESPACE},
        "spec": {"selector": {"app": "cloud"}, "ports": ports},
    }


def _deployment(image: str) -> dict[str, Any]:
    addresses = [f"--{name}=0.0.0.0:{port}" for name, port in _PORTS.items()]
    container = {
        "name": "cloud",
        "image": image,
        "command": ["python3", "-m", "demo.fakes.cloud", *addresses],
        # Many pods ask at once on a busy node: slow is not gone.
        "readinessProbe": {
            "httpGet": {"path": "/", "port": _PORTS["control"]},
            "periodSeconds": 1,
            "timeoutSeconds": 10,
        },
        "securityContext": {"runAsNonRoot": True, "allowPrivilegeEscalation": False},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "cloud", "namespace": NAMESPACE},
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": {"app": "cloud"}},
            "template": {"metadata": {"labels": {"app": "cloud"}}, "spec": {"containers": [container]}},
        },
    }
