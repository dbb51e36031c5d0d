"""What does an endpoint serve? A TLS handshake tells, as the API server makes one; nothing is sent after it."""

import socket
import ssl
from collections.abc import Sequence

from cryptography import x509

from certjob.certificates import certificates_pem
from certjob.cluster.endpoints import Endpoint
from certjob.cluster.observed import Answer, Served, Silent

# A replica answers within milliseconds, or not at all.
SECONDS = 3.0


def ask(endpoint: Endpoint, server_name: str, trusted: Sequence[x509.Certificate]) -> Answer:
    """The leaf, and whether a client that trusts these CAs accepts it for this name.

    A client that refuses does not get to see what it refuses: then a second handshake, which trusts anything, fetches
    it.
    """
    try:
        return Served(leaf=_handshake(endpoint, server_name, _trusting(trusted)))
    except ssl.SSLCertVerificationError as exc:
        distrust = exc.verify_message
    except (OSError, ValueError) as exc:
        return _silent(exc)
    try:
        return Served(leaf=_handshake(endpoint, server_name, _trusting_anything()), distrust=distrust)
    except (OSError, ValueError) as exc:
        return _silent(exc)


def _handshake(endpoint: Endpoint, server_name: str, context: ssl.SSLContext) -> x509.Certificate:
    with (
        socket.create_connection((endpoint.address, endpoint.port), timeout=SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=server_name) as tls,
    ):
        return x509.load_der_x509_certificate(tls.getpeercert(binary_form=True) or b"")


def _trusting(trusted: Sequence[x509.Certificate]) -> ssl.SSLContext:
    """As Go's client in the API server: any certificate of the bundle ends a chain, whether or not it signed itself."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if trusted:
        context.load_verify_locations(cadata=certificates_pem(*trusted).decode())
    return context


def _trusting_anything() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _silent(exc: Exception) -> Silent:
    match exc:
        case TimeoutError():
            return Silent(reason=f"no answer in {SECONDS:g} seconds")
        case ssl.SSLError():
            return Silent(reason=f"no TLS handshake: {exc.reason or exc}")
        case OSError():
            return Silent(reason=(exc.strerror or str(exc)).lower())
        case _:
            return Silent(reason="its certificate cannot be read")
