"""What does an image hold? Run while it is built: gathers the root of the final stage, with nothing but what runs.

`python3 -m images.root ROOT APPLICATION [SERVICE…]`: the interpreter that runs this, the standard library, the
application's folder, the shared libraries that all of them name, certificates, users; all byte code is compiled. Of
botocore's data there is what secrets need, and each SERVICE of AWS; a few modules of libraries are empty.
"""

import compileall
import os
import py_compile
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from images.aws_data import DataError, cut
from images.emptied import EmptiedError, empty
from images.unused import unused_application, unused_standard

INTERPRETER = Path("/usr/bin/python3")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
# Where Debian's OpenSSL looks for a file of certificates.
OPENSSL_FILE = Path("/usr/lib/ssl/cert.pem")
# glibc opens it by name when a thread ends (pthread_exit), and aborts where it is missing; no file says so.
OPENED_BY_NAME = "libgcc_s.so.1"
USERS = {
    "etc/passwd": "root:x:0:0:root:/:/nonexistent\nnonroot:x:65532:65532:nonroot:/nonexistent:/nonexistent\n",
    "etc/group": "root:x:0:\nnonroot:x:65532:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
}
# Their files here are generated or renamed, so none of them tells its package.
GENERATED_BY = {"base-files", "ca-certificates"}


class RootError(RuntimeError):
    """The root cannot be made; says why."""


def assemble(root: Path, application: Path, services: Sequence[str] = ()) -> None:
    """Gather everything below `root`; `services` of AWS beside those that secrets need."""
    sources = {*_interpreter(root)}
    _copy_tree(application, root, unused_application)
    _aws_data(below(root, application), services)
    _empty(below(root, application))
    sources |= _shared_libraries(root)
    _users_and_certificates(root)
    _debian_packages(root, sources)
    _compile(root)
    _close(root)


def _interpreter(root: Path) -> Iterator[Path]:
    binary = INTERPRETER.resolve()
    _copy(binary, root)
    below(root, INTERPRETER).symlink_to(binary.name)
    yield binary
    standard = Path(sysconfig.get_path("stdlib"))
    _copy_tree(standard, root, unused_standard)
    yield from (path for path in standard.rglob("*") if below(root, path).exists())


def _aws_data(application: Path, services: Sequence[str]) -> None:
    found = sorted(application.rglob("botocore/data"))
    if len(found) != 1:
        raise RootError(f"expected one botocore below {application}, found {len(found)}")
    try:
        cut(found[0], services)
    except DataError as exc:
        raise RootError(str(exc)) from exc


def _empty(application: Path) -> None:
    try:
        empty(application)
    except EmptiedError as exc:
        raise RootError(str(exc)) from exc


def _shared_libraries(root: Path) -> set[Path]:
    """Copy what the dynamic linker will load; returns the originals."""
    for name in ("lib", "lib64"):  # links into /usr; the dynamic linker's own path begins with one of them
        if (link := Path("/", name)).is_symlink():
            (root / name).symlink_to(link.readlink())
    programs = [str(path) for path in sorted(root.rglob("*")) if _is_elf(path)]
    said = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=True).stdout
    if missing := re.findall(r"^\s*(\S+) => not found", said, re.MULTILINE):
        raise RootError(f"shared libraries are missing: {', '.join(missing)}; install Debian's packages of them")
    found = {Path(path) for path in re.findall(r"(/\S+) \(0x", said) if not path.startswith(f"{root}/")}
    found.add(next(path for path in found if path.name.startswith("libc.so")).with_name(OPENED_BY_NAME))
    for path in found:
        _copy(path.resolve(), root, path.parent.resolve() / path.name)
    return {path.resolve() for path in found}


def _is_elf(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def _users_and_certificates(root: Path) -> None:
    _copy(CERTIFICATES, root)
    below(root, OPENSSL_FILE).parent.mkdir(parents=True)
    below(root, OPENSSL_FILE).symlink_to(CERTIFICATES)
    _copy(Path("/etc/os-release").resolve(), root, Path("/etc/os-release"))
    for name, text in USERS.items():
        (root / name).write_text(text)


def _debian_packages(root: Path, sources: set[Path]) -> None:
    """Keep what scanners and licences ask for: which packages' files are here, and their copyright."""
    paths = {str(path) for path in sources}
    names = set(GENERATED_BY)
    for listed in Path("/var/lib/dpkg/info").glob("*.list"):
        if not paths.isdisjoint(listed.read_text().splitlines()):
            names.add(listed.stem)
    status = root / "var/lib/dpkg/status.d"
    status.mkdir(parents=True)
    for name in sorted(names):
        package = name.partition(":")[0]
        said = subprocess.run(["dpkg-query", "--status", name], capture_output=True, text=True, check=True).stdout
        (status / package).write_text(said)
        copyright_file = Path("/usr/share/doc", package, "copyright")
        _copy(copyright_file.resolve(), root, copyright_file)


def _compile(root: Path) -> None:
    """Unchecked: nobody changes a file of an image, so no start compares it with its source.

    https://peps.python.org/pep-0552/
    """
    done = compileall.compile_dir(
        root,
        maxlevels=50,
        quiet=1,
        workers=0,
        stripdir=str(root),
        prependdir="/",
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    if not done:
        raise RootError("a file that is kept cannot be compiled; the lines above name it")


def _close(root: Path) -> None:
    """Everything is root's, and only root may write: no file of these runs as somebody else."""
    for path in [root, *root.rglob("*")]:
        os.chown(path, 0, 0, follow_symlinks=False)
        if not path.is_symlink():
            # Some wheels mark modules as programs.
            is_open = path.is_dir() or (path.stat().st_mode & 0o100 and path.suffix != ".py")
            path.chmod(0o755 if is_open else 0o644)


def _copy(source: Path, root: Path, place: Path | None = None) -> None:
    target = below(root, place or source)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    shutil.copymode(source, target)


def _copy_tree(source: Path, root: Path, unused: Callable[[PurePosixPath], bool]) -> None:
    def left_out(folder: str, names: Iterable[str]) -> list[str]:
        return [name for name in names if unused(PurePosixPath(folder, name).relative_to(source))]

    shutil.copytree(source, below(root, source), symlinks=True, ignore=left_out)


def below(root: Path, path: Path) -> Path:
    """The place of an absolute path below another root."""
    return root / path.relative_to("/")


def main(arguments: Sequence[str]) -> int:
    """Assemble ROOT from APPLICATION and this machine."""
    try:
        root, application, *services = arguments
    except ValueError:
        print("usage: python3 -m images.root ROOT APPLICATION [SERVICE…]", file=sys.stderr)
        return 2
    try:
        assemble(Path(root), Path(application), services)
    except RootError as exc:
        print(f"images.root: {exc}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
