"""What one look at the cluster has found.

Pure.
"""

from dataclasses import dataclass, field

from cryptography import x509

from certjob.cluster.configuration import Configuration
from certjob.cluster.endpoints import Endpoint
from certjob.cluster.secret import Object, Owner, content, is_ours
from certjob.cluster.target import Target
from certjob.decide import Present, Unusable
from certjob.pem import read_certificates, read_key
from contract.server import CA_CERT, CA_KEY, TLS_CERT, TLS_KEY


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """An endpoint's answer to a TLS handshake."""

    leaf: x509.Certificate
    distrust: str | None = None
    """Why a client that trusts what the configuration trusts refuses it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Silent:
    """There was no handshake."""

    reason: str


Answer = Served | Silent


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """Both Secrets, the configuration, and what each endpoint serves, at about one moment."""

    target: Target
    configuration: Configuration
    serving: Object | None = field(repr=False)
    authority: Object | None = field(repr=False)
    answers: tuple[tuple[Endpoint, Answer], ...]
    owner: Owner | None

    @property
    def leaf(self) -> x509.Certificate | Unusable:
        """The certificate that the replicas are to serve."""
        found = read_certificates(self._serving(TLS_CERT), TLS_CERT)
        return found if isinstance(found, Unusable) else found[0]

    @property
    def published(self) -> tuple[x509.Certificate, ...] | Unusable:
        """The bundle beside it."""
        return read_certificates(self._serving(CA_CERT), CA_CERT)

    @property
    def present(self) -> Present:
        """What `decide` decides on. The bundle is the CA Secret's: it is the record of what has to be trusted."""
        called = self.target.called(self.target.ca_secret)
        return Present(
            leaf=self.leaf,
            leaf_key=read_key(self._serving(TLS_KEY), TLS_KEY),
            authorities=read_certificates(content(self.authority, CA_CERT, called=called), CA_CERT),
            authority_key=read_key(content(self.authority, CA_KEY, called=called), CA_KEY),
        )

    @property
    def ours(self) -> tuple[x509.Certificate, ...]:
        """Every CA that our Secrets hold, each once: of the record first."""
        recorded = self.present.authorities
        published = self.published if self.serving and is_ours(self.serving) else ()
        found = [one for one in (recorded, published) if not isinstance(one, Unusable)]
        return tuple(dict.fromkeys(certificate for bundle in found for certificate in bundle))

    @property
    def known(self) -> tuple[x509.Certificate, ...]:
        """Every CA under which something may be served now, each once."""
        return tuple(dict.fromkeys((*self.ours, *self.configuration.trusted)))

    def _serving(self, key: str) -> bytes | Unusable:
        return content(self.serving, key, called=self.target.called(self.target.secret))
