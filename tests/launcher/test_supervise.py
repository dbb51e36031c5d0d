"""PID 1 beside the application: it hands on signals, buries orphans, keeps exit codes, acts on a changed secret."""

import contextlib
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from contract import environ, secrets
from tests.launcher.application import CANARY, Application, answer, sets
from tests.launcher.sidecar import alive, children, wait_for

pytestmark = pytest.mark.slow

RESTART, HUP = "--supervise=restart", "--supervise=signal:HUP"
AT_ONCE = 5.0  # on a busy machine

# An application that notes the signals that it gets, in a file: all of them but those that cannot be caught.
NOTES = """
import os, signal, sys
def note(number, frame):
    os.write(file, b"%d\\n" % number)
file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(number, note)
os.write(file, b"ready\\n")
while True:
    signal.pause()
"""


class Container:
    """A supervised application that notes in a file of its folder."""

    def __init__(self, application: Application) -> None:
        self.application = application
        application.env_file.write_bytes(sets(A=CANARY))
        application.generation_file.write_text("1")

    def noted(self) -> list[str]:
        """What the application has noted."""
        path = self.application.folder / "notes"
        return path.read_text().splitlines() if path.exists() else []

    def start(
        self,
        *flags: str,
        script: str,
        before: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        **more: object,
    ) -> subprocess.Popen[bytes]:
        """Start a shell script, or a program in Python, and wait until it is ready."""
        notes = str(self.application.folder / "notes")
        python = [sys.executable, "-I", "-S", "-c", script, notes]
        command = python if script == NOTES else ["/bin/sh", "-c", script, notes]
        popen = self.application.start(
            self.application.from_file(), *flags, command=command, before=before, env=env, **more
        )
        wait_for(lambda: "ready" in self.noted())
        return popen

    def change(self) -> None:
        """A secret has changed."""
        new = self.application.folder / "new"
        new.write_text(f"{self.application.generation_file.read_text()}1")
        new.rename(self.application.generation_file)


@pytest.fixture
def container(application: Application) -> Container:
    """Of each build."""
    return Container(application)


@pytest.fixture
def native_container(native_application: Application) -> Container:
    """Of the program for this machine."""
    return Container(native_application)


WAIT = "echo ready >> $0; while :; do sleep 0.05; done"
TERM = f"trap 'echo term >> $0; exit 5' TERM; {WAIT}"
DEAF = f"trap '' TERM; {WAIT}"
HUPS = f"trap 'echo hup >> $0' HUP; {WAIT}"


def test_its_own_group_in_the_same_session(application: Application) -> None:
    """The launcher stays; the application leads a process group and has every descriptor that it should have."""
    application.env_file.write_bytes(sets(A="1"))
    done = application.run(application.from_file(), RESTART)
    assert done.number("process") == done.number("group") != application.started[0].pid
    assert done.number("session") == os.getsid(0)
    assert [int(number) for number in done.all("descriptor")] == [0, 1, 2]


@pytest.mark.parametrize("first", ["plain", "PID 1"])
def test_killed_application(container: Container, unshare: tuple[str, ...], first: str) -> None:
    """An application that a signal ended gives the code that shells give to that, as PID 1 too."""
    popen = container.start(RESTART, script="echo ready > $0; kill -9 $$", before=unshare if first == "PID 1" else ())
    assert popen.wait(20) == 128 + signal.SIGKILL


def test_every_signal_is_handed_on(native_container: Container) -> None:
    """All that a process can handle, those of a C library and a child's end from a stranger included."""
    popen = native_container.start(RESTART, script=NOTES)
    # SIGTERM last: after it the launcher looks at no generation.
    numbers = [*sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM}), signal.SIGTERM]
    for number in numbers:
        os.kill(popen.pid, number)
        wait_for(lambda number=number: str(int(number)) in native_container.noted())  # type: ignore[misc]  # bound now
    assert native_container.noted()[1:] == [str(int(number)) for number in numbers]
    # 32 and 33, which Python does not know: nothing handles them, so that they end it.
    os.kill(popen.pid, 33)
    assert popen.wait(10) == 128 + 33


def test_handed_on_as_first_process(container: Container, unshare: tuple[str, ...]) -> None:
    """As PID 1, to whom the kernel gives no signal that it does not handle."""
    popen = container.start(RESTART, script=TERM, before=unshare)
    (process,) = children(popen.pid)
    os.kill(process, signal.SIGTERM)
    assert popen.wait(10) == 5
    assert container.noted() == ["ready", "term"]


def test_the_launchers_broken_stderr_is_not_the_applications(native_container: Container) -> None:
    """A message that nobody reads ends nothing."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-I", "-S", "-c", NOTES, str(native_container.application.folder / "notes")]
    application = native_container.application
    line = application.launcher(application.from_file(), RESTART, "--jitter=0", command=command)
    popen = subprocess.Popen(line, env=application.environment(), stderr=writing)
    os.close(writing)
    wait_for(lambda: "ready" in native_container.noted())
    native_container.change()
    wait_for(lambda: len(native_container.noted()) > 1)
    application.started.append(popen)
    assert native_container.noted() == ["ready", str(int(signal.SIGTERM))]


def test_orphans_are_buried(container: Container, unshare: tuple[str, ...]) -> None:
    """Processes that lost their parent become children of PID 1, many at once; the application's end is still seen."""
    many = "for i in 1 2 3 4 5 6 7 8; do (setsid sleep 0.4 &) ; done"
    popen = container.start(RESTART, script=f"{many}; echo ready > $0; sleep 2; exit 9", before=unshare)
    (first,) = children(popen.pid)
    wait_for(lambda: len(children(first)) > 4)
    wait_for(lambda: len(children(first)) == 1)
    assert popen.wait(20) == 9


def test_ended_with_the_application(container: Container, unshare: tuple[str, ...]) -> None:
    """What the application left running ends with PID 1, as without the launcher."""
    popen = container.start(RESTART, script="setsid sleep 60 & echo $! > $0; echo ready >> $0; exit 3", before=unshare)
    assert popen.wait(20) == 3


def test_restart(container: Container) -> None:
    """A changed secret ends the application by SIGTERM and the container with the code of a rotation."""
    popen = container.start(RESTART, "--jitter=0", script=TERM)
    time.sleep(1)
    assert popen.poll() is None
    container.change()
    assert popen.wait(20) == secrets.EXEC_ROTATED
    assert container.noted() == ["ready", "term"]
    assert popen.stderr is not None
    said = popen.stderr.read().decode()
    assert "a secret has changed: the application is ended in 0.000 s, and the container starts again" in said
    assert CANARY not in said


def test_restart_of_a_deaf_application(container: Container) -> None:
    """It gets 30 s, divided here, and is then killed."""
    popen = container.start(RESTART, "--jitter=0", script=DEAF, env={environ.TIME_DIVISOR: "20"})
    container.change()
    begin = time.monotonic()
    assert popen.wait(20) == secrets.EXEC_ROTATED
    assert time.monotonic() - begin >= 1.5


def test_jitter(native_container: Container) -> None:
    """Containers that share a secret end at random moments; without a flag within a minute, divided here."""
    popen = native_container.start(RESTART, script=TERM, env={environ.TIME_DIVISOR: "30"})
    native_container.change()
    assert popen.wait(20) == secrets.EXEC_ROTATED
    assert popen.stderr is not None
    found = re.search(r"ended in ([0-9.]+) s", popen.stderr.read().decode())
    assert found
    assert 0 <= float(found[1]) <= 60 / 30


@pytest.mark.parametrize(
    ("during", "script", "code"),
    [("watching", TERM, 5), ("jitter", TERM, 5), ("grace", f"trap 'trap \"exit 6\" TERM' TERM; {WAIT}", 6)],
    ids=["watching", "jitter", "grace"],
)
def test_sigterm_acts_at_once(container: Container, during: str, script: str, code: int) -> None:
    """Who stops the container waits for no jitter and gets the application's own code."""
    jitter = "--jitter=100000" if during == "jitter" else "--jitter=0"
    popen = container.start(RESTART, jitter, script=script)
    if during != "watching":
        container.change()
        time.sleep(1.5)
    begin = time.monotonic()
    popen.send_signal(signal.SIGTERM)
    assert popen.wait(10) == code
    assert time.monotonic() - begin < AT_ONCE


def test_no_restart_while_somebody_stops_it(container: Container) -> None:
    """After a SIGTERM from outside nobody looks at generations: the grace is the kubelet's."""
    popen = container.start(RESTART, "--jitter=0", script=DEAF, env={environ.TIME_DIVISOR: "100"})
    popen.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    container.change()
    time.sleep(1)
    assert popen.poll() is None


def test_signal_on_each_change(container: Container) -> None:
    """The application is told each time, and only then."""
    popen = container.start(HUP, script=HUPS)
    for number in range(1, 4):
        time.sleep(0.7)
        assert container.noted() == ["ready", *["hup"] * (number - 1)]
        container.change()
        wait_for(lambda number=number: container.noted().count("hup") == number)  # type: ignore[misc]  # bound now
    popen.send_signal(signal.SIGTERM)
    assert popen.wait(10) == 128 + signal.SIGTERM


@pytest.mark.parametrize("name", ["USR1", "WINCH", "QUIT"])
def test_other_signals(native_container: Container, name: str) -> None:
    """Whichever the application reloads on."""
    native_container.start(f"--supervise=signal:{name}", script=NOTES)
    native_container.change()
    wait_for(lambda: native_container.noted() == ["ready", str(int(signal.Signals[f"SIG{name}"]))])


def rewritten(path: Path) -> None:
    """The same content."""
    path.write_text(path.read_text())


@pytest.mark.parametrize("what", [Path.unlink, rewritten], ids=["unreadable", "rewritten"])
def test_no_change(native_container: Container, what: Callable[[Path], None]) -> None:
    """A generation that is gone for a moment, or written again as it was, is none."""
    popen = native_container.start(RESTART, "--jitter=0", script=TERM)
    what(native_container.application.generation_file)
    time.sleep(1.5)
    assert popen.poll() is None


def test_the_first_generation_appears(native_container: Container) -> None:
    """Where there was none when the values were asked for, the first one is a change."""
    native_container.application.generation_file.unlink()
    popen = native_container.start(RESTART, "--jitter=0", script=TERM)
    native_container.application.generation_file.write_text("1")
    assert popen.wait(20) == secrets.EXEC_ROTATED


def test_a_change_before_the_answer_counts(native_application: Application) -> None:
    """The generation is read before the values are asked for: one that changes meanwhile is seen."""
    native_application.generation_file.write_text("1")

    def change(connection: object) -> None:
        del connection
        native_application.generation_file.write_text("2")

    def talk(connection: object) -> None:
        change(connection)
        connection.sendall(answer("S A=old"))  # type: ignore[attr-defined]  # a socket

    with native_application.peer(talk):
        popen = native_application.start(
            native_application.from_socket(), RESTART, "--jitter=0", command=["/bin/sleep", "60"]
        )
        assert popen.wait(20) == secrets.EXEC_ROTATED


def test_no_secret_stays_in_the_launcher(native_container: Container) -> None:
    """The launcher, which lives as long as the application, has none of its values in its memory."""
    popen = native_container.start(RESTART, script=WAIT)
    ranges = [line.split() for line in Path(f"/proc/{popen.pid}/maps").read_text().splitlines()]
    found = b""
    with Path(f"/proc/{popen.pid}/mem").open("rb") as memory:
        for span, rights, *_ in ranges:
            first, last = (int(place, 16) for place in span.split("-"))
            if "r" in rights:
                memory.seek(first)
                with contextlib.suppress(OSError):  # the kernel's own pages
                    found += memory.read(last - first)
    assert secrets.GENERATION_FILE.encode() in found
    assert CANARY.encode() not in found
    (child,) = children(popen.pid)
    assert CANARY.encode() in Path(f"/proc/{child}/environ").read_bytes()


def test_terminal(native_container: Container) -> None:
    """With a terminal the application is in its foreground: Ctrl-C arrives, once, and it may read."""
    folder = native_container.application.folder
    script = (
        "trap 'echo int >> $0' INT; echo ready >> $0; until read line; do :; done; echo \"read $line\" >> $0; sleep 0.5"
    )
    line = native_container.application.launcher(
        native_container.application.from_file(), RESTART, command=["/bin/sh", "-c", script, str(folder / "notes")]
    )
    process, terminal = pty.fork()
    if process == 0:
        os.execve(line[0], line, native_container.application.environment())
    wait_for(lambda: "ready" in native_container.noted())
    os.write(terminal, b"\x03")
    wait_for(lambda: "int" in native_container.noted())
    os.write(terminal, b"hello\n")
    wait_for(lambda: "read hello" in native_container.noted())
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
    assert native_container.noted() == ["ready", "int", "read hello"]
    os.close(terminal)


def test_ended_launcher_ends_a_pod(native_container: Container, unshare: tuple[str, ...]) -> None:
    """A killed PID 1 takes the application along, as the kernel does for any."""
    popen = native_container.start(RESTART, script=WAIT, before=unshare)
    (first,) = children(popen.pid)
    (child,) = children(first)
    os.kill(first, signal.SIGKILL)
    popen.wait(10)
    wait_for(lambda: not alive(child))
