"""What is a person or a monitor told? Text and JSON of outcomes and inspections; a key is in neither.

Pure.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from certjob.certificates import names_of, subject_of
from certjob.certify import Inspection, Outcome
from certjob.checks import days_left
from certjob.decide import Decision, Keep, RenewLeaf, RotateCA
from contract.server import CA_CERT, TLS_CERT, TLS_KEY

_DONE = {
    Keep: "kept the certificates: they are good",
    RenewLeaf: "renewed the serving certificate",
    RotateCA: "made a CA and a serving certificate",
}
_ACTIONS = {Keep: "keep", RenewLeaf: "renew-leaf", RotateCA: "rotate-ca"}


def outcome_json(outcome: Outcome, *, directory: Path, now: datetime) -> dict[str, Any]:
    """What certify did, for programs."""
    return {
        "action": _ACTIONS[type(outcome.decision)],
        "reason": _reason(outcome.decision),
        "directory": str(directory),
        "written": list(outcome.written),
        "dropped_authorities": outcome.dropped_authorities,
        "leaf": certificate_json(outcome.leaf, now),
        "authorities": [certificate_json(one, now) for one in outcome.authorities],
        "next": next_steps(outcome, directory),
    }


def outcome_text(outcome: Outcome, *, directory: Path, now: datetime) -> str:
    """What certify did, why, and what to do next."""
    reason = _reason(outcome.decision)
    lines = [f"{directory}: {_DONE[type(outcome.decision)]}{f' ({reason})' if reason else ''}"]
    if outcome.dropped_authorities:
        lines.append(f"dropped from {CA_CERT}, as they have expired: {outcome.dropped_authorities}")
    lines += [f"wrote {', '.join(outcome.written)}"] if outcome.written else []
    lines += certificates_text(outcome.leaf, outcome.authorities, now)
    return "\n".join([*lines, *(f"next: {step}" for step in next_steps(outcome, directory))]) + "\n"


def next_steps(outcome: Outcome, directory: Path) -> list[str]:
    """What is left for the operator."""
    match outcome.decision:
        case Keep():
            return [f"nothing; run again at any time, or watch with: token-injector-certs check --dir {directory}"]
        case RenewLeaf():
            return [f"nothing; a webhook that serves {directory / TLS_CERT} loads it by itself"]
        case RotateCA():
            serve = f"--tls-cert-file={directory / TLS_CERT} --tls-private-key-file={directory / TLS_KEY}"
            steps = [
                f"give clients {directory / CA_CERT}; as caBundle it is: base64 -w0 {directory / CA_CERT}",
                f"serve with {serve}",
            ]
            several = len(outcome.authorities) > 1
            old = "it trusts the CA before as well; clients that know only that one refuse the new serving certificate"
            return [f"{steps[0]} ({old})", *steps[1:]] if several else steps


def inspection_json(inspection: Inspection, *, now: datetime) -> dict[str, Any]:
    """What check found, for programs."""
    return {
        "ok": not inspection.findings,
        "findings": list(inspection.findings),
        "leaf": certificate_json(inspection.leaf, now) if inspection.leaf else None,
        "authorities": [certificate_json(one, now) for one in inspection.authorities],
    }


def inspection_text(inspection: Inspection, *, directory: Path, now: datetime) -> str:
    """What check found: what is served, what is trusted, and what is wrong."""
    lines = list(certificates_text(inspection.leaf, inspection.authorities, now))
    lines += [f"PROBLEM: {finding}" for finding in inspection.findings]
    if inspection.findings:
        lines.append(f"next: token-injector-certs certify --output-dir {directory}, with the flags of the first time")
    return "\n".join([*lines] if inspection.findings else [*lines, "OK"]) + "\n"


def _reason(decision: Decision) -> str:
    return "" if isinstance(decision, Keep) else decision.reason


def certificates_text(
    leaf: x509.Certificate | None, authorities: tuple[x509.Certificate, ...], now: datetime
) -> Iterator[str]:
    """Each certificate in two or three lines."""
    if leaf:
        yield f"{TLS_CERT}  {subject_of(leaf)}, issued by {subject_of_issuer(leaf)}"
        yield f"         {', '.join(names_of(leaf).texts)}"
        yield f"         {_life(leaf, now)}"
    for authority in authorities:
        yield f"{CA_CERT}   {subject_of(authority)}"
        yield f"         {_life(authority, now)}"


def subject_of_issuer(certificate: x509.Certificate) -> str:
    """The issuer's name as people read it."""
    return certificate.issuer.rfc4514_string().removeprefix("CN=")


def _life(certificate: x509.Certificate, now: datetime) -> str:
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC, {days_left(certificate, now)} days left"


def certificate_json(certificate: x509.Certificate, now: datetime) -> dict[str, Any]:
    """A certificate, for programs."""
    return {
        "subject": subject_of(certificate),
        "issuer": subject_of_issuer(certificate),
        "names": list(names_of(certificate).texts),
        "serial": f"{certificate.serial_number:x}",
        "sha256": certificate.fingerprint(hashes.SHA256()).hex(),
        "not_before": certificate.not_valid_before_utc.isoformat(),
        "not_after": certificate.not_valid_after_utc.isoformat(),
        "days_left": days_left(certificate, now),
    }
