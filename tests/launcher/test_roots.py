"""Any image: an empty root, one with musl, one with glibc; read-only, as any user, as PID 1."""

import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from contract import secrets
from tests.launcher import building
from tests.launcher.application import CANARY, Application, sets

pytestmark = pytest.mark.slow

USER = 12345


def musl_loader() -> Path:
    """Debian's musl, as Alpine has it."""
    loader = Path(f"/lib/ld-musl-{building.HERE}.so.1")
    if not loader.exists():
        pytest.skip("needs musl: apt-get install musl")
    return loader


def libraries(program: Path) -> list[Path]:
    """What a dynamic program needs of this machine: its loader and its C library."""
    said = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=True).stdout
    return [Path(found) for found in re.findall(r"(/\S+) \(0x", said)]


@pytest.fixture(params=["empty", "musl", "gnu"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A root with nothing but the application, what it is linked with, and the launcher's volume."""
    made = tmp_path / "root"
    volume = made / secrets.APPLICATION_PATH.lstrip("/")
    volume.mkdir(parents=True)
    application = building.show("static" if request.param == "empty" else request.param)
    shutil.copy(application, made / "show")
    needed = [musl_loader()] if request.param == "musl" else libraries(application) if request.param == "gnu" else []
    for library in needed:
        place = made / str(library).lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, place)
    shutil.copy(building.native().command[0], volume / secrets.LAUNCHER_FILE)
    (volume / secrets.LAUNCHER_FILE).chmod(0o555)
    return made


@pytest.fixture
def unshare_root(unshare: tuple[str, ...], root: Path) -> tuple[str, ...]:
    """PID 1 in that root, which is read-only, as a user that it does not know."""
    if os.geteuid() != 0:
        pytest.skip("needs root: a read-only root and another user")
    shell = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
    chroot = (shutil.which("chroot", path="/usr/sbin:/usr/bin") or "chroot", f"--userspec={USER}:{USER}", str(root))
    return (*unshare, "--mount", "/bin/sh", "-c", shell, str(root), *chroot)


@pytest.mark.parametrize("supervised", ["", "--supervise=restart"])
@pytest.mark.parametrize("way", ["socket", "file"])
def test_any_image(
    native_application: Application, root: Path, unshare_root: tuple[str, ...], way: str, supervised: str
) -> None:
    """The application runs with its secrets, as PID 1 or the first child of it, from a command alone."""
    volume = root / secrets.APPLICATION_PATH.lstrip("/")
    native_application.folder = volume
    launcher = f"{secrets.APPLICATION_PATH}/{secrets.LAUNCHER_FILE}"
    line = [*unshare_root, launcher, secrets.EXEC_COMMAND, *([supervised] if supervised else []), "--", "/show", "x"]
    if way == "file":
        (volume / secrets.ENV_FILE).write_bytes(sets(A=CANARY))
        done = native_application.run_line(line)
    else:
        with native_application.peer(sets(A=CANARY)):
            # Any user of the container may ask.
            native_application.socket_file.chmod(0o666)
            done = native_application.run_line(line)
    assert (done.code, done.said) == (0, "")
    assert done.variables()[-1] == f"A={CANARY}"
    assert done.all("argument") == [b"/show", b"x"]
    assert done.number("user") == USER
    assert (done.number("process") == 1) == (not supervised)
    assert done.all("folder") == [b"/"]


def test_no_termination_log(native_application: Application, root: Path, unshare_root: tuple[str, ...]) -> None:
    """Where nothing can be written the reason is on stderr, and the code says the rest."""
    del root
    launcher = f"{secrets.APPLICATION_PATH}/{secrets.LAUNCHER_FILE}"
    line = [*unshare_root, launcher, secrets.EXEC_COMMAND, "--from=unix:/none/socket", "--timeout=1", "--", "/show"]
    done = native_application.run_line(line)
    assert done.code == secrets.EXEC_UNREACHABLE
    assert "/none/socket: no secrets after 1 s: No such file or directory" in done.said


def test_socket_of_another_user(native_application: Application, root: Path, unshare_root: tuple[str, ...]) -> None:
    """A socket that this user may not open is told at once, not waited for."""
    socket_file = root / secrets.APPLICATION_PATH.lstrip("/") / secrets.SOCKET_FILE
    launcher = f"{secrets.APPLICATION_PATH}/{secrets.LAUNCHER_FILE}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(socket_file))
        listener.listen()
        socket_file.chmod(0o600)
        done = native_application.run_line([*unshare_root, launcher, secrets.EXEC_COMMAND, "--", "/show"])
    assert done.code == secrets.EXEC_UNREACHABLE
    assert "Permission denied; look at" in done.said
