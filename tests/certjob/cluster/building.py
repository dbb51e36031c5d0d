"""What a look has found, from parts: two CAs and their leaves, and a webhook where all is well."""

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509

from certjob.certificates import Issued, certificates_pem, issue_authority, issue_leaf, key_pem, new_private_key
from certjob.cluster.configuration import read_configuration
from certjob.cluster.endpoints import Endpoint
from certjob.cluster.observed import Answer, Observed, Served
from certjob.cluster.secret import OPAQUE, TLS, Object, Owner, written
from certjob.cluster.target import Target
from certjob.names import serving_names
from tests.certjob.cluster.objects import configuration

NOW = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC)
DAY = timedelta(days=1)
TARGET = Target(service="hook", namespace="ns", secret="certs", ca_secret="certs-ca", configuration="hooks")
NAMES = serving_names(service="hook", namespace="ns")
OWNER = Owner(name="hook", uid="service-uid")
REPLICA = Endpoint(address="10.0.0.1", port=8443, pod="hook-1", serving=True)


def new_authority(serial: int) -> Issued:
    """A CA of ten years."""
    return issue_authority(key=new_private_key(), serial=serial, now=NOW, lifetime=3650 * DAY)


def new_leaf(authority: Issued, serial: int, **changes: Any) -> Issued:
    """A leaf of one year."""
    about: dict[str, Any] = {"common_name": "hook.ns.svc", "names": NAMES, "now": NOW, "lifetime": 365 * DAY}
    return issue_leaf(authority, key=new_private_key(), serial=serial, **(about | changes))


OLD, NEW = new_authority(0xC0), new_authority(0xC1)
OLD_LEAF, NEW_LEAF = new_leaf(OLD, 0xA0), new_leaf(NEW, 0xA1)


def pem(*issued: Issued | x509.Certificate) -> bytes:
    """The certificates."""
    return certificates_pem(*(one.certificate if isinstance(one, Issued) else one for one in issued))


def serving(leaf: Issued, *bundle: Issued) -> Object:
    """The serving Secret."""
    data = {"tls.crt": pem(leaf), "tls.key": key_pem(leaf.key), "ca.crt": pem(*bundle)}
    return _stored(written(None, name=TARGET.secret, secret_type=TLS, data=data, owner=OWNER))


def authority(signer: Issued, *others: Issued) -> Object:
    """The CA Secret."""
    data = {"ca.crt": pem(signer, *others), "ca.key": key_pem(signer.key)}
    return _stored(written(None, name=TARGET.ca_secret, secret_type=OPAQUE, data=data, owner=OWNER))


def changed(secret: Object, *, metadata: Mapping[str, Any] | None = None, **changes: Any) -> Object:
    """A Secret with other fields; metadata's are merged."""
    copied = copy.deepcopy(secret)
    return copied | changes | {"metadata": copied["metadata"] | (metadata or {})}


def trusting(*bundle: Issued, annotations: Mapping[str, str] | None = None, raw: bytes = b"") -> Object:
    """The configuration."""
    obj = configuration(TARGET, ca_bundle=raw or (pem(*bundle) if bundle else b""), annotations=annotations)
    obj["metadata"]["resourceVersion"] = "7"
    return obj


def serves(leaf: Issued | None, distrust: str | None = None) -> Answer:
    """A replica's answer."""
    assert leaf is not None
    return Served(leaf=leaf.certificate, distrust=distrust)


def observed(
    *,
    configured: Object,
    serving: Object | None,
    authority: Object | None,
    answers: Sequence[tuple[Endpoint, Answer]] = (),
) -> Observed:
    """One look."""
    return Observed(
        target=TARGET,
        configuration=read_configuration(configured, TARGET),
        serving=serving,
        authority=authority,
        answers=tuple(answers),
        owner=OWNER,
    )


def good(**changes: Any) -> Observed:
    """All is well with the old CA, but for the changes."""
    found = observed(
        configured=trusting(OLD),
        serving=serving(OLD_LEAF, OLD),
        authority=authority(OLD),
        answers=[(REPLICA, serves(OLD_LEAF))],
    )
    if "configured" in changes:
        changes["configuration"] = read_configuration(changes.pop("configured"), TARGET)
    return dataclasses.replace(found, **changes)


def _stored(secret: Object) -> Object:
    return secret | {"metadata": secret["metadata"] | {"namespace": TARGET.namespace, "resourceVersion": "5"}}
