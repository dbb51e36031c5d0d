"""Which CAs does the webhook configuration trust for our Service, and how does a patch change that?

Pure. Entries that call other Services are never touched.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cryptography import x509

from certjob.certificates import certificates_pem
from certjob.cluster.target import Target
from certjob.decide import Unusable
from certjob.errors import ConfigurationError
from certjob.pem import read_certificates

Object = dict[str, Any]
# https://cert-manager.io/docs/concepts/ca-injector/: inject-ca-from, inject-ca-from-secret, inject-apiserver-ca.
_CERT_MANAGER = "cert-manager.io/inject-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One webhook of the configuration that calls our Service."""

    index: int
    name: str
    trusted: tuple[x509.Certificate, ...] | Unusable
    """What its caBundle holds; nothing where it is empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """A MutatingWebhookConfiguration, as far as it concerns us."""

    name: str
    resource_version: str
    entries: tuple[Entry, ...]
    cert_manager: tuple[str, ...] = ()
    """Annotations by which cert-manager sets the caBundle."""

    @property
    def trusted(self) -> tuple[x509.Certificate, ...]:
        """Every CA that some entry trusts, each once."""
        found = [one.trusted for one in self.entries if not isinstance(one.trusted, Unusable)]
        return tuple(dict.fromkeys(certificate for trusted in found for certificate in trusted))

    def trusts(self, authority: x509.Certificate) -> bool:
        """Whether every entry trusts the CA."""
        return all(not isinstance(one.trusted, Unusable) and authority in one.trusted for one in self.entries)


def read_configuration(obj: Object, target: Target) -> Configuration:
    """The entries that call our Service; raises ConfigurationError where there is none."""
    metadata, webhooks = obj["metadata"], obj.get("webhooks") or []
    entries = tuple(
        Entry(index=index, name=webhook["name"], trusted=_trusted(webhook))
        for index, webhook in enumerate(webhooks)
        if _service(webhook) == (target.namespace, target.service)
    )
    if not entries:
        called = sorted({"/".join(service) for webhook in webhooks if (service := _service(webhook))})
        raise ConfigurationError(
            f"MutatingWebhookConfiguration {metadata['name']}: no webhook of it calls the Service "
            f"{target.namespace}/{target.service}; it calls {', '.join(called) or 'none'}: check --service, "
            "--namespace and --webhook-configuration"
        )
    return Configuration(
        name=metadata["name"],
        resource_version=metadata["resourceVersion"],
        entries=entries,
        cert_manager=tuple(key for key in metadata.get("annotations") or {} if key.startswith(_CERT_MANAGER)),
    )


def trust_patch(configuration: Configuration, bundle: Sequence[x509.Certificate]) -> list[Object]:
    """Operations that let every entry trust the bundle, and that conflict if anything has changed since the look.

    The first one asks for the version: an operation `test` would be refused as an invalid patch is, without a reason.
    """
    encoded = base64.b64encode(certificates_pem(*bundle)).decode()
    version = {"op": "replace", "path": "/metadata/resourceVersion", "value": configuration.resource_version}
    paths = [f"/webhooks/{entry.index}/clientConfig/caBundle" for entry in configuration.entries]
    return [version, *({"op": "add", "path": path, "value": encoded} for path in paths)]


def _service(webhook: Object) -> tuple[str, str] | None:
    service = webhook["clientConfig"].get("service")
    return (service["namespace"], service["name"]) if service else None


def _trusted(webhook: Object) -> tuple[x509.Certificate, ...] | Unusable:
    """A line break is what some manifests give instead of nothing."""
    bundle = base64.b64decode(webhook["clientConfig"].get("caBundle") or "").strip()
    return read_certificates(bundle, "its caBundle") if bundle else ()
