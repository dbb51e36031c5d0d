"""What is wrong with what is served and trusted, or soon will be?

Pure. Each finding is a reason to act; none is good news.
"""

from collections.abc import Iterator
from datetime import datetime

from cryptography import x509

from certjob.certificates import subject_of
from certjob.checks import (
    age_fault,
    chain_fault,
    dates_fault,
    days_left,
    key_fault,
    server_name_fault,
    usage_fault,
)
from certjob.cluster.configuration import Entry
from certjob.cluster.endpoints import Endpoint
from certjob.cluster.observed import Answer, Observed, Silent
from certjob.cluster.ownership import reasons_to_leave_alone
from certjob.cluster.progress import answered, serial
from certjob.decide import Unusable
from contract.server import TLS_CERT, TLS_KEY


def findings(observed: Observed, *, now: datetime, warn_days: int) -> tuple[str, ...]:
    """Of the Secret, the configuration and the endpoints that stay."""
    return (
        *reasons_to_leave_alone(observed, adopt=False),
        *_of_secret(observed, now, warn_days),
        *(
            finding
            for entry in observed.configuration.entries
            for finding in _of_entry(entry, observed, now, warn_days)
        ),
        *(finding for one in observed.answers if not one[0].terminating for finding in _of_endpoint(*one, observed)),
    )


def _of_secret(observed: Observed, now: datetime, warn_days: int) -> Iterator[str]:
    called = observed.target.called(observed.target.secret)
    leaf, key = observed.leaf, observed.present.leaf_key
    if isinstance(leaf, Unusable):
        yield leaf.reason if called in leaf.reason else f"{called}: {leaf.reason}"
        return
    if isinstance(key, Unusable):
        yield key.reason if called in key.reason else f"{called}: {key.reason}"
    elif key_fault(leaf, key):
        yield f"{called}: {TLS_CERT} and {TLS_KEY} do not belong together"
    for service in observed.target.services:
        if unnamed := server_name_fault(leaf, observed.target.server_name(service)):
            yield f"{called}: {TLS_CERT} {unnamed}"
    fault = usage_fault(leaf) or dates_fault(leaf, now) or age_fault(leaf, now)
    if fault:
        yield f"{called}: {TLS_CERT} {fault}"
    if not dates_fault(leaf, now) and days_left(leaf, now) < warn_days:
        yield f"{called}: {TLS_CERT} ends in {days_left(leaf, now)} days"


def _of_entry(entry: Entry, observed: Observed, now: datetime, warn_days: int) -> Iterator[str]:
    called = f"MutatingWebhookConfiguration {observed.configuration.name}: the caBundle of {entry.name}"
    if isinstance(entry.trusted, Unusable) or not entry.trusted:
        yield f"{called} holds no certificate: it trusts nobody"
        return
    leaf = observed.leaf
    if isinstance(leaf, Unusable):
        return
    issuers = [one for one in entry.trusted if chain_fault(leaf, one) is None]
    if not issuers:
        yield f"{called} does not trust {TLS_CERT}: no CA of it has issued serial {serial(leaf)}"
    for issuer in issuers[:1]:
        fault = dates_fault(issuer, now)
        if fault:
            yield f"{called}: {subject_of(issuer)} {fault}"
        elif days_left(issuer, now) < warn_days:
            yield f"{called}: {subject_of(issuer)} ends in {days_left(issuer, now)} days"


def _of_endpoint(endpoint: Endpoint, answer: Answer, observed: Observed) -> Iterator[str]:
    if isinstance(answer, Silent):
        if endpoint.serving:
            yield answered(endpoint, answer)
        return
    if answer.distrust:
        yield f"{answered(endpoint, answer)}, which the configuration does not trust: {answer.distrust}"
    leaf = observed.leaf
    if isinstance(leaf, x509.Certificate) and answer.leaf != leaf:
        yield f"{answered(endpoint, answer)}, not the Secret's {serial(leaf)}"
