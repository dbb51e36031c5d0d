"""Keep, renew or rotate: each row of the table, and that a decision is settled once it was applied."""

import dataclasses
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from certjob.certificates import Issued, issue_authority, issue_leaf, new_private_key
from certjob.decide import Decision, Keep, Present, RenewLeaf, RotateCA, Unusable, Wanted, decide
from certjob.names import Names, serving_names

DAY = timedelta(days=1)
BROKEN = Unusable(reason="the file is broken")


def new_authority(now: datetime, lifetime: timedelta = 3650 * DAY) -> Issued:
    """A CA made at a time."""
    return issue_authority(key=new_private_key(), serial=x509.random_serial_number(), now=now, lifetime=lifetime)


def new_leaf(authority: Issued, names: Names, now: datetime, lifetime: timedelta = 365 * DAY) -> Issued:
    """A leaf made at a time."""
    serial = x509.random_serial_number()
    return issue_leaf(
        authority, key=new_private_key(), serial=serial, common_name="webhook", names=names, now=now, lifetime=lifetime
    )


@pytest.fixture
def present(authority: Issued, leaf: Issued) -> Present:
    """Everything good."""
    return Present(
        leaf=leaf.certificate,
        leaf_key=leaf.key,
        authorities=(authority.certificate,),
        authority_key=authority.key,
    )


@pytest.fixture
def wanted(names: Names) -> Wanted:
    """The names that the leaf has."""
    return Wanted(names=names)


Change = Callable[[Present, Names, datetime], Present]


def _changed(**fields: object) -> Change:
    return lambda present, _names, _now: dataclasses.replace(present, **fields)  # type: ignore[arg-type]  # fields of Present by name


def _leaf_of_another_ca(present: Present, names: Names, now: datetime) -> Present:
    other = new_leaf(new_authority(now), names, now)
    return dataclasses.replace(present, leaf=other.certificate, leaf_key=other.key)


def _bundle_of_another_ca(present: Present, _names: Names, now: datetime) -> Present:
    return dataclasses.replace(present, authorities=(new_authority(now).certificate,))


def _authority_is_a_leaf(present: Present, _names: Names, _now: datetime) -> Present:
    assert isinstance(present.leaf, x509.Certificate)
    return dataclasses.replace(present, authorities=(present.leaf,), authority_key=BROKEN)


@pytest.mark.parametrize(
    ("change", "expected", "says"),
    [
        (_changed(), Keep, ""),
        (_changed(authority_key=BROKEN), Keep, ""),
        (_changed(leaf=BROKEN), RenewLeaf, "the file is broken"),
        (_changed(leaf_key=BROKEN), RenewLeaf, "the file is broken"),
        (_changed(leaf_key=new_private_key()), RenewLeaf, "tls.crt and tls.key do not belong together"),
        (_changed(leaf_key=rsa.generate_private_key(65537, 2048)), RenewLeaf, "do not belong together"),
        (_leaf_of_another_ca, RenewLeaf, "tls.crt was not issued by the CA token-injector CA"),
        (_changed(authorities=BROKEN), RotateCA, "the file is broken"),
        (_changed(leaf=BROKEN, authority_key=BROKEN), RotateCA, "no leaf can be signed: the file is broken"),
        (_changed(leaf=BROKEN, authority_key=new_private_key()), RotateCA, "ca.key is not the key of ca.crt"),
        (_bundle_of_another_ca, RotateCA, "not issued by the CA .* ca.key is not the key of ca.crt"),
        (_authority_is_a_leaf, RotateCA, "is no CA certificate"),
    ],
)
def test_what_is_found_decides(
    present: Present,
    wanted: Wanted,
    now: datetime,
    change: Change,
    expected: type[Decision],
    says: str,
) -> None:
    """One row of the table: a fault of the leaf renews it, one of the CA rotates, and the reason names the file."""
    decision = decide(change(present, wanted.names, now), wanted, now)

    assert isinstance(decision, expected)
    assert re.search(says, "" if isinstance(decision, Keep) else decision.reason)


@pytest.mark.parametrize(
    ("days", "expected", "says"),
    [
        (243, Keep, ""),
        (244, RenewLeaf, "two thirds"),
        (364, RenewLeaf, "two thirds"),
        (366, RenewLeaf, "tls.crt expired"),
        (2434, RotateCA, "the CA in ca.crt has used two thirds"),
        (3651, RotateCA, "the CA in ca.crt expired"),
        (-1, RotateCA, "is not valid before"),
    ],
)
def test_age_decides(
    present: Present, wanted: Wanted, now: datetime, days: int, expected: type[Decision], says: str
) -> None:
    """Two thirds of a life are enough, for leaf and CA; so is a clock before the beginning."""
    decision = decide(present, wanted, now + days * DAY)

    assert isinstance(decision, expected)
    assert says in getattr(decision, "reason", "")


def test_other_names_renew_the_leaf(present: Present, now: datetime) -> None:
    """A name too few or too many; the reason names both."""
    wanted = Wanted(names=serving_names(service="admission-webhook-svc", namespace="webhook", sans=["a.example"]))

    decision = decide(present, wanted, now)

    assert decision == RenewLeaf(
        reason="tls.crt does not name a.example and names 127.0.0.1, which is not wanted any more"
    )


def test_the_order_of_names_does_not_matter(present: Present, names: Names, now: datetime) -> None:
    """The same names in another order are the same names."""
    assert decide(present, Wanted(names=Names(dns=names.dns[::-1], ips=names.ips)), now) == Keep()


def test_what_is_asked_for_is_done(present: Present, names: Names, now: datetime) -> None:
    """Renewal and rotation on demand, rotation first; renewal without the CA's key has to rotate."""
    no_key = dataclasses.replace(present, authority_key=BROKEN)

    assert isinstance(decide(present, Wanted(names=names, renew=True), now), RenewLeaf)
    assert isinstance(decide(present, Wanted(names=names, renew=True, rotate_ca=True), now), RotateCA)
    assert isinstance(decide(no_key, Wanted(names=names, renew=True), now), RotateCA)


def test_a_leaf_that_is_not_for_servers_is_renewed(authority: Issued, names: Names, now: datetime) -> None:
    """TLS clients would refuse it."""
    key = new_private_key()
    leaf = (
        x509.CertificateBuilder(authority.certificate.subject, x509.Name([]), key.public_key(), 1)
        .not_valid_before(now)
        .not_valid_after(now + DAY)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    found = Present(leaf=leaf, leaf_key=key, authorities=(authority.certificate,), authority_key=authority.key)

    assert decide(found, Wanted(names=names), now) == RenewLeaf(reason="tls.crt is not for TLS servers (no serverAuth)")


def test_the_ca_in_use_is_the_one_of_the_key(authority: Issued, present: Present, names: Names, now: datetime) -> None:
    """In a bundle of two the order does not matter; without the key it is the one that issued the leaf."""
    other = new_authority(now).certificate
    both = dataclasses.replace(present, authorities=(other, authority.certificate))

    assert both.authority == authority.certificate
    assert decide(both, Wanted(names=names), now) == Keep()
    assert dataclasses.replace(both, authority_key=BROKEN).authority == authority.certificate
    assert dataclasses.replace(both, authority_key=BROKEN, leaf=BROKEN).authority == other


_START = datetime(2026, 1, 1, tzinfo=UTC)
_NAMES = serving_names(service="svc", namespace="ns")
_CA_LIFE = 300 * DAY
_AUTHORITY = new_authority(_START, _CA_LIFE)
_LEAF = new_leaf(_AUTHORITY, _NAMES, _START, 90 * DAY)
_BROKEN_OR = st.booleans()


@given(
    age=st.timedeltas(timedelta(0), 400 * DAY),
    broken=st.sets(st.sampled_from(["leaf", "leaf_key", "authorities", "authority_key"])),
    lifetime=st.timedeltas(timedelta(minutes=1), _CA_LIFE),
)
def test_after_a_decision_was_applied_there_is_nothing_to_do(
    age: timedelta, broken: set[str], lifetime: timedelta
) -> None:
    """Whatever was broken and however old: one run mends it, and the next one keeps everything."""
    now = _START + age
    good = Present(
        leaf=_LEAF.certificate,
        leaf_key=_LEAF.key,
        authorities=(_AUTHORITY.certificate,),
        authority_key=_AUTHORITY.key,
    )
    found = dataclasses.replace(good, **dict.fromkeys(broken, BROKEN))
    wanted = Wanted(names=_NAMES)

    decision = decide(found, wanted, now)

    if isinstance(decision, Keep):
        return
    authority = new_authority(now, _CA_LIFE) if isinstance(decision, RotateCA) else _AUTHORITY
    leaf = new_leaf(authority, _NAMES, now, lifetime)
    applied = Present(
        leaf=leaf.certificate,
        leaf_key=leaf.key,
        authorities=(authority.certificate,),
        authority_key=authority.key,
    )
    assert decide(applied, wanted, now) == Keep()
