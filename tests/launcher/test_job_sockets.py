"""The sockets of the secrets' job outlive every child, and a connection starts the next one."""

import json
import socket
import stat
import sys
import tempfile
import time
from pathlib import Path

import pytest

from contract import exit_codes, secrets
from tests.launcher.application import Application
from tests.launcher.jobs import LATER, asleep, connection, flags, plan, serving
from tests.launcher.sidecar import Sidecar, stat_fields, wait_for

pytestmark = pytest.mark.slow

LIST = """
import json, os, socket, sys
found = {}
for number in range(1024):
    try:
        found[number] = os.readlink(f"/proc/self/fd/{number}")
    except OSError:
        pass
for number in range(4, 10):
    if number in found:
        found[number] = socket.socket(fileno=number).getsockname()
with open(sys.argv[1] + "-descriptors", "w") as file:
    print(json.dumps(found), file=file)
os.write(3, b"next 60000\\n")
"""


@pytest.mark.parametrize("before", [(), ("/bin/sh", "-c", 'exec "$@" 3</dev/null 4</dev/null 7</dev/null', "sh")])
def test_descriptors(sidecar: Sidecar, before: tuple[str, ...]) -> None:
    """The secrets' child has its sockets from 4 on, in their order; the token's child has none of them."""
    (sidecar.folder / "list.py").write_text(LIST)
    command = f"exec {sys.executable} -I -S list.py $name"
    sidecar.jobs(token=command, secrets=command)
    sidecar.start(before=before, env=plan(sidecar.folder, "b", "a", "c"))
    assert sorted(json.loads(sidecar.note("token-descriptors"))) == ["0", "1", "2", "3"]
    found = json.loads(sidecar.note("secrets-descriptors"))
    assert sorted(found) == ["0", "1", "2", "3", "4", "5", "6"]
    assert [found[number] for number in "456"] == [str(sidecar.folder / name) for name in "bac"]
    assert found["3"].startswith("pipe:")


def test_sockets_are_there_first(sidecar: Sidecar) -> None:
    """A socket of the container's last life is replaced; everybody may connect before any child listens."""
    path = sidecar.folder / "a"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    sidecar.jobs(secrets="sleep 0.5; echo next 60000 >&3")
    before = ("/bin/sh", "-c", 'umask 077; exec "$@"', "sh")
    sidecar.start(before=before, env=plan(sidecar.folder, "a"))
    wait_for(lambda: len(sidecar.runs_of("secrets")) == 1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666
    with connection(path):
        pass


def test_applications_get_their_secrets(sidecar: Sidecar, application: Application) -> None:
    """Both sides of the launcher with a child between them: each container at its socket, again and again."""
    sidecar.jobs(secrets=serving(sidecar.folder, count=2))
    run = sidecar.start(env=plan(sidecar.folder, "a", "b"))
    for _ in range(3):
        for number, name in enumerate(("a", "b")):
            done = application.run(f"--from=unix:{sidecar.folder}/{name}")
            assert done.variables()[-1] == f"NAME=value{number}", done.said
    wait_for(lambda: asleep(run, sidecar))
    # The first, and at most one for each answer: on a busy machine none lingers for a second one.
    assert 1 <= len(sidecar.runs_of("secrets")) <= 7
    assert run.end() == exit_codes.OK


def test_a_connection_starts_a_child_at_once(sidecar: Sidecar) -> None:
    """Whoever connects while everything sleeps need not wait for the next rotation."""
    sidecar.jobs(secrets=serving(sidecar.folder, count=1, linger=0.1))
    run = sidecar.start(env=plan(sidecar.folder, "a"))
    wait_for(lambda: asleep(run, sidecar))
    time.sleep(0.3)
    assert len(sidecar.runs_of("secrets")) == 1
    begin = time.monotonic()
    with connection(sidecar.folder / "a") as made:
        assert made.recv(100).endswith(b"NAME=value0\0.\0")
    assert time.monotonic() - begin < 10  # the nap is a minute, a Python under an emulator's launcher a moment
    wait_for(lambda: asleep(run, sidecar))
    assert len(sidecar.runs_of("secrets")) == 2
    assert len(sidecar.runs_of("token")) == 1


def test_connection_during_backoff(sidecar: Sidecar) -> None:
    """After a failure a connection waits for the backoff's end, and is served by the first child that can."""
    # The first backoffs are 0.1, 0.2, 0.4 and 0.8 s at most: in a busy loop there would be hundreds of runs.
    good = serving(sidecar.folder, count=1)
    sidecar.jobs(secrets=f"if [ -e mended ]; then {good}; else echo error 22 AWS is away >&3; exit 22; fi")
    run = sidecar.start(env=plan(sidecar.folder, "a"))
    wait_for(lambda: sidecar.runs_of("secrets"))
    with connection(sidecar.folder / "a") as made:
        time.sleep(2)
        assert len(sidecar.runs_of("secrets")) <= len(run.backoffs()) + 1
        assert len(sidecar.runs_of("secrets")) < 30
        assert sidecar.log_text() == "AWS is away\n"
        (sidecar.folder / "mended").touch()
        assert made.recv(100).endswith(b"NAME=value0\0.\0")
    assert "no secrets (exit code 22), next try in" in run.said()
    wait_for(lambda: sidecar.log_text() == "")


def test_child_that_does_not_look_at_who_waits(native_sidecar: Sidecar) -> None:
    """It makes no busy loop: a second, divided, lies between two starts."""
    native_sidecar.jobs(secrets=LATER)
    begin = time.monotonic()
    native_sidecar.start(env=plan(native_sidecar.folder, "a"))
    wait_for(lambda: native_sidecar.runs_of("secrets"))
    with connection(native_sidecar.folder / "a"):
        time.sleep(2)
        runs = len(native_sidecar.runs_of("secrets"))
        assert runs <= (time.monotonic() - begin) / 0.1 + 2
        wait_for(lambda: len(native_sidecar.runs_of("secrets")) >= 3)


def test_connection_while_a_child_runs(sidecar: Sidecar) -> None:
    """It starts no second one beside it."""
    sidecar.jobs(secrets="echo $$ >> processes; sleep 60")
    run = sidecar.start(env=plan(sidecar.folder, "a"))
    sidecar.note("processes")
    with connection(sidecar.folder / "a"):
        time.sleep(0.5)
        assert len(sidecar.runs_of("secrets")) == 1
        # And keeps nobody awake: hundredths of a second in user and kernel mode.
        assert sum(int(ticks) for ticks in stat_fields(run.process)[11:13]) < 40


WRONG = {
    "no folder": ("{0}/none/a", "/none/a: no socket can be made here: No such file or directory"),
    "a folder": ("{0}/folder", "/folder: no socket can be made here: Address "),
    "too long": ("{0}/" + "x" * 120, ": a socket's path has 1 to 107 bytes; see TOKEN_INJECTOR_SECRET_SOCKETS"),
    "empty": ("{0}/a::{0}/b", ": a socket's path has 1 to 107 bytes; see TOKEN_INJECTOR_SECRET_SOCKETS"),
    "too many": (":".join(f"{{0}}/{number}" for number in range(65)), "TOKEN_INJECTOR_SECRET_SOCKETS: too many"),
}


@pytest.mark.parametrize("case", WRONG)
def test_sockets_that_cannot_be_made(sidecar: Sidecar, case: str) -> None:
    """It ends with its code and names the path: the kubelet tries again, and people see why."""
    paths, reason = WRONG[case]
    (sidecar.folder / "folder").mkdir()
    sidecar.jobs(secrets=LATER)
    done = sidecar.run(
        "--file=/t", "--refresh", env={**plan(sidecar.folder), secrets.SOCKETS: paths.format(sidecar.folder)}
    )
    assert done.returncode == exit_codes.SECRETS_NOT_WRITTEN
    assert reason in done.stderr
    assert reason in sidecar.log_text()
    assert sidecar.runs_of("secrets") == []


def test_many_sockets(sidecar: Sidecar) -> None:
    """As many as the limit allows. A socket's path is short, and pytest's folders are long."""
    sidecar.jobs(secrets=LATER)
    with tempfile.TemporaryDirectory() as folder:
        run = sidecar.start(env=plan(Path(folder), *(str(number) for number in range(64))))
        wait_for(lambda: sidecar.runs_of("secrets"))
        assert sidecar.runs_of("secrets") == [f"{flags(sidecar.token)} --sockets=64"]
        with connection(Path(folder) / "63"):
            wait_for(lambda: len(sidecar.runs_of("secrets")) > 1)
        assert run.end() == exit_codes.OK
