"""A CA that no cert job has made: a cluster's own."""

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from certjob.certificates import Issued
from tests.certjob.cluster.building import new_authority


def named(made: Issued, name: str) -> Issued:
    """The same CA under another name."""
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    before = made.certificate
    builder = x509.CertificateBuilder(
        subject,
        subject,
        made.key.public_key(),
        before.serial_number,
        before.not_valid_before_utc,
        before.not_valid_after_utc,
        list(before.extensions),
    )
    return Issued(certificate=builder.sign(made.key, hashes.SHA256()), key=made.key)


FOREIGN = named(new_authority(0xF0), "kubernetes")
