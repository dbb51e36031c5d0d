"""One run: look, decide, make what is needed, write it at once; or look only.

The steps are pure but for the folder; time, keys and serial numbers are parameters.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509

from certjob.certificates import Issued, Source, certificates_pem, issue_authority, issue_leaf, key_pem
from certjob.checks import authority_fault, dates_fault, days_left, server_name_fault
from certjob.decide import Decision, Keep, Present, RenewLeaf, RotateCA, Unusable, Wanted, decide, leaf_fault, usable
from certjob.errors import FileAccessError
from certjob.files import locked, read, write
from contract.server import CA_CERT, CA_KEY, TLS_CERT, TLS_KEY


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the operator asked for."""

    directory: Path
    common_name: str
    wanted: Wanted
    lifetime: timedelta
    ca_lifetime: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run did, and what there is now."""

    decision: Decision
    written: tuple[str, ...]
    dropped_authorities: int
    """How many CAs left the bundle because they have expired."""
    leaf: x509.Certificate
    authorities: tuple[x509.Certificate, ...]
    """The bundle, the CA in use first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What a look found."""

    leaf: x509.Certificate | None
    authorities: tuple[x509.Certificate, ...]
    findings: tuple[str, ...]
    """Each is a reason to act; none is good news."""


def certify(request: Request, *, now: datetime, source: Source) -> Outcome:
    """Bring the folder to what is wanted; a run that finds everything good writes nothing. Raises CertjobError.

    After a rotation the bundle holds the new CA and those before it, so that who reads it trusts leaves of either; a CA
    leaves the bundle when it has expired.
    """
    with locked(request.directory):
        present = read(request.directory)
        decision = decide(present, request.wanted, now)
        contents: dict[str, bytes] = {}
        signer = _signer(decision, present, request, now, source)
        if isinstance(decision, RotateCA) and signer:
            contents[CA_KEY] = key_pem(signer.key)
        authority = signer.certificate if signer else usable(present.authority)
        everyone = _bundle(authority, present)
        bundle = (authority, *(one for one in everyone[1:] if not authority_fault(one) and not dates_fault(one, now)))
        if present.authorities != bundle:
            contents[CA_CERT] = certificates_pem(*bundle)
        issued = _leaf(signer, request, now, source) if signer else None
        if issued:
            contents |= {TLS_CERT: certificates_pem(issued.certificate), TLS_KEY: key_pem(issued.key)}
        if contents:
            write(request.directory, contents)
    return Outcome(
        decision=decision,
        written=tuple(contents),
        dropped_authorities=len(everyone) - len(bundle),
        leaf=issued.certificate if issued else usable(present.leaf),
        authorities=bundle,
    )


def inspect(directory: Path, *, now: datetime, warn_days: int, server_names: Sequence[str] = ()) -> Inspection:
    """What is served and trusted, and what is wrong with it or will be within `warn_days`. Raises CertjobError.

    Without a server's names any will do.
    """
    if not directory.is_dir():
        what = "is no folder" if directory.exists() else "no such folder"
        raise FileAccessError(f"{directory}: {what}; token-injector-certs certify --output-dir DIR makes it")
    present = read(directory, with_authority_key=False)
    leaf = None if isinstance(present.leaf, Unusable) else present.leaf
    authority = present.authority
    if isinstance(authority, Unusable):
        return Inspection(leaf=leaf, authorities=(), findings=(authority.reason,))
    faults = (authority_fault(authority), dates_fault(authority, now))
    findings = [f"the CA in {CA_CERT} {fault}" for fault in faults if fault]
    served = leaf_fault(present, authority, None, now)
    findings += [served] if served else []
    unnamed = [fault for name in server_names if leaf and (fault := server_name_fault(leaf, name))]
    findings += [f"{TLS_CERT} {fault}" for fault in unnamed]
    for what, certificate in ((TLS_CERT, leaf), (f"the CA in {CA_CERT}", authority)):
        if certificate and not dates_fault(certificate, now) and days_left(certificate, now) < warn_days:
            findings.append(f"{what} ends in {days_left(certificate, now)} days")
    return Inspection(leaf=leaf, authorities=_bundle(authority, present), findings=tuple(findings))


def _signer(decision: Decision, present: Present, request: Request, now: datetime, source: Source) -> Issued | None:
    """The CA that signs a new leaf; None where the leaf is kept."""
    match decision:
        case Keep():
            return None
        case RenewLeaf():
            key = present.authority_key
            if isinstance(key, Unusable):
                raise TypeError(f"decide renews without a key: {key.reason}")
            return Issued(certificate=usable(present.authority), key=key)
        case RotateCA():
            return issue_authority(
                key=source.new_key(), serial=source.new_serial(), now=now, lifetime=request.ca_lifetime
            )


def _leaf(signer: Issued, request: Request, now: datetime, source: Source) -> Issued:
    return issue_leaf(
        signer,
        key=source.new_key(),
        serial=source.new_serial(),
        common_name=request.common_name,
        names=request.wanted.names,
        now=now,
        lifetime=request.lifetime,
    )


def _bundle(authority: x509.Certificate, present: Present) -> tuple[x509.Certificate, ...]:
    """The CA in use, then every other one of the bundle, each once."""
    others = () if isinstance(present.authorities, Unusable) else present.authorities
    return tuple(dict.fromkeys((authority, *others)))
