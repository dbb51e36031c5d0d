"""Files in a folder: all change at once, nobody but the owner reads keys, and trouble is named with its fix."""

import dataclasses
import os
import stat
import threading
from datetime import datetime
from pathlib import Path

import pytest

from certjob import files
from certjob.certificates import Source
from certjob.certify import Request, certify
from certjob.decide import Keep, Present, Unusable, Wanted
from certjob.errors import FileAccessError
from contract.server import CA_CERT, CA_KEY, TLS_CERT, TLS_KEY

NAMES = (TLS_CERT, TLS_KEY, CA_CERT, CA_KEY)


def fits(present: Present) -> bool:
    """Whether certificate and key belong together."""
    if isinstance(present.leaf, Unusable) or isinstance(present.leaf_key, Unusable):
        return False
    return present.leaf.public_key() == present.leaf_key.public_key()


def renewing(request: Request) -> Request:
    """The same run, renewing whatever there is."""
    return dataclasses.replace(request, wanted=Wanted(names=request.wanted.names, renew=True))


def test_keys_are_for_their_owner_only(request_for: Request, now: datetime, source: Source) -> None:
    """0600 for keys, 0644 for certificates, whatever the umask."""
    before = os.umask(0)
    try:
        certify(request_for, now=now, source=source)
    finally:
        os.umask(before)

    modes = {name: stat.S_IMODE((request_for.directory / name).stat().st_mode) for name in NAMES}
    assert modes == {TLS_CERT: 0o644, TLS_KEY: 0o600, CA_CERT: 0o644, CA_KEY: 0o600}


def test_at_every_step_the_pair_fits(
    request_for: Request, now: datetime, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looked at after every single change on disk, a renewal never shows a certificate with another key."""
    certify(request_for, now=now, source=source)
    steps: list[bool] = []
    link = files._link

    def watched(path: Path, target: str) -> None:
        link(path, target)
        steps.append(fits(files.read(request_for.directory)))

    monkeypatch.setattr(files, "_link", watched)

    certify(renewing(request_for), now=now, source=source)

    assert steps == [True]


def test_plain_files_turn_into_links_without_a_half_pair(
    request_for: Request, now: datetime, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plain files, as a copy leaves them: the pair fits after each of the steps, and is renewed at the end."""
    certify(request_for, now=now, source=source)
    plain = dataclasses.replace(request_for, directory=request_for.directory.with_name("plain"))
    plain.directory.mkdir()
    for name in NAMES:
        (plain.directory / name).write_bytes((request_for.directory / name).read_bytes())
    assert certify(plain, now=now, source=source).decision == Keep()
    before = (plain.directory / TLS_CERT).read_bytes()
    steps: list[bool] = []
    link = files._link

    def watched(path: Path, target: str) -> None:
        link(path, target)
        steps.append(fits(files.read(plain.directory)))

    monkeypatch.setattr(files, "_link", watched)

    certify(renewing(plain), now=now, source=source)

    assert len(steps) >= len(NAMES)
    assert all(steps)
    assert (plain.directory / TLS_CERT).read_bytes() != before


@pytest.mark.slow
def test_a_reader_never_meets_a_half_pair(request_for: Request, now: datetime, source: Source) -> None:
    """A thread that resolves ..data and reads both files, over and over, while 50 renewals go by."""
    certify(request_for, now=now, source=source)
    done = threading.Event()
    halves: list[int] = []
    reads: list[int] = []

    def reader() -> None:
        while not done.is_set():
            present = files.read((request_for.directory / "..data").resolve(), with_authority_key=False)
            if isinstance(present.leaf, Unusable) or isinstance(present.leaf_key, Unusable):
                continue  # two renewals went by since it resolved: it has to look again
            reads.append(1)
            if not fits(present):
                halves.append(len(reads))

    thread = threading.Thread(target=reader)
    thread.start()
    try:
        for _ in range(50):
            certify(renewing(request_for), now=now, source=source)
    finally:
        done.set()
        thread.join(10)

    assert len(reads) > 10
    assert halves == []


def test_nothing_old_is_left_but_the_folder_before(request_for: Request, now: datetime, source: Source) -> None:
    """The last generation stays for a reader in between, without the CA's key; older ones go."""
    certify(request_for, now=now, source=source)
    for _ in range(3):
        certify(renewing(request_for), now=now, source=source)

    folders = list(request_for.directory.glob("..certs-*"))
    current = (request_for.directory / "..data").resolve()
    (previous,) = [folder for folder in folders if folder != current]
    assert sorted(path.name for path in previous.iterdir()) == [CA_CERT, TLS_CERT, TLS_KEY]
    assert {path.name for path in request_for.directory.iterdir() if not path.name.startswith("..certs-")} == {
        *NAMES,
        "..data",
    }


def test_runs_at_the_same_time_make_one_ca(request_for: Request, now: datetime, source: Source) -> None:
    """Four threads on an empty folder: one makes the CA, the others find it good."""
    decisions: list[object] = []
    threads = [
        threading.Thread(target=lambda: decisions.append(certify(request_for, now=now, source=source).decision))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert decisions.count(Keep()) == 3
    assert len(decisions) == 4


def test_a_file_that_cannot_be_read_is_no_missing_file(request_for: Request, now: datetime, source: Source) -> None:
    """It might be the good one: the run stops, names the file, and nothing is made anew."""
    certify(request_for, now=now, source=source)
    key = request_for.directory / CA_KEY
    key.unlink()
    key.mkdir()  # the superuser may read everything but a folder

    with pytest.raises(FileAccessError, match=r"ca\.key: Is a directory; run as the user that owns it"):
        certify(request_for, now=now, source=source)


def test_a_folder_that_cannot_be_made_is_named(request_for: Request, now: datetime, source: Source) -> None:
    """A file stands where the folder should be."""
    request_for.directory.write_text("in the way")

    with pytest.raises(FileAccessError, match=r"certs: File exists; give a folder"):
        certify(request_for, now=now, source=source)


def test_a_folder_that_is_not_writable_is_named(request_for: Request, now: datetime, source: Source) -> None:
    """The error says which folder and what to do."""
    if not Path("/proc/self").exists():
        pytest.skip("needs /proc, in which nobody can make files: Linux")

    with pytest.raises(FileAccessError, match=r"/proc/.*; make the folder writable"):
        certify(dataclasses.replace(request_for, directory=Path("/proc")), now=now, source=source)


def test_a_full_disk_leaves_everything_as_it_was(
    request_for: Request, now: datetime, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writing fails half way: the old files stay, and no leftovers."""
    certify(request_for, now=now, source=source)
    before = {name: (request_for.directory / name).read_bytes() for name in NAMES}
    entries = sorted(path.name for path in request_for.directory.iterdir())
    fsync = os.fsync
    calls: list[int] = []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileAccessError, match="No space left on device"):
        certify(renewing(request_for), now=now, source=source)

    assert {name: (request_for.directory / name).read_bytes() for name in NAMES} == before
    assert sorted(path.name for path in request_for.directory.iterdir()) == entries
