"""How is a step written? Each is one request that conflicts if its object has changed since the look.

Pure but for new keys and serial numbers, which are parameters.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from certjob.certificates import Issued, Source, certificates_pem, issue_authority, issue_leaf, key_pem
from certjob.cluster.configuration import trust_patch
from certjob.cluster.observed import Observed
from certjob.cluster.secret import OPAQUE, TLS, Object, written
from certjob.cluster.step import Change, IssueLeaf, Publish, RecordAuthorities, StoreAuthority, Trust
from certjob.decide import Unusable, usable
from certjob.names import Names
from contract.server import CA_CERT, CA_KEY, TLS_CERT, TLS_KEY


@dataclass(frozen=True, slots=True, kw_only=True)
class Create:
    """Add an object to the collection at the path."""

    path: str
    obj: Object = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replace:
    """Put the object, which has the version that was read, at its path."""

    path: str
    obj: Object = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """Change the object at the path. Never a Secret: the API server quotes a patch that it refuses."""

    path: str
    operations: list[dict[str, Any]]


Write = Create | Replace | Patch


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """What is made is made like this."""

    names: Names
    common_name: str
    lifetime: timedelta
    ca_lifetime: timedelta
    source: Source


def write(step: Change, observed: Observed, making: Making, now: datetime) -> Write:
    """The request of one step."""
    match step:
        case StoreAuthority():
            return _authority(observed, _new_authority(step, making, now))
        case RecordAuthorities():
            return _authority(observed, {CA_CERT: certificates_pem(*step.bundle)})
        case Trust():
            operations = trust_patch(observed.configuration, step.bundle)
            return Patch(path=observed.target.configuration_path, operations=operations)
        case IssueLeaf():
            return _serving(observed, _new_leaf(step, observed, making, now))
        case Publish():
            return _serving(observed, {CA_CERT: certificates_pem(*step.bundle)})


def _new_authority(step: StoreAuthority, making: Making, now: datetime) -> Mapping[str, bytes]:
    source = making.source
    made = issue_authority(key=source.new_key(), serial=source.new_serial(), now=now, lifetime=making.ca_lifetime)
    return {CA_CERT: certificates_pem(made.certificate, *step.beside), CA_KEY: key_pem(made.key)}


def _new_leaf(step: IssueLeaf, observed: Observed, making: Making, now: datetime) -> Mapping[str, bytes]:
    present, source = observed.present, making.source
    if isinstance(present.authority_key, Unusable):
        raise TypeError(f"a leaf is issued without a key: {present.authority_key.reason}")
    made = issue_leaf(
        Issued(certificate=usable(present.authority), key=present.authority_key),
        key=source.new_key(),
        serial=source.new_serial(),
        common_name=making.common_name,
        names=making.names,
        now=now,
        lifetime=making.lifetime,
    )
    bundle = certificates_pem(*step.bundle)
    return {TLS_CERT: certificates_pem(made.certificate), TLS_KEY: key_pem(made.key), CA_CERT: bundle}


def _authority(observed: Observed, data: Mapping[str, bytes]) -> Write:
    return _secret(observed, observed.target.ca_secret, observed.authority, OPAQUE, data)


def _serving(observed: Observed, data: Mapping[str, bytes]) -> Write:
    return _secret(observed, observed.target.secret, observed.serving, TLS, data)


def _secret(observed: Observed, name: str, before: Object | None, secret_type: str, data: Mapping[str, bytes]) -> Write:
    secret = written(before, name=name, secret_type=secret_type, data=data, owner=observed.owner)
    if before is None:
        return Create(path=observed.target.secrets_path, obj=secret)
    return Replace(path=observed.target.secret_path(name), obj=secret)
