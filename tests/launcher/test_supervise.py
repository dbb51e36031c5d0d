"""PID 1 beside the application: it hands on signals, buries orphans, keeps exit codes, and nothing secret."""

import contextlib
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from contract import secrets
from tests.launcher.application import CANARY, Application, sets
from tests.launcher.sidecar import alive, children, wait_for
from tests.launcher.supervised import NOTES, RESTART, TERM, WAIT, Container

pytestmark = pytest.mark.slow


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
    many = "for i in 1 2 3 4 5 6 7 8; do (setsid sleep 60 &) ; done"
    popen = container.start(RESTART, script=f"trap '{many}' USR1; trap 'exit 9' USR2; {WAIT}", before=unshare)
    (first,) = children(popen.pid)
    (child,) = children(first)
    os.kill(first, signal.SIGUSR1)
    wait_for(lambda: len(children(first)) == 1 + 8)
    for orphan in children(first).keys() - {child}:
        os.kill(orphan, signal.SIGKILL)
    wait_for(lambda: list(children(first)) == [child])
    os.kill(first, signal.SIGUSR2)
    assert popen.wait(20) == 9


def test_ended_with_the_application(container: Container, unshare: tuple[str, ...]) -> None:
    """What the application left running ends with PID 1, as without the launcher."""
    popen = container.start(RESTART, script="setsid sleep 60 & echo $! > $0; echo ready >> $0; exit 3", before=unshare)
    assert popen.wait(20) == 3


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
