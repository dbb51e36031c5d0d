"""What stands in the certificates that we make, read back by the library."""

from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from certjob.certificates import (
    Issued,
    certificates_pem,
    issue_authority,
    issue_leaf,
    key_pem,
    names_of,
    new_private_key,
    subject_of,
)
from certjob.names import Names, serving_names


def assert_is_authority(certificate: x509.Certificate) -> None:
    """A CA by RFC 5280: it signs leaves only, and says so critically."""
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    assert constraints.critical
    assert (constraints.value.ca, constraints.value.path_length) == (True, 0)
    assert usage.critical
    assert usage.value.key_cert_sign
    assert not usage.value.digital_signature
    assert certificate.issuer == certificate.subject
    certificate.verify_directly_issued_by(certificate)


def assert_is_leaf(certificate: x509.Certificate, authority: x509.Certificate) -> None:
    """A TLS server's certificate, issued by this CA and pointing to its key."""
    extensions = certificate.extensions
    constraints = extensions.get_extension_for_class(x509.BasicConstraints)
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    own_id = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert constraints.critical
    assert not constraints.value.ca
    assert usage.critical
    assert usage.value.digital_signature
    assert not usage.value.key_cert_sign
    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier == own_id
    assert extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest != own_id
    certificate.verify_directly_issued_by(authority)


def test_the_ca_is_one_and_lives_ten_years(authority: Issued, now: datetime) -> None:
    """P-256, path length 0, key usage written out, valid from an hour ago."""
    certificate = authority.certificate

    assert_is_authority(certificate)
    assert isinstance(authority.key, ec.EllipticCurvePrivateKey)
    assert authority.key.curve.name == "secp256r1"
    assert certificate.not_valid_before_utc == now - timedelta(hours=1)
    assert certificate.not_valid_after_utc == now + timedelta(days=3650)


def test_the_leaf_serves_its_names_for_a_year(authority: Issued, leaf: Issued, names: Names, now: datetime) -> None:
    """Every name is a SAN, the common name is for people, the chain is complete."""
    certificate = leaf.certificate

    assert_is_leaf(certificate, authority.certificate)
    assert names_of(certificate) == names
    assert subject_of(certificate) == "admission-webhook-svc.webhook.svc"
    assert certificate.not_valid_after_utc == now + timedelta(days=365)


def test_two_cas_have_two_names(now: datetime) -> None:
    """During a rotation a client that looks CAs up by name finds the right one."""
    first, second = (
        issue_authority(key=new_private_key(), serial=serial, now=now, lifetime=timedelta(days=1)) for serial in (1, 2)
    )

    assert first.certificate.subject != second.certificate.subject


def test_a_leaf_does_not_outlive_its_ca(authority: Issued, names: Names, now: datetime) -> None:
    """Near the CA's end the leaf's life is cut."""
    late = now + timedelta(days=3600)

    leaf = issue_leaf(
        authority,
        key=new_private_key(),
        serial=1,
        common_name="a",
        names=names,
        now=late,
        lifetime=timedelta(days=365),
    )

    assert leaf.certificate.not_valid_after_utc == authority.certificate.not_valid_after_utc


def test_long_names_fit(authority: Issued, now: datetime) -> None:
    """The longest service and namespace that Kubernetes has."""
    names = serving_names(service="s" * 63, namespace="n" * 63)

    leaf = issue_leaf(
        authority,
        key=new_private_key(),
        serial=1,
        common_name="s" * 63,
        names=names,
        now=now,
        lifetime=timedelta(days=1),
    )

    assert names_of(leaf.certificate) == names


def test_pem_is_read_back(authority: Issued, leaf: Issued) -> None:
    """A bundle keeps its order; the key is PKCS #8 without a password."""
    bundle_pem = certificates_pem(leaf.certificate, authority.certificate)
    key = serialization.load_pem_private_key(key_pem(leaf.key), password=None)

    assert x509.load_pem_x509_certificates(bundle_pem) == [leaf.certificate, authority.certificate]
    assert key.public_key() == leaf.certificate.public_key()
    assert key_pem(leaf.key).startswith(b"-----BEGIN PRIVATE KEY-----")


def test_a_repr_shows_no_key(leaf: Issued) -> None:
    """What lands in a traceback or a log is the certificate only."""
    assert "key" not in repr(leaf).lower().replace("publickey", "")
