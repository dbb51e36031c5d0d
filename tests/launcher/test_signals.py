"""SIGTERM ends the launcher at once, whatever it is doing, as PID 1 too; so a deleted pod goes at once."""

import os
import signal
import sys
import time
from collections.abc import Callable

import pytest

from contract import environ, exit_codes
from tests.launcher.sidecar import FRESH, Run, Sidecar, alive, stat_fields, wait_for

pytestmark = pytest.mark.slow

Start = Callable[[Sidecar], Run]
DOING = {
    "asleep": "echo next 60000 >&3; echo $$ > process",
    "backing off": "echo $$ > process; exit 1",
    "refreshing": "echo $$ > process; sleep 60",
    "refreshing deafly": "trap '' TERM INT HUP; echo $$ > process; while :; do sleep 1; done",
}
AT_ONCE = 5.0  # on a busy machine; a pod's grace period is 30 s


@pytest.fixture(params=["plain", "PID 1"])
def start(request: pytest.FixtureRequest, unshare: tuple[str, ...]) -> Start:
    """Start the launcher as an ordinary process, and as a container does."""
    return lambda sidecar: sidecar.start() if request.param == "plain" else sidecar.start_as_first(unshare)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("doing", DOING)
def test_ends_at_once(sidecar: Sidecar, start: Start, doing: str, number: int) -> None:
    """It leaves no process, neither its child nor the child's children; where a first token failed it says so."""
    sidecar.refresher(DOING[doing])
    run = start(sidecar)
    sidecar.note("process")
    if not doing.startswith("refreshing"):
        wait_for(lambda: stat_fields(run.process)[:1] == ["S"])
    if doing == "backing off":
        wait_for(lambda: sidecar.log_text() != "")
    begin = time.monotonic()
    assert run.end(number) == (exit_codes.SOURCE_UNAVAILABLE if doing == "backing off" else exit_codes.OK)
    assert time.monotonic() - begin < AT_ONCE


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGQUIT])
def test_other_ending_signals(sidecar: Sidecar, start: Start, number: int) -> None:
    """A closed terminal and a quit end it in the same way."""
    sidecar.refresher(DOING["refreshing"])
    run = start(sidecar)
    sidecar.note("process")
    assert run.end(number) == exit_codes.OK


def test_takes_the_whole_group_along(sidecar: Sidecar) -> None:
    """The child's own children end with it, and it is reaped before the launcher ends."""
    sidecar.refresher("sleep 60 & echo $! > grandchild; echo $$ > process; wait")
    run = sidecar.start()
    family = [int(sidecar.note("process")), int(sidecar.note("grandchild"))]
    assert all(alive(process) for process in family)
    assert run.end() == exit_codes.OK
    assert stat_fields(family[0]) == []
    wait_for(lambda: not alive(family[1]))


def test_dies_with_a_killed_launcher(sidecar: Sidecar) -> None:
    """SIGKILL leaves the launcher no last word; the kernel ends the child."""
    sidecar.refresher("echo $$ > process; exec sleep 60")
    run = sidecar.start()
    child = int(sidecar.note("process"))
    run.end(signal.SIGKILL)
    wait_for(lambda: not alive(child))


def test_signals_that_are_only_noise(sidecar: Sidecar) -> None:
    """Ended strangers and stopped terminals wake the launcher, nothing else."""
    sidecar.refresher("echo next 60000 >&3; echo $$ > process")
    run = sidecar.start()
    sidecar.note("process")
    for number in [signal.SIGCHLD, signal.SIGCONT, signal.SIGSTOP, signal.SIGCONT, signal.SIGPIPE]:
        os.kill(run.process, number)
        time.sleep(0.05)
    assert sidecar.runs() == 1
    assert run.end() == exit_codes.OK


BLOCK = """
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
os.execv(sys.argv[1], sys.argv[1:])
"""
# How a process may be started: ignored signals and a signal mask are inherited.
INHERITED = {
    "ignored": ("sh", "-c", "trap '' TERM INT CHLD HUP PIPE; exec \"$@\"", "sh"),
    "blocked": (sys.executable, "-I", "-S", "-c", BLOCK),
}


# A refresher in Python, because a shell clears its signal mask itself.
MASKS = """
import os
# Not 32 to 34: they are the C library's own, and an emulator keeps them as it was started.
ordinary = 0x7fffffff
with open("/proc/self/status") as status:
    lines = [line.split() for line in status if line.startswith(("SigBlk", "SigIgn"))]
found = [f"{name} {int(mask, 16) & ordinary:x}" for name, mask in lines]
with open(os.path.join(os.path.dirname(__file__), "masks"), "a") as file:
    print(*found, file=file)
os.write(3, b"next 200\\n")
"""


@pytest.mark.parametrize("inherited", INHERITED)
def test_inherited_signals(sidecar: Sidecar, inherited: str) -> None:
    """Whatever the launcher was started with, it ends on SIGTERM, hears of its children, and they start clean."""
    script = sidecar.folder / "masks.py"
    script.write_text(MASKS)
    # Python itself ignores SIGPIPE and SIGXFSZ.
    own = f"{1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1:x}"
    command = {environ.REFRESHER_COMMAND: f"{sys.executable} -I -S {script}"}
    run = sidecar.start(before=INHERITED[inherited], env=command)
    wait_for(lambda: len(sidecar.note("masks").splitlines()) > 2)
    assert set(sidecar.note("masks").splitlines()) == {f"SigBlk: 0 SigIgn: {own}"}
    assert run.end() == exit_codes.OK


def test_refresh_goes_on_as_first_process(sidecar: Sidecar, unshare: tuple[str, ...]) -> None:
    """As PID 1 it refreshes as everywhere."""
    sidecar.refresher(FRESH)
    run = sidecar.start_as_first(unshare)
    wait_for(lambda: sidecar.runs() > 2)
    assert run.end() == exit_codes.OK
