"""The parts of the pure-Python loop: children that misbehave, and sleep that survives a suspended machine.

`test_refreshing.py` has what loop and launcher do alike.
"""

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from injector.loop import SLICE, nap

if TYPE_CHECKING:
    from tests.injector.conftest import FakeTime

# In a process of its own: pytest's has threads, and a fork copies only one of them.
PROGRAM = """
import os, resource, signal, sys, time
from injector.loop import Child

def refresh(descriptor):
    {body}

found = Child("/nowhere").run(refresh, timeout=0.5)
print(type(found).__name__, getattr(found, "seconds", ""), getattr(found, "exit_code", ""), found)
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print("no child left")
print(sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("os.write(descriptor, b'next 1500\\n'); return 0", "Next 1.5"),
        ("os.write(descriptor, b'error 10 no binding\\n'); return 10", "RefreshError  10 no binding"),
        ("os.write(descriptor, b'next '); os.write(descriptor, b'7\\n'); return 0", "Next 0.007"),
        ("return 0", "RefreshError  20 the refresh ended with 0 without a report"),
        ("return 0\nresource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))", "RefreshError  20 no process can be started"),
        ("os.write(descriptor, b'hello\\n'); return 3", "RefreshError  20 the refresh ended with 3 without"),
        ("os.write(descriptor, b'x' * 5000); return 0", "RefreshError  20 the refresh ended with 0 without"),
        ("os.write(descriptor, b'next 5'); return 0", "RefreshError  20 the refresh ended with 0 without"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "RefreshError  20 the refresh ended with -11 without"),
        ("raise ZeroDivisionError", "RefreshError  20 the refresh ended with 70 without"),
        ("sys.exit(4)", "RefreshError  20 the refresh ended with 70 without"),
        ("time.sleep(60)", "RefreshError  20 the refresh hung and was killed"),
        ("signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)", "hung and was killed"),
        ("os.write(descriptor, b'next 5'); time.sleep(60)", "hung and was killed"),
        ("os.close(descriptor); time.sleep(60)", "RefreshError  20 the refresh hung and was killed"),
        ("os.write(descriptor, b'next 9\\n'); time.sleep(60)", "Next 0.009"),
        ("os.close(descriptor); time.sleep(0.2); return 9", "RefreshError  20 the refresh ended with 9 without"),
    ],
)
def test_child(body: str, expected: str) -> None:
    """Whatever the child does, there is an outcome, and no child is left."""
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(body=body)], capture_output=True, text=True, timeout=30, check=False
    )
    assert expected in found.stdout
    assert found.stdout.endswith("no child left\n[]\n")


# Fails eight times, a hundred times as fast as in a cluster and with the highest dice; succeeds; fails again.
FAILING = """
import os, sys, time
from injector.loop import run_forever
from injector.once import World
from injector.settings import Shared

waits, begun = [], time.monotonic()

def refresh(descriptor):
    with open(sys.argv[2], "a") as tries:
        tries.write("x")
        good = tries.tell() == 9
    os.write(descriptor, b"next 1\\n" if good else b"error 20 busy\\n")
    return 0 if good else 20

def log(level, event, seconds, **_):
    waits.append(seconds)
    if len(waits) == 9:
        print(time.monotonic() - begun, *waits, flush=True)
        os._exit(0)

shared = Shared(termination_log=sys.argv[1], create_termination_log=True, time_divisor=100)
world = World(now=time.time, monotonic=time.monotonic, sleep=time.sleep, dice=lambda: 1.0, log=log)
run_forever(refresh, file="/nowhere", shared=shared, world=world)
"""


@pytest.mark.slow
def test_failures_back_off(tmp_path: Path) -> None:
    """1 s doubles to 60 s and is slept; a success begins anew. A metadata server that is down is not hammered."""
    found = subprocess.run(
        [sys.executable, "-c", FAILING, str(tmp_path / "log"), str(tmp_path / "tries")],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    passed, *waits = map(float, found.stdout.split())
    assert waits == [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.6, 0.6, 0.01]
    assert passed >= sum(waits[:-1])


# The first refresh leaves a process behind; the third says whom the loop still has to bury, and ends it.
ORPHANED = """
import ctypes, os, signal, sys, time
from injector.loop import run_forever
from injector.once import World
from injector.settings import Shared

PR_SET_CHILD_SUBREAPER = 36
assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1) == 0  # as PID 1 of a container is for all of it

def refresh(descriptor):
    with open(sys.argv[1], "a") as tries:
        tries.write("x")
        number = tries.tell()
    if number == 1 and os.fork() == 0:
        os._exit(0)
    if number == 3:
        parent = os.getppid()
        print(open(f"/proc/{parent}/task/{parent}/children").read().split() == [str(os.getpid())], flush=True)
        os.kill(parent, signal.SIGTERM)
        time.sleep(60)
    os.write(descriptor, b"next 200\\n")
    return 0

shared = Shared(termination_log="/dev/null", create_termination_log=False, time_divisor=1)
world = World(now=time.time, monotonic=time.monotonic, sleep=time.sleep, dice=lambda: 1.0, log=print)
run_forever(refresh, file="/nowhere", shared=shared, world=world)
"""


@pytest.mark.slow
def test_orphans_are_buried(tmp_path: Path) -> None:
    """PID 1 inherits what a refresh leaves behind: it does not pile up as zombies."""
    if not Path("/proc/self/task").exists():
        pytest.skip("needs /proc: Linux")
    found = subprocess.run(
        [sys.executable, "-c", ORPHANED, str(tmp_path / "tries")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (found.returncode, found.stdout) == (0, "True\n"), found.stderr


def test_nap_in_slices(fake_time: "FakeTime") -> None:
    """A long sleep is cut, so that a stopped clock is noticed."""
    nap(25, clock=fake_time.monotonic, sleep=fake_time.sleep)
    assert fake_time.sleeps == [SLICE, SLICE, 5]


def test_nap_over_a_suspend(fake_time: "FakeTime") -> None:
    """When the machine was suspended the boot clock has gone on: the next refresh comes at once."""

    def sleep(seconds: float) -> None:
        fake_time.sleep(seconds)
        fake_time.passed += 7200

    nap(1800, clock=fake_time.monotonic, sleep=sleep)
    assert fake_time.sleeps == [SLICE]
