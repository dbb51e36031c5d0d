"""A file is there whole or not at all."""

import errno
import os
import threading
from pathlib import Path

import pytest

from contract import exit_codes
from injector.errors import RefreshError
from injector.placing import Placed, place


def test_replaces(tmp_path: Path) -> None:
    """A new content takes the old one's place, read-only as it is, and leaves nothing beside it."""
    path = tmp_path / "file"
    for content in (b"first", b"second, longer", b""):
        place(Placed(path=str(path), content=content))
        assert path.read_bytes() == content
        assert path.stat().st_mode & 0o777 == 0o444
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_readers_see_whole_files(tmp_path: Path) -> None:
    """While it is replaced again and again, every reader finds one of the contents."""
    path, contents = tmp_path / "file", {b"a" * 100_000, b"b" * 50_000}
    place(Placed(path=str(path), content=b"a" * 100_000))
    over = threading.Event()

    def write() -> None:
        while not over.is_set():
            for content in contents:
                place(Placed(path=str(path), content=content))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert all(path.read_bytes() in contents for _ in range(300))
    finally:
        over.set()
        writer.join()


def test_after_a_killed_writer(tmp_path: Path) -> None:
    """What one left half-written, or somebody's link in its place, is in nobody's way."""
    target = tmp_path / "elsewhere"
    (tmp_path / ".file.tmp").symlink_to(target)
    place(Placed(path=str(tmp_path / "file"), content=b"x"))
    assert not target.exists()
    (tmp_path / ".file.tmp").write_bytes(b"half")
    place(Placed(path=str(tmp_path / "file"), content=b"y"))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_umask(tmp_path: Path) -> None:
    """The mode is what was asked for, whatever the umask."""
    old = os.umask(0o077)
    try:
        place(Placed(path=str(tmp_path / "launcher"), content=b"x", mode=0o555))
    finally:
        os.umask(old)
    assert (tmp_path / "launcher").stat().st_mode & 0o777 == 0o555


def test_folder_in_its_place(tmp_path: Path) -> None:
    """A folder is not replaced, and the reason names the path; nothing is left."""
    (tmp_path / "file").mkdir()
    with pytest.raises(RefreshError, match="it is a folder") as caught:
        place(Placed(path=str(tmp_path / "file"), content=b"x"))
    assert caught.value.exit_code == exit_codes.SECRETS_NOT_WRITTEN
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_full_volume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old file stays, nothing is left beside it, and the fix is the volume's limit."""
    place(Placed(path=str(tmp_path / "file"), content=b"old"))

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(RefreshError, match="raise its sizeLimit"):
        place(Placed(path=str(tmp_path / "file"), content=b"canary"))
    monkeypatch.undo()
    assert (tmp_path / "file").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_repr_has_no_content() -> None:
    """A value is in no repr."""
    assert "canary" not in repr(Placed(path="/x", content=b"canary"))
