"""Objects of a cluster, as the API server gives them."""

import base64
from collections.abc import Iterable, Mapping
from typing import Any

from cryptography import x509

from certjob.cluster.target import Target

CONFIGURATIONS = "mutatingwebhookconfigurations"
SLICES = "endpointslices"
SERVICE_UID = "11111111-2222-3333-4444-555555555555"

Object = dict[str, Any]


def configuration(target: Target, *, ca_bundle: bytes = b"", annotations: Mapping[str, str] | None = None) -> Object:
    """Our entry between two that call somebody else."""
    client_config: Object = {"service": {"namespace": target.namespace, "name": target.service, "path": "/pods"}}
    if ca_bundle:
        client_config["caBundle"] = base64.b64encode(ca_bundle).decode()
    other = {"service": {"namespace": target.namespace, "name": "other"}, "caBundle": "b3RoZXI="}
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": target.configuration, "annotations": dict(annotations or {})},
        "webhooks": [
            {"name": "other.example", "clientConfig": other},
            {"name": "pods.example", "clientConfig": client_config},
            {"name": "url.example", "clientConfig": {"url": "https://hook.example"}},
        ],
    }


def secret(name: str, data: Mapping[str, bytes], *, namespace: str, **changes: Any) -> Object:
    """A Secret of somebody."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {"name": name, "namespace": namespace},
        "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
    } | changes


def slice_of(
    target: Target, endpoints: Iterable[tuple[str, bool, bool]], *, port: int = 8443, uid: str = SERVICE_UID
) -> Object:
    """The Service's slice; each endpoint is address, serving, terminating. Empty, its lists are null."""
    listed = [
        {
            "addresses": [address],
            "conditions": {"ready": serving and not terminating, "serving": serving, "terminating": terminating},
            "targetRef": {"kind": "Pod", "name": f"hook-{address.rpartition('.')[2]}"},
        }
        for address, serving, terminating in endpoints
    ]
    service = {"apiVersion": "v1", "kind": "Service", "name": target.service, "uid": uid, "controller": True}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{target.service}-abcde",
            "namespace": target.namespace,
            "labels": {"kubernetes.io/service-name": target.service},
            "ownerReferences": [service],
        },
        "addressType": "IPv4",
        "endpoints": listed or None,
        "ports": [{"name": "https", "port": port, "protocol": "TCP"}] if listed else None,
    }


def certificates_of(found: Object | None, key: str) -> tuple[x509.Certificate, ...]:
    """The certificates in a Secret, none where there is none."""
    encoded = ((found or {}).get("data") or {}).get(key)
    return tuple(x509.load_pem_x509_certificates(base64.b64decode(encoded))) if encoded else ()


def trusted_by(found: Object | None) -> tuple[x509.Certificate, ...]:
    """What our entry of the configuration trusts."""
    entries = (found or {}).get("webhooks") or []
    bundle = base64.b64decode(entries[1]["clientConfig"].get("caBundle", "")) if entries else b""
    return tuple(x509.load_pem_x509_certificates(bundle)) if bundle.strip() else ()
