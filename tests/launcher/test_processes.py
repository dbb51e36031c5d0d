"""What the child gets and leaves behind: descriptors, hanging, orphans, zombies."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from contract import environ, exit_codes
from tests.launcher.sidecar import FRESH, Sidecar, alive, children, stat_fields, wait_for

pytestmark = pytest.mark.slow

# A refresher in Python, because a shell has descriptors of its own.
LIST = """
import json, os
found = {}
for number in range(1024):
    try:
        found[number] = os.readlink(f"/proc/self/fd/{number}")
    except OSError:
        pass
with open("descriptors", "w") as file:
    print(json.dumps([found, os.getpid() == os.getpgid(0)]), file=file)
os.write(3, b"next 200\\n")
"""
# How the launcher may be started: with descriptors missing, or with ones that are not for its child.
STARTED = {
    "as usual": "",
    "stdin is a file": "0</etc/passwd",
    "3 is open": "3</etc/passwd",
    "many are open": " ".join(f"{number}</etc/passwd" for number in range(3, 10)),
    "3 is closed, others open": "3<&- 4</etc/passwd 5</etc/passwd",
    "no stdin": "0<&-",
    "no stdout": "1>&-",
    "no stderr": "2>&-",
    "nothing": "0<&- 1>&- 2>&-",
}


@pytest.mark.parametrize("started", STARTED)
def test_descriptors(sidecar: Sidecar, started: str) -> None:
    """The child has 0 to 3 and no more: /dev/null, stdout, stderr, and the pipe for its report."""
    sidecar.refresher(f"exec {sys.executable} -I -S list.py")
    (sidecar.folder / "list.py").write_text(LIST)
    sidecar.start(before=("sh", "-c", f'exec "$@" {STARTED[started]}', "sh"))
    wait_for(lambda: sidecar.runs() > 2)
    found, leads_a_group = json.loads(sidecar.note("descriptors"))
    assert sorted(found) == ["0", "1", "2", "3"]
    assert found["0"] == "/dev/null"
    assert found["3"].startswith("pipe:")
    stderr = str(sidecar.folder / "stderr.0")
    assert found["1"] == ("/dev/null" if started in {"no stdout", "nothing"} else stderr)
    assert found["2"] == ("/dev/null" if started in {"no stderr", "nothing"} else stderr)
    assert leads_a_group
    assert sidecar.log_text() == ""


def test_hanging_child_is_killed(sidecar: Sidecar) -> None:
    """A child that takes too long goes with its children, deaf or not, and the next one comes."""
    sidecar.refresher("trap '' TERM; sleep 60 & echo $$ $! >> family; sleep 60")
    run = sidecar.start(env={environ.TIME_DIVISOR: "60"})
    wait_for(lambda: sidecar.runs() > 2)
    family = [int(process) for line in sidecar.note("family").splitlines()[:2] for process in line.split()]
    assert sidecar.log_text() == "the token refresher hung and was killed\n"
    wait_for(lambda: not any(alive(process) for process in family))
    assert run.end() == exit_codes.SOURCE_UNAVAILABLE


def test_a_report_is_not_the_end(sidecar: Sidecar) -> None:
    """A child that reports and then hangs is killed too; until then its closed pipe keeps nobody awake."""
    sidecar.refresher("echo next 60000 >&3; exec 3>&-; sleep 60")
    run = sidecar.start(env={environ.TIME_DIVISOR: "60"})
    wait_for(lambda: sidecar.runs() > 1)
    # Fields 14 and 15 of proc(5): hundredths of a second in user and kernel mode; the child had a second.
    assert sum(int(ticks) for ticks in stat_fields(run.process)[11:13]) < 40
    assert sidecar.log_text() == "the token refresher hung and was killed\n"


def test_what_a_child_leaves_running_is_killed(sidecar: Sidecar) -> None:
    """A background process of the child holds the report's pipe; it neither lives on nor delays the next refresh."""
    sidecar.refresher("sleep 60 & echo $! >> left; echo next 200 >&3")
    sidecar.start()
    wait_for(lambda: sidecar.runs() > 3)
    first = int(sidecar.note("left").split()[0])
    wait_for(lambda: not alive(first))
    assert sidecar.log_text() == ""


def test_orphans_are_reaped(sidecar: Sidecar, unshare: tuple[str, ...]) -> None:
    """A process that left the child's group becomes the child of PID 1, which buries it while it sleeps."""
    orphan = "setsid sh -c 'echo > born; exec sleep 60'"
    sidecar.refresher(f"{orphan} & while ! [ -e go ]; do sleep 0.05; done; echo next 600000 >&3")
    run = sidecar.start_as_first(unshare)
    sidecar.note("born")
    (child,) = children(run.process)
    (sidecar.folder / "go").touch()
    (number,) = wait_for(lambda: children(run.process).keys() - {child})
    wait_for(lambda: list(children(run.process)) == [number])
    os.kill(number, signal.SIGKILL)
    wait_for(lambda: children(run.process) == {})
    assert sidecar.log_text() == ""
    assert sidecar.runs() == 1
    assert run.end() == 0


def test_many_orphans_at_once(sidecar: Sidecar, unshare: tuple[str, ...]) -> None:
    """Signals of ended processes fall together; still none stays a zombie."""
    sidecar.refresher("for i in 1 2 3 4 5 6 7 8; do setsid sleep 0.5 & done; sleep 0.2; echo next 600000 >&3")
    run = sidecar.start_as_first(unshare)
    wait_for(lambda: sidecar.runs() == 1)
    # From the child's first line to the last orphan's end there is always one.
    wait_for(lambda: children(run.process) == {})


def test_nothing_leaks(sidecar: Sidecar) -> None:
    """After many refreshes, good and bad, the launcher holds the descriptors that it had after the first."""
    good_and_bad = (
        "0) exit 1;; 1) head -c 2000 /dev/zero >&3;; 2) echo next 1 >&3;; 3) setsid sleep 1 & echo next 1 >&3;;"
    )
    sidecar.refresher(f"case $(($(wc -l < runs) % 4)) in {good_and_bad} esac")
    run = sidecar.start(env={environ.TIME_DIVISOR: "300"})
    wait_for(lambda: sidecar.runs() > 3)
    begin = _least_descriptors(run.process)
    wait_for(lambda: sidecar.runs() > 60)
    wait_for(lambda: _least_descriptors(run.process) <= begin)


def _least_descriptors(process: int) -> int:
    """Between two refreshes there is no pipe."""
    until = time.monotonic() + 1
    least = 1000
    while time.monotonic() < until:
        least = min(least, len(list(Path(f"/proc/{process}/fd").iterdir())))
        time.sleep(0.001)
    return least


def test_sleep_counts_suspension(native_sidecar: Sidecar) -> None:
    """The nap's timer is on CLOCK_BOOTTIME (7), the child's deadline on CLOCK_MONOTONIC (1)."""
    native_sidecar.refresher("echo next 60000 >&3")
    run = native_sidecar.start()
    wait_for(lambda: native_sidecar.runs() == 1 and children(run.process) == {})
    infos = [path.read_text() for path in Path(f"/proc/{run.process}/fdinfo").iterdir()]
    clocks = sorted(line.split()[1] for info in infos for line in info.splitlines() if line.startswith("clockid:"))
    assert clocks == ["1", "7"]


def test_memory_asleep(native_sidecar: Sidecar) -> None:
    """Asleep it holds at most 0.1 MB that no other process shares, page tables included."""
    native_sidecar.refresher(FRESH.replace("200", "60000"))
    run = native_sidecar.start()
    wait_for(lambda: native_sidecar.runs() == 1 and children(run.process) == {})
    proc = Path(f"/proc/{run.process}")
    pages = dict(line.split(maxsplit=1) for line in (proc / "smaps_rollup").read_text().splitlines()[1:])
    tables = dict(line.split(maxsplit=1) for line in (proc / "status").read_text().splitlines() if "VmPTE" in line)
    kilobytes = int(pages["Anonymous:"].split()[0]) + int(tables["VmPTE:"].split()[0])
    assert kilobytes <= 100


@pytest.mark.parametrize("refresh", ["true", "false"])
def test_no_core_is_left(native_sidecar: Sidecar, refresh: str) -> None:
    """A child that crashes with a secret in its memory writes it nowhere, whatever the node allows."""
    # The shell itself dies, with what it has in a variable.
    native_sidecar.refresher("canary=in-memory-only; grep 'core file' /proc/self/limits >> limits; kill -SEGV $$")
    any_size = ("sh", "-c", 'ulimit -H -c unlimited && ulimit -c unlimited && exec "$@"', "sh")
    native_sidecar.start(f"--file={native_sidecar.token}", f"--refresh={refresh}", before=any_size)
    limits = native_sidecar.note("limits").split()
    assert limits[4:6] == ["1", "1"]
    assert [path for path in native_sidecar.folder.iterdir() if path.name.startswith("core")] == []
