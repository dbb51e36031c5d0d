"""How are certificates and keys built, written and read?

Pure. X.509 as RFC 5280 has it, every extension written out with its criticality. Bytes that are PEM say `_pem`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certjob.names import IPAddress, Names

# What we make is EC; what we find may be RSA, made by somebody else.
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

_AUTHORITY_NAME = "token-injector CA "

# Clocks differ: a certificate is valid from a little before it was made, at most an hour.
_BACKDATE_PARTS = 100
_BACKDATE_MOST = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A certificate that was just made, and its key."""

    certificate: x509.Certificate
    key: PrivateKey = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where keys and serial numbers come from."""

    new_key: Callable[[], PrivateKey]
    new_serial: Callable[[], int]


def issue_authority(*, key: PrivateKey, serial: int, now: datetime, lifetime: timedelta) -> Issued:
    """A self-signed CA that signs leaves and no other CA. Each has a name of its own: no client mixes two up."""
    now = now.replace(microsecond=0)
    name = _name(f"{_AUTHORITY_NAME}{now:%Y-%m-%d} {serial & 0xFFFFFFFF:08x}")
    own_key_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        _builder(name, name, key, serial, now - _backdate(lifetime), now + lifetime)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own_key_id), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Issued(certificate=certificate, key=key)


def issue_leaf(
    authority: Issued,
    *,
    key: PrivateKey,
    serial: int,
    common_name: str,
    names: Names,
    now: datetime,
    lifetime: timedelta,
) -> Issued:
    """A serving certificate for the names; it never outlives its CA."""
    now = now.replace(microsecond=0)
    issuer = authority.certificate
    not_before = max(now - _backdate(lifetime), issuer.not_valid_before_utc)
    not_after = min(now + lifetime, issuer.not_valid_after_utc)
    general_names = [*map(x509.DNSName, names.dns), *map(x509.IPAddress, names.ips)]
    issuer_key_id = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    certificate = (
        _builder(_name(common_name), issuer.subject, key, serial, not_before, not_after)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(general_names), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_key_id), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    return Issued(certificate=certificate, key=key)


def names_of(certificate: x509.Certificate) -> Names:
    """The certificate's subject alternative names."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return Names(dns=())
    dns = tuple(name.lower() for name in found.get_values_for_type(x509.DNSName))
    ips = found.get_values_for_type(x509.IPAddress)
    # Networks, the other type that it may give, stand only in name constraints.
    return Names(dns=dns, ips=tuple(ip for ip in ips if isinstance(ip, IPAddress)))


def subject_of(certificate: x509.Certificate) -> str:
    """The common name, or the whole subject where there is none."""
    found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else certificate.subject.rfc4514_string()


def is_our_authority(certificate: x509.Certificate) -> bool:
    """Whether its name is one that `issue_authority` gives. It tells ours from another's; it vouches for nothing."""
    return subject_of(certificate).startswith(_AUTHORITY_NAME)


def new_private_key() -> PrivateKey:
    """ECDSA P-256: every TLS client knows it, and a handshake costs a tenth of RSA-2048's."""
    return ec.generate_private_key(ec.SECP256R1())


def certificates_pem(*certificates: x509.Certificate) -> bytes:
    """The certificates, one after the other."""
    return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in certificates)


def key_pem(key: PrivateKey) -> bytes:
    """The key in PKCS #8, not encrypted: the server must start without a person."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: PrivateKey,
    serial: int,
    not_before: datetime,
    not_after: datetime,
) -> x509.CertificateBuilder:
    """What CA and leaf have in common."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(not_before.astimezone(UTC))
        .not_valid_after(not_after.astimezone(UTC))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,  # a leaf signs TLS handshakes, a CA does not serve
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,  # never used, but some verifiers want it of a CA
        content_commitment=False,
        key_encipherment=False,  # RSA key exchange: ECDSA keys cannot
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _backdate(lifetime: timedelta) -> timedelta:
    return timedelta(seconds=int(min(lifetime / _BACKDATE_PARTS, _BACKDATE_MOST).total_seconds()))
