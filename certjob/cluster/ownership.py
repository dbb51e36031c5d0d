"""Whose is it? Objects of somebody else are left alone, unless the operator says otherwise.

Pure.
"""

from collections.abc import Iterator

from certjob.certificates import is_our_authority, subject_of
from certjob.cluster.configuration import Entry
from certjob.cluster.observed import Observed
from certjob.cluster.secret import MANAGED_BY, OPAQUE, TLS, US, Object, annotations, is_ours, labels
from certjob.decide import Unusable

_CERT_MANAGER = "cert-manager.io/"


def reasons_to_leave_alone(observed: Observed, *, adopt: bool) -> tuple[str, ...]:
    """Each names the object, why it is taken for somebody else's, and what to do; none where all is ours.

    | what is found | without --adopt | with it |
    |---|---|---|
    | a Secret or configuration that cert-manager writes | leave | leave |
    | a Secret that cannot hold a certificate, or cannot change | leave | leave |
    | a Secret without our label | leave | take over |
    | a caBundle with a certificate that is no CA of ours | leave | trust it until every replica serves ours |
    """
    target = observed.target
    reasons = list(_of_configuration(observed, adopt=adopt))
    for flag, name, secret in (
        ("--secret", target.secret, observed.serving),
        ("--ca-secret", target.ca_secret, observed.authority),
    ):
        reasons += [f"{target.called(name)} {why}" for why in _of_secret(secret, flag, adopt=adopt)] if secret else []
    return tuple(reasons)


def _of_secret(secret: Object, flag: str, *, adopt: bool) -> Iterator[str]:
    manager = labels(secret).get(MANAGED_BY)
    if any(key.startswith(_CERT_MANAGER) for key in annotations(secret)):
        yield f"is cert-manager's, by its annotations: give another {flag}, or delete its Certificate, then the Secret"
    elif secret.get("type", OPAQUE) not in (TLS, OPAQUE):
        yield f"is of type {secret['type']}, which cannot change: give another {flag}, or delete it"
    elif secret.get("immutable"):
        yield f"is immutable: give another {flag}, or delete it"
    elif not is_ours(secret) and not adopt:
        why = f"its label {MANAGED_BY} is {manager}, not {US}" if manager else f"it has no label {MANAGED_BY}: {US}"
        yield f"is not ours ({why}): give another {flag}, or certify --adopt to overwrite it"


def _of_configuration(observed: Observed, *, adopt: bool) -> Iterator[str]:
    configuration = observed.configuration
    called = f"MutatingWebhookConfiguration {configuration.name}"
    if configuration.cert_manager:
        annotation = configuration.cert_manager[0]
        yield f"{called} is cert-manager's, by its annotation {annotation}: let it be, or remove the annotation"
    elif not adopt:
        for entry in configuration.entries:
            stranger = _stranger(entry, observed)
            if stranger:
                yield f"{called}: the caBundle of {entry.name} is not ours ({stranger}): empty it, or certify --adopt"


def _stranger(entry: Entry, observed: Observed) -> str | None:
    if isinstance(entry.trusted, Unusable):
        return "it holds no PEM certificate"
    strangers = [one for one in entry.trusted if one not in observed.ours and not is_our_authority(one)]
    return f"it holds {subject_of(strangers[0])}, which no cert job has made" if strangers else None
