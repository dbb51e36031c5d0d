"""A run on a folder: what it makes, what it keeps, and what it says about the folder afterwards."""

import dataclasses
from datetime import datetime, timedelta

import pytest

from certjob.certificates import Source, names_of
from certjob.certify import Request, certify, inspect
from certjob.decide import Keep, RenewLeaf, RotateCA, Wanted
from certjob.errors import FileAccessError
from certjob.files import read
from certjob.names import serving_names
from contract.server import CA_CERT, CA_KEY, TLS_CERT, TLS_KEY

DAY = timedelta(days=1)
ALL = {TLS_CERT, TLS_KEY, CA_CERT, CA_KEY}


def contents(request: Request) -> dict[str, bytes]:
    """The four files."""
    return {name: (request.directory / name).read_bytes() for name in ALL}


def test_an_empty_folder_gets_everything(request_for: Request, now: datetime, source: Source) -> None:
    """CA and leaf are made; the reason says that there was none."""
    outcome = certify(request_for, now=now, source=source)

    assert outcome.decision == RotateCA(reason="ca.crt does not exist")
    assert set(outcome.written) == ALL
    assert names_of(outcome.leaf) == request_for.wanted.names


def test_a_second_run_writes_nothing(request_for: Request, now: datetime, source: Source) -> None:
    """Idempotent: the same files, byte for byte."""
    certify(request_for, now=now, source=source)
    before = contents(request_for)

    outcome = certify(request_for, now=now + 200 * DAY, source=source)

    assert outcome.decision == Keep()
    assert outcome.written == ()
    assert contents(request_for) == before


def test_two_thirds_later_the_leaf_is_renewed(request_for: Request, now: datetime, source: Source) -> None:
    """The CA and its key stay."""
    certify(request_for, now=now, source=source)
    before = contents(request_for)

    outcome = certify(request_for, now=now + 250 * DAY, source=source)

    assert isinstance(outcome.decision, RenewLeaf)
    changed = {name for name, content in contents(request_for).items() if content != before[name]}
    assert changed == set(outcome.written) == {TLS_CERT, TLS_KEY}


def test_the_bundle_of_a_rotation_loses_what_expires(request_for: Request, now: datetime, source: Source) -> None:
    """New CA first, old one beside it until it ends; then a run that keeps the rest drops it."""
    first = certify(request_for, now=now, source=source)
    at_rotation = now + 2500 * DAY

    second = certify(request_for, now=at_rotation, source=source)
    third = certify(request_for, now=now + 3651 * DAY, source=source)

    assert isinstance(second.decision, RotateCA)
    assert second.authorities[1:] == first.authorities
    assert third.authorities == second.authorities[:1]
    assert third.dropped_authorities == 1
    assert CA_CERT in third.written
    assert CA_KEY not in third.written


def test_a_broken_file_is_mended(request_for: Request, now: datetime, source: Source) -> None:
    """Each file overwritten with rubbish: one run, and everything fits again."""
    for name in sorted(ALL):
        certify(request_for, now=now, source=source)
        (request_for.directory / name).write_bytes(b"rubbish")

        certify(request_for, now=now, source=source)

        assert inspect(request_for.directory, now=now, warn_days=30).findings == (), name
        assert certify(request_for, now=now, source=source).decision == Keep(), name


def test_without_the_ca_key_what_is_good_is_kept(request_for: Request, now: datetime, source: Source) -> None:
    """A CA key that was taken away is no fault, until a leaf has to be signed."""
    certify(request_for, now=now, source=source)
    (request_for.directory / CA_KEY).unlink()

    assert certify(request_for, now=now, source=source).decision == Keep()
    later = certify(request_for, now=now + 300 * DAY, source=source)
    assert isinstance(later.decision, RotateCA)
    assert "ca.key does not exist" in later.decision.reason
    assert len(later.authorities) == 2


def test_other_names_are_taken_over(request_for: Request, now: datetime, source: Source) -> None:
    """Another --san is a renewal that says which name was missing."""
    certify(request_for, now=now, source=source)
    names = serving_names(service="admission-webhook-svc", namespace="webhook", sans=["127.0.0.1", "a.example"])

    outcome = certify(dataclasses.replace(request_for, wanted=Wanted(names=names)), now=now, source=source)

    assert outcome.decision == RenewLeaf(reason="tls.crt does not name a.example")
    assert "a.example" in names_of(outcome.leaf).dns


@pytest.mark.parametrize(
    ("age", "says"),
    [
        (0, ()),
        (340, ("tls.crt has used two thirds of its life", "tls.crt ends in 25 days")),
        (366, ("tls.crt expired",)),
        (3640, ("tls.crt expired", "the CA in ca.crt ends in 10 days")),
        (3651, ("the CA in ca.crt expired", "tls.crt expired")),
    ],
)
def test_a_look_finds_what_ends(
    request_for: Request, now: datetime, source: Source, age: int, says: tuple[str, ...]
) -> None:
    """Findings name the file and the days left."""
    certify(request_for, now=now, source=source)

    findings = inspect(request_for.directory, now=now + age * DAY, warn_days=30).findings

    assert len(findings) == len(says)
    assert all(finding.startswith(text) for finding, text in zip(findings, says, strict=True))


def test_a_look_needs_no_ca_key_and_changes_nothing(request_for: Request, now: datetime, source: Source) -> None:
    """In a pod the CA's key is not there."""
    certify(request_for, now=now, source=source)
    (request_for.directory / CA_KEY).unlink()
    before = sorted(path.name for path in request_for.directory.iterdir())

    assert inspect(request_for.directory, now=now, warn_days=30).findings == ()
    assert sorted(path.name for path in request_for.directory.iterdir()) == before


def test_a_look_at_nothing_says_so(request_for: Request, now: datetime) -> None:
    """A folder that is missing is an error; an empty one is a finding."""
    with pytest.raises(FileAccessError, match="no such folder"):
        inspect(request_for.directory, now=now, warn_days=30)
    request_for.directory.mkdir()

    assert inspect(request_for.directory, now=now, warn_days=30).findings == ("ca.crt does not exist",)


def test_no_repr_holds_a_key(request_for: Request, now: datetime, source: Source) -> None:
    """Neither what was found nor what was done shows a key, should it land in a traceback."""
    outcome = certify(request_for, now=now, source=source)

    assert "PrivateKey" not in repr(outcome) + repr(read(request_for.directory))
