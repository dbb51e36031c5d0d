"""Which certificate is served now?

The files are looked at for every new connection and loaded when they changed: a renewed Secret needs no restart. A new
pair that can't be loaded never replaces one that works.
"""

import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kube.signature import Signature, signature

_log = logging.getLogger(__name__)


class TlsError(Exception):
    """Certificate or key can't be used; the message names the files and the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loaded:
    context: ssl.SSLContext
    not_after: float
    """Seconds since 1970."""


class ServingCertificate:
    """A certificate and its key, as files that somebody else renews."""

    on_reload_failure: Callable[[], None]
    """Called when a renewed pair can't be loaded."""

    def __init__(self, cert_file: str, key_file: str) -> None:
        """Load the pair. Raises `TlsError`: a server must not start without."""
        self._files = (Path(cert_file), Path(key_file))
        self._seen = self._signatures()
        self._loaded = _load(*self._files)
        self.on_reload_failure = lambda: None

    @property
    def not_after(self) -> float:
        """When the served certificate ends, in seconds since 1970."""
        return self._loaded.not_after

    def context(self) -> ssl.SSLContext:
        """The context for a new connection. Belongs to one thread."""
        # First the look, then the load: a change in between is one more change at the next look.
        while (found := self._signatures()) != self._seen:
            self._seen = found
            self._reload()
        return self._loaded.context

    def _reload(self) -> None:
        cert_file, key_file = self._files
        try:
            self._loaded = _load(cert_file, key_file)
        except TlsError as exc:
            if self._signatures() != self._seen:
                return  # certificate and key of two versions: the files changed between the two reads
            _log.error("the renewed certificate is not used, the last good one stays: %s", exc)
            self.on_reload_failure()
        else:
            _log.info("serving the renewed certificate of %s", cert_file)

    def _signatures(self) -> tuple[Signature | None, ...]:
        return tuple(signature(file) for file in self._files)


def _load(cert_file: Path, key_file: Path) -> _Loaded:
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION
        # Go's client keeps no session; and a caller that hung up must not break a handshake that was over for it.
        context.num_tickets = 0
        # HTTP/1.1 keep-alive costs two thirds of HTTP/2's CPU under gunicorn, and the API server takes either.
        context.set_alpn_protocols(["http/1.1"])
        context.load_cert_chain(cert_file, key_file, password=_refuse_password)
        return _Loaded(context=context, not_after=_not_after(cert_file.read_bytes()))
    except (OSError, ValueError) as exc:
        raise TlsError(
            f"certificate {cert_file} with key {key_file}: {exc}; expected a PEM certificate chain, leaf first, and "
            "its unencrypted PEM key (token-injector-certs certify writes such a pair)"
        ) from exc


def _refuse_password() -> str:
    """Without this, OpenSSL asks a terminal for the password of an encrypted key."""
    raise ValueError("the key is encrypted")


def _not_after(chain: bytes) -> float:
    from cryptography import x509  # noqa: PLC0415 - 10 MB that only a server with TLS needs

    try:
        return x509.load_pem_x509_certificate(chain).not_valid_after_utc.timestamp()
    except x509.InvalidVersion as exc:
        raise ValueError("the certificate is of no known version") from exc
