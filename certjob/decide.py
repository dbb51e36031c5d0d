"""Keep what there is, renew the leaf, or rotate the CA?

Pure: what is present, what is wanted and the time in, one decision out. Deciding again after it was applied gives Keep.
"""

from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509

from certjob.certificates import PrivateKey
from certjob.checks import age_fault, authority_fault, chain_fault, dates_fault, key_fault, names_fault, usage_fault
from certjob.names import Names
from contract.server import CA_CERT, CA_KEY, TLS_CERT, TLS_KEY


@dataclass(frozen=True, slots=True, kw_only=True)
class Unusable:
    """A file that is missing, or that is not what its name says."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """What was found where the certificates belong."""

    leaf: x509.Certificate | Unusable
    leaf_key: PrivateKey | Unusable = field(repr=False)
    authorities: tuple[x509.Certificate, ...] | Unusable
    """Every CA of the bundle, the one in use among them."""
    authority_key: PrivateKey | Unusable = field(repr=False)

    @property
    def authority(self) -> x509.Certificate | Unusable:
        """The CA in use: the one of the key, else the one that issued the leaf, else the first."""
        if isinstance(self.authorities, Unusable):
            return self.authorities
        key, leaf = self.authority_key, self.leaf
        of_key = [] if isinstance(key, Unusable) else [one for one in self.authorities if not key_fault(one, key)]
        of_leaf = [] if isinstance(leaf, Unusable) else [one for one in self.authorities if not chain_fault(leaf, one)]
        return [*of_key, *of_leaf, *self.authorities][0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the operator asks for."""

    names: Names
    renew: bool = False
    """Renew the leaf even if it is good."""
    rotate_ca: bool = False
    """Rotate the CA even if it is good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Everything is good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewLeaf:
    """A new leaf from the CA that there is: clients notice nothing."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RotateCA:
    """A new CA and a new leaf: clients need the new bundle."""

    reason: str


Decision = Keep | RenewLeaf | RotateCA


def decide(present: Present, wanted: Wanted, now: datetime) -> Decision:
    """The first row that fits.

    | what is found | decision |
    |---|---|
    | rotation is asked for | rotate the CA |
    | no usable CA certificate, or it is outside of its dates or past two thirds of its life | rotate the CA |
    | renewal is asked for, or a fault of the leaf, and the CA's key fits | renew the leaf |
    | the same, and the CA's key is missing, broken or another's | rotate the CA |
    | a good leaf, whether or not the CA's key is there | keep |

    Faults of a leaf: missing or broken, or its key is; the key is another's; not issued by the CA; other names than
    wanted; not for servers; outside of its dates or past two thirds of its life.
    """
    if wanted.rotate_ca:
        return RotateCA(reason="it was asked for")
    authority = present.authority
    if isinstance(authority, Unusable):
        return RotateCA(reason=authority.reason)
    fault = authority_fault(authority) or dates_fault(authority, now) or age_fault(authority, now)
    if fault:
        return RotateCA(reason=f"the CA in {CA_CERT} {fault}")
    reason = "it was asked for" if wanted.renew else leaf_fault(present, authority, wanted.names, now)
    if reason is None:
        return Keep()
    cannot_sign = _key_fault(authority, present.authority_key)
    if cannot_sign:
        return RotateCA(reason=f"{reason}, and {cannot_sign}")
    return RenewLeaf(reason=reason)


def usable(found: x509.Certificate | Unusable) -> x509.Certificate:
    """What a decision other than to rotate has found good."""
    if isinstance(found, Unusable):
        raise TypeError(f"decide keeps what is unusable: {found.reason}")
    return found


def leaf_fault(present: Present, authority: x509.Certificate, names: Names | None, now: datetime) -> str | None:
    """What is wrong with the leaf or its key, or None. Without names any will do."""
    leaf, key = present.leaf, present.leaf_key
    if isinstance(leaf, Unusable):
        return leaf.reason
    if isinstance(key, Unusable):
        return key.reason
    if key_fault(leaf, key):
        return f"{TLS_CERT} and {TLS_KEY} do not belong together"
    fault = chain_fault(leaf, authority) or usage_fault(leaf) or dates_fault(leaf, now) or age_fault(leaf, now)
    fault = fault or (names_fault(leaf, names) if names else None)
    return f"{TLS_CERT} {fault}" if fault else None


def _key_fault(authority: x509.Certificate, key: PrivateKey | Unusable) -> str | None:
    if isinstance(key, Unusable):
        return f"no leaf can be signed: {key.reason}"
    return f"no leaf can be signed: {CA_KEY} is not the key of {CA_CERT}" if key_fault(authority, key) else None
