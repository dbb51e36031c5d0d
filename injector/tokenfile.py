"""How does a token replace another one safely? The readers see the old one or the new one, whole.

A temporary file in the same folder, fsync, rename; mode 0644 whatever the umask, no newline at the end. The folder is
not synced: after a crash of the node the volume is gone, or an old token is as good as before.
"""

from __future__ import annotations

import errno
import os
import stat
from time import time

from contract import exit_codes
from contract.refresh import CHILD_DEADLINE
from injector.errors import RefreshError
from injector.token import LONGEST

# Every user of the pod reads it: containers run as users that the webhook does not know.
MODE = 0o644
SUFFIX = ".tmp"
# No writer lives longer than its deadline: what is older than twice that was left by one that was killed.
ABANDONED = 2 * CHILD_DEADLINE

FIXES = {
    errno.ENOENT: "the folder does not exist; mount the token volume there",
    errno.EISDIR: "it is a folder; name the file in it with --file",
    errno.ENOTDIR: "a part of the path is no folder; correct --file",
    errno.ENOSPC: "the volume is full; raise its sizeLimit or remove what else is in it",
    errno.EDQUOT: "the volume's quota is used up; raise it or remove what else is in it",
    errno.EFBIG: "the file size limit is too low; raise the limit (ulimit -f)",
    errno.EROFS: "the volume is read-only here; mount it read-write in this container",
    errno.EACCES: "this user may not write there; set the pod's fsGroup, or run as the folder's owner",
    errno.EPERM: "this user may not replace what is there; remove the file, or run as its owner",
}


def read(path: str) -> str | None:
    """The file's text, or None where there is no file or none that could be a token; raises RefreshError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise _refused("read", path, exc) from exc
    try:
        text = os.read(descriptor, LONGEST + 1)
    except OSError as exc:
        raise _refused("read", path, exc) from exc
    finally:
        os.close(descriptor)
    # What is no ASCII is no token either, and is replaced like any other rubbish.
    return text.decode("ascii", "replace")


def replace(path: str, text: str) -> None:
    """Put `text` in the file's place at once; on failure the old file is untouched. Raises RefreshError."""
    folder, name = os.path.split(path)
    prefix = f".{name}."
    temporary = os.path.join(folder, f"{prefix}{os.urandom(6).hex()}{SUFFIX}")
    try:
        _check_regular(path)
        _sweep(folder or ".", prefix)
        try:
            _write(temporary, text.encode("ascii"))
            os.rename(temporary, path)
        except OSError:
            _remove(temporary)
            raise
    except OSError as exc:
        raise _refused("write", path, exc) from exc


def _write(path: str, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        while content:
            content = content[os.write(descriptor, content) :]
        os.fchmod(descriptor, MODE)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_regular(path: str) -> None:
    # A rename would replace a link, a pipe or /dev/stdout itself.
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        raise RefreshError(
            f"{path} is no ordinary file, so a token cannot take its place; name a file in --file",
            exit_code=exit_codes.TOKEN_NOT_WRITTEN,
        )


def _sweep(folder: str, prefix: str) -> None:
    """Remove what killed writers left, so that a small volume does not fill up."""
    try:
        for name in os.listdir(folder):
            path = os.path.join(folder, name)
            if name.startswith(prefix) and name.endswith(SUFFIX) and os.lstat(path).st_mtime < time() - ABANDONED:
                _remove(path)
    except OSError:
        # Another writer was faster, or the folder cannot be listed: sweeping can wait, the token cannot.
        return


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def _refused(verb: str, path: str, exc: OSError) -> RefreshError:
    fix = FIXES.get(exc.errno or 0, "the old token, if any, is untouched; check the volume")
    reason = f"cannot {verb} the token file {path}: {exc.strerror}: {fix}"
    return RefreshError(reason, exit_code=exit_codes.TOKEN_NOT_WRITTEN)
