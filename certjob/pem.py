"""Which certificates and keys are in these bytes? What cannot be used says why; what was missing stays so.

Pure. No reason quotes the bytes.
"""

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from certjob.certificates import PrivateKey
from certjob.decide import Unusable


def read_certificates(content: bytes | Unusable, name: str) -> tuple[x509.Certificate, ...] | Unusable:
    """The certificates of a PEM file, at least one; `name` is what a reason calls it."""
    if isinstance(content, Unusable):
        return content
    try:
        return tuple(x509.load_pem_x509_certificates(content))
    except ValueError:
        return Unusable(reason=f"{name} holds no PEM certificate")


def read_key(content: bytes | Unusable, name: str) -> PrivateKey | Unusable:
    """The key of a PEM file."""
    if isinstance(content, Unusable):
        return content
    try:
        key = serialization.load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: it is encrypted
        return Unusable(reason=f"{name} holds no PEM private key, or an encrypted one")
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        return Unusable(reason=f"{name} is neither an EC nor an RSA key")
    return key
