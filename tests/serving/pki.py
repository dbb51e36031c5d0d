"""A CA and serving certificates for tests, made with `cryptography`."""

import datetime as dt
import ipaddress
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAY = dt.timedelta(days=1)


class Pki:
    """A CA in memory; its certificate in a file for clients."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test CA")])
        authority = x509.BasicConstraints(ca=True, path_length=0)
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        certificate = (
            self._builder(self._name, self._key.public_key())
            .add_extension(authority, critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.ca_file = folder / "ca.crt"
        self.ca_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, *, not_after: dt.datetime | None = None) -> tuple[bytes, bytes, int]:
        """A certificate for localhost and 127.0.0.1, its key, and its serial number."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        builder = self._builder(subject, key.public_key(), not_after)
        certificate = builder.add_extension(x509.SubjectAlternativeName(names), critical=False).sign(
            self._key, hashes.SHA256()
        )
        plain = serialization.NoEncryption()
        key_pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        return certificate.public_bytes(serialization.Encoding.PEM), key_pem, certificate.serial_number

    def client_context(self) -> ssl.SSLContext:
        """What trusts this CA and nothing else."""
        return ssl.create_default_context(cafile=str(self.ca_file))

    def _builder(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        not_after: dt.datetime | None = None,
    ) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _DAY)
            .not_valid_after(not_after or now + _DAY)
            # Python 3.13 verifies strictly: without key identifiers there is no trust.
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )


class SecretVolume:
    """tls.crt and tls.key as the kubelet mounts a Secret: links through `..data`, which is moved in one step."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._versions = 0
        self.cert_file = folder / "tls.crt"
        self.key_file = folder / "tls.key"

    def write(self, certificate: bytes, key: bytes) -> None:
        """Put a new version in force."""
        self._versions += 1
        version = self._folder / f"..version-{self._versions}"
        version.mkdir(parents=True)
        (version / "tls.crt").write_bytes(certificate)
        (version / "tls.key").write_bytes(key)
        link = self._folder / "..data.new"
        link.symlink_to(version.name)
        link.replace(self._folder / "..data")
        for file in (self.cert_file, self.key_file):
            if not file.is_symlink():
                file.symlink_to(f"..data/{file.name}")
