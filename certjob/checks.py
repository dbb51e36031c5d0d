"""What is wrong with a certificate? None, or a reason that fits behind its file's name.

Pure: `now` is a parameter.
"""

from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtendedKeyUsageOID

from certjob.certificates import PrivateKey, names_of, subject_of
from certjob.names import Names

# Renewal is due when this part of the life is over: a third remains for whoever has to notice that nobody renewed.
RENEW_AFTER = 2 / 3


def dates_fault(certificate: x509.Certificate, now: datetime) -> str | None:
    """Whether now is outside of the certificate's life."""
    if now < certificate.not_valid_before_utc:
        return f"is not valid before {_day(certificate.not_valid_before_utc)}"
    if now > certificate.not_valid_after_utc:
        return f"expired on {_day(certificate.not_valid_after_utc)}"
    return None


def age_fault(certificate: x509.Certificate, now: datetime) -> str | None:
    """Whether two thirds of the certificate's life are over."""
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    if now - certificate.not_valid_before_utc < life * RENEW_AFTER:
        return None
    return f"has used two thirds of its life, which ends on {_day(certificate.not_valid_after_utc)}"


def authority_fault(certificate: x509.Certificate) -> str | None:
    """Whether clients would not take the certificate as a CA."""
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        constraints = None
    return None if constraints and constraints.ca else f"is no CA certificate ({subject_of(certificate)})"


def chain_fault(leaf: x509.Certificate, authority: x509.Certificate) -> str | None:
    """Whether the leaf was not issued by this CA."""
    try:
        leaf.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return f"was not issued by the CA {subject_of(authority)}"
    return None


def key_fault(certificate: x509.Certificate, key: PrivateKey) -> str | None:
    """Whether the key is another certificate's."""
    return None if certificate.public_key() == key.public_key() else "belongs to another key"


def usage_fault(leaf: x509.Certificate) -> str | None:
    """Whether TLS clients would refuse the leaf as a server's."""
    try:
        usages = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return None
    return None if ExtendedKeyUsageOID.SERVER_AUTH in usages else "is not for TLS servers (no serverAuth)"


def names_fault(leaf: x509.Certificate, wanted: Names) -> str | None:
    """Whether the leaf's names are not exactly the wanted ones."""
    found, expected = set(names_of(leaf).texts), set(wanted.texts)
    differences = []
    if expected - found:
        differences.append(f"does not name {', '.join(sorted(expected - found))}")
    if found - expected:
        differences.append(f"names {', '.join(sorted(found - expected))}, which is not wanted any more")
    return " and ".join(differences) or None


def server_name_fault(leaf: x509.Certificate, server_name: str) -> str | None:
    """Whether a client that asks for this name would refuse the leaf; a wildcard stands for one label, the first."""
    _, _, parent = server_name.partition(".")
    return None if {server_name, f"*.{parent}"} & set(names_of(leaf).dns) else f"does not name {server_name}"


def days_left(certificate: x509.Certificate, now: datetime) -> int:
    """Whole days until the certificate ends; below zero once it has."""
    return (certificate.not_valid_after_utc - now) // timedelta(days=1)


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
