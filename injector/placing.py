"""How does content get into its place? Whole or not at all: a temporary file in the same folder, then a rename.

Nothing is synced: every volume is memory, and what a crash of the node would lose is gone with it.
"""

from __future__ import annotations

import errno
import os

from contract import exit_codes
from injector.errors import RefreshError
from injector.record import Record

FIXES = {
    errno.ENOENT: "the folder does not exist; mount the volume there",
    errno.EISDIR: "it is a folder; something else uses this path",
    errno.ENOTDIR: "a part of the path is no folder",
    errno.ENOSPC: "the volume is full; raise its sizeLimit",
    errno.EDQUOT: "the volume's quota is used up; raise its sizeLimit",
    errno.EROFS: "the volume is read-only here; mount it read-write in this container",
    errno.EACCES: "this user may not write there; set the pod's fsGroup, or run as the folder's owner",
    errno.EPERM: "this user may not replace what is there; run as its owner",
}


class Placed(Record):
    """A file: where, what, and who may read it."""

    path: str
    content: bytes
    # Containers run as users that nobody here knows; which container sees the file is decided by its volume.
    mode: int = 0o444


def place(file: Placed) -> None:
    """Put it there at once; on failure what was there is untouched. Raises RefreshError."""
    folder, name = os.path.split(file.path)
    # Always the same name: one writer at a time, and what a killed one left is replaced.
    temporary = os.path.join(folder, f".{name}.tmp")
    try:
        _remove(temporary)
        try:
            _write(temporary, file)
            os.rename(temporary, file.path)
        except OSError:
            _remove(temporary)
            raise
    except OSError as exc:
        fix = FIXES.get(exc.errno or 0, "check the volume")
        raise RefreshError(
            f"cannot write {file.path}: {exc.strerror}: {fix}", exit_code=exit_codes.SECRETS_NOT_WRITTEN
        ) from exc


def _write(path: str, file: Placed) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        content = file.content
        while content:
            content = content[os.write(descriptor, content) :]
        os.fchmod(descriptor, file.mode)
    finally:
        os.close(descriptor)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
