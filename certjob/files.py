"""How do certificates lie in a folder, and how do they change there all at once?

The layout is a mounted Secret's, as the kubelet writes it: the files are links into `..data`, itself a link to a folder
that never changes. One rename of `..data` changes every file at the same instant: on disk, tls.crt and tls.key always
belong together.

A reader still opens two files, one after the other, and the change may come in between. So a server that reloads must
try the new pair before it uses it, go on with the one it has when they do not fit, and look again; or resolve `..data`
once and open both there. The folder before the last is kept for such a reader.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from certjob.decide import Present, Unusable
from certjob.errors import FileAccessError
from certjob.pem import read_certificates, read_key
from contract.server import CA_CERT, CA_KEY, TLS_CERT, TLS_KEY

NAMES = (TLS_CERT, TLS_KEY, CA_CERT, CA_KEY)
_KEYS = (TLS_KEY, CA_KEY)
_DATA = "..data"
_FOLDER_PREFIX = "..certs-"
_KEY_MODE = 0o600
_CERT_MODE = 0o644
_FOLDER_MODE = 0o755


def read(directory: Path, *, with_authority_key: bool = True) -> Present:
    """What lies in the folder; missing or broken files are Unusable. Raises FileAccessError for those kept from us.

    A file that we may not read is no reason to make another: it might be the good one. Whoever only looks does not need
    the CA's key, and need not be let near it.
    """
    leaf = read_certificates(_read(directory / TLS_CERT), TLS_CERT)
    authority_key = _read(directory / CA_KEY) if with_authority_key else Unusable(reason=f"{CA_KEY} was not read")
    return Present(
        leaf=leaf if isinstance(leaf, Unusable) else leaf[0],
        leaf_key=read_key(_read(directory / TLS_KEY), TLS_KEY),
        authorities=read_certificates(_read(directory / CA_CERT), CA_CERT),
        authority_key=read_key(authority_key, CA_KEY),
    )


def write(directory: Path, contents: Mapping[str, bytes]) -> None:
    """Change the named files, all at once; the others stay. Raises FileAccessError, and then nothing has changed."""
    try:
        before = _contents(directory)
        if any(name in before and not _is_ours(directory, name) for name in NAMES):
            # Plain files, from a copy or another tool: first the same contents in our layout, so that no reader sees
            # files of two generations while they turn into links one by one.
            _point(directory, _folder(directory, before))
        _point(directory, _folder(directory, before | dict(contents)))
    except OSError as exc:
        raise _error(exc, directory, "make the folder writable for this user, or choose another --output-dir") from exc


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """The folder, made if need be, for one run at a time: two would make two CAs. Raises FileAccessError."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as exc:
        raise _error(exc, directory, "give a folder that this user can make or read as --output-dir") from exc
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _folder(directory: Path, contents: Mapping[str, bytes]) -> str:
    """The name of a new folder with these files, safe on disk."""
    folder = Path(tempfile.mkdtemp(prefix=_FOLDER_PREFIX, dir=directory))
    try:
        folder.chmod(_FOLDER_MODE)
        for name, content in contents.items():
            _write_file(folder / name, content, _KEY_MODE if name in _KEYS else _CERT_MODE)
        _sync(folder)
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder.name


def _write_file(path: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)  # whatever the umask says
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def _point(directory: Path, folder: str) -> None:
    """Let every file be the one in this folder: the one rename that all readers see."""
    data = directory / _DATA
    previous = data.readlink().name if data.is_symlink() else ""
    _link(data, folder)
    for name in NAMES:
        if (data / name).exists() and not _is_ours(directory, name):
            _link(directory / name, f"{_DATA}/{name}")
    _sync(directory)
    if previous:
        # No reader needs it, and nobody should keep the key of a CA that was rotated away.
        (directory / previous / CA_KEY).unlink(missing_ok=True)
    for old in directory.glob(f"{_FOLDER_PREFIX}*"):
        if old.name not in (folder, previous):
            shutil.rmtree(old, ignore_errors=True)


def _is_ours(directory: Path, name: str) -> bool:
    file = directory / name
    return file.is_symlink() and str(file.readlink()) == f"{_DATA}/{name}"


def _link(link: Path, target: str) -> None:
    fresh = link.with_name(f"..new-{link.name.lstrip('.')}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(link)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _contents(directory: Path) -> dict[str, bytes]:
    return {name: (directory / name).read_bytes() for name in NAMES if (directory / name).exists()}


def _read(path: Path) -> bytes | Unusable:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return Unusable(reason=f"{path.name} does not exist")
    except OSError as exc:
        raise _error(exc, path, "run as the user that owns it, or let this user read it") from exc


def _error(exc: OSError, path: Path, fix: str) -> FileAccessError:
    return FileAccessError(f"{exc.filename or path}: {exc.strerror or exc}; {fix}")
