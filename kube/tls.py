"""Our side of the TLS handshake with the API server."""

import ssl
import tempfile
from pathlib import Path

from kube.config import Connection
from kube.errors import UnavailableError


def tls_context(connection: Connection) -> ssl.SSLContext:
    """Our side of the handshake. Raises `UnavailableError` while a file can't be read: they are replaced in turn.

    Not `create_default_context`: since Python 3.13 it demands what older clusters' certificates lack (RFC 5280's
    authority key identifier).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if not connection.verify_tls:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif connection.ca_file:
            _load_ca(context, connection, connection.ca_file)
        else:
            context.load_default_certs()
        if connection.client_certificate_file:
            _load_chain(context, connection, connection.client_certificate_file, connection.client_key_file)
    except OSError as exc:  # ssl.SSLError is one
        names = [connection.ca_file, connection.client_certificate_file, connection.client_key_file]
        shown = ", ".join(name for name in names if name)
        raise UnavailableError(f"TLS files {shown}: {exc.strerror or exc}: expected PEM certificates") from exc
    return context


def _load_ca(context: ssl.SSLContext, connection: Connection, path: str) -> None:
    if _vanished(connection, path):
        context.load_verify_locations(cadata=connection.contents[path].decode("ascii", "ignore"))
    else:
        context.load_verify_locations(path)


def _load_chain(context: ssl.SSLContext, connection: Connection, certificate: str, key: str | None) -> None:
    paths = [certificate, key] if key else [certificate]
    if not any(_vanished(connection, path) for path in paths):
        context.load_cert_chain(certificate, key)
        return
    # Python's interface takes files only: one for us alone to read, and gone at once.
    with tempfile.TemporaryDirectory() as directory:
        chain = Path(directory, "chain.pem")
        chain.write_bytes(b"\n".join(connection.contents.get(path) or Path(path).read_bytes() for path in paths))
        context.load_cert_chain(chain)


def _vanished(connection: Connection, path: str) -> bool:
    return path in connection.contents and not Path(path).exists()
