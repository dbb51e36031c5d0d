"""The injected container's second job: secrets, with sockets that outlive every child and start the next one."""

import contextlib
import json
import signal
import socket
import stat
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from contract import exit_codes, secrets
from tests.launcher.application import Application, sets
from tests.launcher.sidecar import FRESH, Run, Sidecar, alive, children, stat_fields, wait_for

pytestmark = pytest.mark.slow

LATER = "echo next 60000 >&3"
SECRETS = "secrets --report-fd=3"
ASLEEP = 100  # kilobytes

# A child that serves as the real one: each socket once, or until its time is over.
SERVE = """
import select, socket, sys, os
from pathlib import Path
count, linger, text = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3].encode().replace(b"|", b"\\0")
left = {socket.socket(fileno=4 + number): number for number in range(count)}
while left:
    ready, _, _ = select.select(list(left), [], [], linger)
    if not ready:
        break
    for listener in ready:
        connection, _ = listener.accept()
        connection.recv(1 << 16)
        connection.sendall(text.replace(b"@", b"%d" % left.pop(listener)))
        connection.close()
os.write(3, b"next 60000\\n")
"""
TEXT = sets(NAME="value@").decode().replace("\0", "|")


def plan(folder: Path, *names: str) -> dict[str, str]:
    """The variables of an injected container with secrets."""
    return {secrets.PLAN: "{}", secrets.SOCKETS: ":".join(str(folder / name) for name in names)}


def serving(folder: Path, *, count: int, linger: float = 0.3) -> str:
    """A line of shell that serves."""
    (folder / "serve.py").write_text(SERVE)
    return f"{sys.executable} -I -S {folder}/serve.py {count} {linger} '{TEXT}'"


def asleep(run: Run, sidecar: Sidecar) -> bool:
    """No child runs, and each job has had one."""
    return bool(sidecar.runs_of("secrets")) and children(run.process) == {}


@contextlib.contextmanager
def connection(path: Path) -> Iterator[socket.socket]:
    """A container that waits for its answer."""
    with socket.socket(socket.AF_UNIX) as made:
        made.connect(str(path))
        made.sendall(secrets.MAGIC.encode() + b"\0")
        yield made


def test_both_jobs(sidecar: Sidecar) -> None:
    """One launcher, two children at a time: the token's as ever, the secrets' with its sockets' number."""
    sidecar.jobs(token="sleep 0.5; echo next 60000 >&3", secrets="sleep 0.5; echo next 60000 >&3")
    run = sidecar.start("--file=/t/token", "--refresh=true", env=plan(sidecar.folder, "a", "b"))
    wait_for(lambda: len(children(run.process)) == 2)
    wait_for(lambda: asleep(run, sidecar))
    assert sidecar.runs_of("token") == ["--file=/t/token --refresh=false --once-if-stale --report-fd=3"]
    assert sidecar.runs_of("secrets") == [f"{SECRETS} --sockets=2"]
    assert (run.end(), run.said(), sidecar.log_text()) == (exit_codes.OK, "", "")


@pytest.mark.parametrize("empty", [{}, {secrets.PLAN: ""}])
def test_no_plan(sidecar: Sidecar, empty: Mapping[str, str]) -> None:
    """Without a plan there is one job, and no socket."""
    sidecar.jobs(token=FRESH, secrets=LATER)
    sidecar.start(env={secrets.SOCKETS: f"{sidecar.folder}/a", **empty})
    wait_for(lambda: len(sidecar.runs_of("token")) > 2)
    assert sidecar.runs_of("secrets") == []
    assert not (sidecar.folder / "a").exists()


def test_plan_without_sockets(sidecar: Sidecar) -> None:
    """Env files need none."""
    sidecar.jobs(secrets=FRESH)
    sidecar.start(env={secrets.PLAN: "{}"})
    wait_for(lambda: len(sidecar.runs_of("secrets")) > 2)
    assert set(sidecar.runs_of("secrets")) == {f"{SECRETS} --sockets=0"}


def test_secrets_alone(sidecar: Sidecar) -> None:
    """`secrets --refresh=true` runs that job, plan or not, and hands on what it does not know."""
    sidecar.jobs(secrets=FRESH)
    run = sidecar.start("secrets", "--x=1", "--refresh=true", "y", env={secrets.SOCKETS: f"{sidecar.folder}/a"})
    wait_for(lambda: len(sidecar.runs_of("secrets")) > 2)
    assert set(sidecar.runs_of("secrets")) == {"secrets --x=1 y --report-fd=3 --sockets=1"}
    assert sidecar.runs_of("token") == []
    assert run.end() == exit_codes.OK


@pytest.mark.parametrize(
    ("arguments", "handed_on"),
    [
        ("--once", "secrets --once"),
        ("--refresh=false --token-file=/t", "secrets --token-file=/t"),
        ("", "secrets"),
        ("--help --once", "secrets --help"),
    ],
)
def test_becomes_the_secrets_command(sidecar: Sidecar, arguments: str, handed_on: str) -> None:
    """Without --refresh there is no process between the kubelet and Python, whose exit code counts."""
    sidecar.jobs(secrets="exit 13")
    done = sidecar.run("secrets", *arguments.split(), env=plan(sidecar.folder, "a"))
    assert done.returncode == 13
    assert sidecar.runs_of("secrets") == [handed_on]
    assert not (sidecar.folder / "a").exists()


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
    assert 1 <= len(sidecar.runs_of("secrets")) <= 6
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
    native_sidecar.start(env=plan(native_sidecar.folder, "a"))
    wait_for(lambda: native_sidecar.runs_of("secrets"))
    with connection(native_sidecar.folder / "a"):
        time.sleep(2)
        assert 3 <= len(native_sidecar.runs_of("secrets")) <= 2 / 0.1 + 2


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


def test_hanging_child_is_killed(sidecar: Sidecar) -> None:
    """It has as long as the token's child, and what hangs in one job delays nothing of the other."""
    sidecar.jobs(token=FRESH, secrets="trap '' TERM; sleep 60 & echo $$ $! >> family; sleep 60")
    run = sidecar.start(env={**plan(sidecar.folder, "a"), "TOKEN_INJECTOR_TIME_DIVISOR": "60"})
    wait_for(lambda: len(sidecar.runs_of("secrets")) > 2)
    assert sidecar.log_text() == "the refresher hung and was killed\n"
    assert len(sidecar.runs_of("token")) > 5
    family = [int(process) for line in sidecar.note("family").splitlines()[:2] for process in line.split()]
    wait_for(lambda: not any(alive(process) for process in family))
    assert run.end() == exit_codes.OK


FAILS = "if [ -e {0}-mended ]; then echo next 200 >&3; else echo error {1} {0} is away >&3; exit {1}; fi"


def test_last_words(sidecar: Sidecar) -> None:
    """The token's reason comes first, then the secrets', then nothing, whoever failed last."""
    sidecar.jobs(token=FAILS.format("token", 20), secrets=FAILS.format("secrets", 13))
    sidecar.start(env=plan(sidecar.folder))
    wait_for(lambda: sidecar.log_text() == "token is away\n")
    wait_for(lambda: len(sidecar.runs_of("secrets")) > 2)
    assert sidecar.log_text() == "token is away\n"
    (sidecar.folder / "token-mended").touch()
    wait_for(lambda: sidecar.log_text() == "permanent: 13 secrets is away\n")
    runs = len(sidecar.runs_of("token"))
    wait_for(lambda: len(sidecar.runs_of("token")) > runs + 2)
    assert sidecar.log_text() == "permanent: 13 secrets is away\n"
    (sidecar.folder / "secrets-mended").touch()
    wait_for(lambda: sidecar.log_text() == "")
    (sidecar.folder / "token-mended").unlink()
    wait_for(lambda: sidecar.log_text() == "token is away\n")


def test_the_hook_hears_of_both(sidecar: Sidecar) -> None:
    """`await` with the token there fails at once on a reference that cannot be resolved."""
    sidecar.jobs(secrets="sleep 0.3; echo error 13 sm://x is not there >&3; exit 13")
    sidecar.token.write_text("t")
    sidecar.start(env=plan(sidecar.folder))
    done = sidecar.run("await", str(sidecar.token), f"{sidecar.folder}/ready")
    assert done.returncode == 13
    assert done.stderr == "token-injector: sm://x is not there\n"


def test_sigterm_ends_both_at_once(native_sidecar: Sidecar, unshare: tuple[str, ...]) -> None:
    """Deaf children, sockets and waiting containers do not delay the pod's end: at best of three 0.2 s."""
    native_sidecar.jobs(
        token="trap '' TERM; echo >> both; sleep 60; :", secrets="trap '' TERM; echo >> both; sleep 60; :"
    )
    took = []
    for number in range(1, 4):
        run = native_sidecar.start_as_first(
            unshare, "--file=/t/token", "--refresh=true", env=plan(native_sidecar.folder, "a")
        )
        wait_for(lambda number=number: native_sidecar.note("both").count("\n") == 2 * number)  # type: ignore[misc]
        begin = time.monotonic()
        assert run.end(signal.SIGTERM) == exit_codes.OK
        took.append(time.monotonic() - begin)
    assert min(took) <= 0.2


def test_children_die_with_a_killed_launcher(sidecar: Sidecar) -> None:
    """SIGKILL leaves no last word; the kernel ends both."""
    both = "echo $$ >> processes; exec sleep 60"
    sidecar.jobs(token=both, secrets=both)
    run = sidecar.start(env=plan(sidecar.folder, "a"))
    wait_for(lambda: len(sidecar.note("processes").split()) == 2)
    run.end(signal.SIGKILL)
    wait_for(lambda: not any(alive(int(process)) for process in sidecar.note("processes").split()))


def test_asleep_it_costs_nothing(native_sidecar: Sidecar) -> None:
    """Two jobs and three sockets asleep: no wakeup, at most 0.1 MB that no other process shares."""
    native_sidecar.jobs(secrets=LATER)
    run = native_sidecar.start(env=plan(native_sidecar.folder, "a", "b", "c"))
    wait_for(lambda: asleep(run, native_sidecar))
    time.sleep(1.2)  # the floor between two starts is over
    proc = Path(f"/proc/{run.process}")
    before = (proc / "status").read_text().split("voluntary_ctxt_switches:")[1:]
    pages = dict(line.split(maxsplit=1) for line in (proc / "smaps_rollup").read_text().splitlines()[1:])
    tables = dict(line.split(maxsplit=1) for line in (proc / "status").read_text().splitlines() if "VmPTE" in line)
    time.sleep(2)
    assert (proc / "status").read_text().split("voluntary_ctxt_switches:")[1:] == before
    assert int(pages["Anonymous:"].split()[0]) + int(tables["VmPTE:"].split()[0]) <= ASLEEP


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
        assert sidecar.runs_of("secrets") == [f"{SECRETS} --sockets=64"]
        with connection(Path(folder) / "63"):
            wait_for(lambda: len(sidecar.runs_of("secrets")) > 1)
        assert run.end() == exit_codes.OK
