"""How a token replaces another one."""

import contextlib
import errno
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract import exit_codes
from injector import tokenfile
from injector.errors import RefreshError

OLD = "old." + "o" * 700 + ".token"
NEW = "new." + "n" * 900 + ".token"


def refusal(path: Path | str, text: str = NEW) -> str:
    """Fail to write; give the reason."""
    with pytest.raises(RefreshError) as caught:
        tokenfile.replace(str(path), text)
    assert caught.value.exit_code == exit_codes.TOKEN_NOT_WRITTEN
    assert text not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with an old token."""
    path = tmp_path / "token"
    path.write_text(OLD)
    return path


def test_write_and_read(tmp_path: Path) -> None:
    """What is written is read, byte for byte, with no newline; there is nothing before."""
    path = tmp_path / "token"
    assert tokenfile.read(str(path)) is None
    tokenfile.replace(str(path), NEW)
    assert (tokenfile.read(str(path)), path.read_bytes()) == (NEW, NEW.encode())
    assert os.listdir(tmp_path) == ["token"]  # noqa: PTH208 - names are what is compared


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
def test_mode(file: Path, umask: int) -> None:
    """Containers of any user can read it, whatever the umask."""
    before = os.umask(umask)
    try:
        tokenfile.replace(str(file), NEW)
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o644


def test_in_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path without a folder is one of the working folder."""
    monkeypatch.chdir(tmp_path)
    tokenfile.replace("token", NEW)
    assert (tmp_path / "token").read_text() == NEW


def test_a_reader_keeps_the_whole_old_token(file: Path) -> None:
    """Who has the old file open reads the old token to its end (T1)."""
    with file.open() as reader:
        start = reader.read(10)
        tokenfile.replace(str(file), NEW)
        assert start + reader.read() == OLD


@pytest.mark.slow
def test_concurrent_readers_see_whole_tokens(file: Path) -> None:
    """Readers that never pause see one of the tokens whole, never none, never half of one (T1)."""
    seen: set[str] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(file.read_text())

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(500):
        tokenfile.replace(str(file), NEW if number % 2 else OLD)
    done.set()
    for reader in readers:
        reader.join()
    assert seen == {OLD, NEW}


@pytest.mark.slow
def test_concurrent_writers(file: Path) -> None:
    """Two refreshers at one file, as init container and sidecar may be: no error, and one of their tokens whole."""
    errors: list[RefreshError] = []

    def write(text: str) -> None:
        try:
            for _ in range(300):
                tokenfile.replace(str(file), text)
        except RefreshError as exc:
            errors.append(exc)

    writers = [threading.Thread(target=write, args=(text,)) for text in (OLD, NEW)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert (errors, list(file.parent.iterdir())) == ([], [file])
    assert file.read_text() in {OLD, NEW}


def test_missing_folder(tmp_path: Path) -> None:
    """No folder: the reason is to mount the volume; no folder is made."""
    assert "mount the token volume there" in refusal(tmp_path / "absent" / "token")
    assert not (tmp_path / "absent").exists()


def test_folder_in_the_files_place(tmp_path: Path) -> None:
    """A folder is not replaced."""
    assert "no ordinary file" in refusal(tmp_path)


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_only_ordinary_files_are_replaced(tmp_path: Path, kind: str) -> None:
    """A link or a pipe is left alone: a rename would take its place, /dev/stdout's too."""
    path = tmp_path / "token"
    if kind == "link":
        path.symlink_to("/dev/null")
    else:
        os.mkfifo(path)
    assert "name a file in --file" in refusal(path)
    assert path.is_symlink() == (kind == "link")


def test_part_of_the_path_is_a_file(file: Path) -> None:
    """A path through a file cannot be."""
    assert "correct --file" in refusal(file / "token")


@contextlib.contextmanager
def small_files() -> Iterator[None]:
    """Stand in for a full volume, which needs root: the kernel cuts writes at 100 bytes, then refuses with EFBIG.

    The write path is the same: a short write first, then an error, with a temporary file to clean up. No fixture:
    pytest reports before a fixture ends, and its own output may be a file (`make unit >log`).
    """
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def test_no_room(file: Path) -> None:
    """When the write fails half-way the old token is untouched and the temporary file gone."""
    with small_files():
        reason = refusal(file)
    assert "raise the limit" in reason
    assert (file.read_text(), list(file.parent.iterdir())) == (OLD, [file])


@pytest.mark.parametrize(
    ("number", "fix"),
    [
        (errno.ENOSPC, "sizeLimit"),
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "mount it read-write"),
        (errno.EACCES, "fsGroup"),
        (errno.EPERM, "run as its owner"),
        (errno.EIO, "old token, if any, is untouched"),
    ],
)
def test_every_reason_names_the_fix(file: Path, monkeypatch: pytest.MonkeyPatch, number: int, fix: str) -> None:
    """What the kernel refuses is said with its fix, and leaves the old token and no temporary file."""

    def refused(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refused)
    reason = refusal(file)
    assert os.strerror(number) in reason
    assert fix in reason
    assert (file.read_text(), list(file.parent.iterdir())) == (OLD, [file])


OF_ANOTHER_USER = """
import os, sys
from injector import tokenfile
from injector.errors import RefreshError
if os.getuid() == 0:
    os.setuid(65532)
try:
    tokenfile.replace("token", "a.b.c")
except RefreshError as exc:
    print(exc)
"""


@pytest.mark.slow
def test_folder_of_another_owner(file: Path) -> None:
    """A folder that this user may not write to: the reason names fsGroup, the old token stays."""
    file.parent.chmod(0o555)
    program = [sys.executable, "-c", OF_ANOTHER_USER]
    found = subprocess.run(program, cwd=file.parent, capture_output=True, text=True, check=False, timeout=30)
    file.parent.chmod(0o755)
    assert "fsGroup" in found.stdout
    assert file.read_text() == OLD


def test_unreadable_old_file(tmp_path: Path) -> None:
    """What cannot be read is said, not taken for absent."""
    with pytest.raises(RefreshError, match="cannot read the token file"):
        tokenfile.read(str(tmp_path))


def test_abandoned_temporary_files_are_removed(file: Path) -> None:
    """What killed writers left is swept once no writer can own it; other files are not touched."""
    old, young, other = (file.parent / name for name in (".token.aa.tmp", ".token.bb.tmp", ".other.aa.tmp"))
    for path in (old, young, other):
        path.touch()
    for path in (old, other):
        os.utime(path, (time.time() - 1000,) * 2)
    tokenfile.replace(str(file), NEW)
    assert sorted(file.parent.iterdir()) == sorted([young, other, file])


def test_binary_content_is_no_crash(tmp_path: Path) -> None:
    """A file with anything in it can be looked at; it is no token."""
    path = tmp_path / "token"
    path.write_bytes(bytes(range(256)) * 400)
    assert len(tokenfile.read(str(path)) or "") == 20_001
