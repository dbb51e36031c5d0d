"""A launcher with a scripted refresher in a folder of its own, started and looked at as the kubelet does."""

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from contract import environ
from tests.launcher.building import Program

# The script of a refresher that comes again soon.
FRESH = "echo next 200 >&3"
# Every wait of the launcher is a tenth: a child has 6 s, the first backoff is 0.1 s, the last 6 s.
DIVISOR = 10
Answer = TypeVar("Answer")


def wait_for(what: Callable[[], Answer], *, seconds: float = 30) -> Answer:
    """Ask until the answer is true, and give it."""
    give_up = time.monotonic() + seconds
    while not (answer := what()):
        assert time.monotonic() < give_up, "waited too long"
        time.sleep(0.01)
    return answer


def best_of_three(look: Callable[[], object]) -> None:
    """For what is to be seen within a time that no test can make longer: a busy machine looks late once, or twice."""
    for _ in range(2):
        with contextlib.suppress(AssertionError, OSError):
            look()
            return
    look()


def stat_fields(process: int) -> list[str]:
    """The fields of /proc/PID/stat after the name: state, parent, group, …; empty where there is no such process."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def alive(process: int) -> bool:
    """Whether the process runs; a zombie does not."""
    return stat_fields(process)[:1] not in ([], ["Z"])


def children(process: int) -> dict[int, str]:
    """The state of each child, by its number."""
    stats = {int(path.name): stat_fields(int(path.name)) for path in Path("/proc").iterdir() if path.name.isdigit()}
    return {number: found[0] for number, found in stats.items() if found[1:2] == [str(process)]}


def descriptors(process: int) -> list[str]:
    """What each of the process's descriptors is."""
    found = []
    for path in Path(f"/proc/{process}/fd").iterdir():
        # One may be closed between the list and the look.
        with contextlib.suppress(FileNotFoundError):
            found.append(str(path.readlink()))
    return found


def holds_signals(process: int) -> bool:
    """Whether the launcher, which this process is or becomes, has come so far that it reads signals itself."""
    return "anon_inode:[signalfd]" in descriptors(process)


@dataclass(slots=True, kw_only=True)
class Run:
    """A started launcher."""

    popen: subprocess.Popen[bytes]
    stderr: Path
    # The launcher's own number where something stands between us and it.
    process: int

    def said(self) -> str:
        """What it and its refresher wrote to stderr."""
        return self.stderr.read_text(errors="replace")

    def descriptors(self) -> list[str]:
        """What each of the launcher's descriptors is."""
        return descriptors(self.process)

    def backoffs(self) -> list[float]:
        """The waits that it announced, in seconds."""
        return [float(found) for found in re.findall(r"next try in ([0-9.]+) s", self.said())]

    def end(self, number: int = signal.SIGTERM, *, seconds: float = 10) -> int:
        """Send the signal to the launcher and wait for its end."""
        os.kill(self.process, number)
        return self.popen.wait(seconds)


@dataclass(slots=True, kw_only=True)
class Sidecar:
    """The folder, the program and the environment of an injected container."""

    program: Program
    folder: Path
    started: list[Run] = field(default_factory=list)

    @property
    def token(self) -> Path:
        """The token file, which only `await` looks at here."""
        return self.folder / "token"

    @property
    def log(self) -> Path:
        """The file of terminationMessagePath."""
        return self.folder / "termination-log"

    def log_text(self) -> str:
        """The last reason."""
        return self.log.read_text(errors="replace")

    def runs(self) -> int:
        """How often the refresher was started."""
        runs = self.folder / "runs"
        return len(runs.read_text().splitlines()) if runs.exists() else 0

    def note(self, name: str) -> str:
        """What the refresher left in a file of the folder, once it is whole."""
        path = self.folder / name

        def whole() -> str:
            text = path.read_text() if path.exists() else ""
            return text if text.endswith("\n") else ""

        return wait_for(whole)

    def refresher(self, script: str) -> None:
        """Make this shell script the refresher; it runs in the folder and its arguments are noted."""
        lines = f'cd {self.folder}\necho "$@" >> runs\n{script}\n'
        (self.folder / "refresher.sh").write_text(lines)

    def jobs(self, *, token: str = "echo next 60000 >&3", secrets: str) -> None:
        """Make these shell scripts the two children; each notes its arguments in a file of its name."""
        choose = 'case "$*" in secrets*|*--sockets=*) name=secrets;; *) name=token;; esac; echo "$@" >> $name-runs'
        self.refresher(f"{choose}\ncase $name in\nsecrets) {secrets}\n;;\ntoken) {token}\n;;\nesac")

    def runs_of(self, name: str) -> list[str]:
        """The arguments of each child of that job."""
        runs = self.folder / f"{name}-runs"
        return runs.read_text().splitlines() if runs.exists() else []

    def environ(self, more: Mapping[str, str] | None) -> dict[str, str]:
        """The container's environment."""
        return {
            **os.environ,
            "ASAN_OPTIONS": "detect_leaks=0",
            environ.REFRESHER_COMMAND: f"/bin/sh {self.folder}/refresher.sh",
            environ.TERMINATION_LOG: str(self.log),
            environ.TIME_DIVISOR: str(DIVISOR),
            **(more or {}),
        }

    def start(
        self,
        *arguments: str,
        before: tuple[str, ...] = (),
        stderr: int | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Run:
        """Start the launcher, by default to refresh; `before` is a command that runs it."""
        output = self.folder / f"stderr.{len(self.started)}"
        given = arguments or (f"--file={self.token}", "--refresh=true")
        line = [*before, *self.program.command, *given]
        with output.open("wb") as file:
            to = file if stderr is None else stderr
            popen = subprocess.Popen(line, env=self.environ(env), stdout=file, stderr=to)
        run = Run(popen=popen, stderr=output, process=popen.pid)
        self.started.append(run)
        return run

    def start_as_first(self, unshare: tuple[str, ...], *arguments: str, env: Mapping[str, str] | None = None) -> Run:
        """Start the launcher as PID 1 of its own namespace."""
        run = self.start(*arguments, before=unshare, env=env)
        (run.process,) = wait_for(lambda: children(run.popen.pid))
        return run

    def run(self, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Start the launcher and wait for its end."""
        return subprocess.run(
            [*self.program.command, *arguments],
            env=self.environ(env),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def end(self) -> None:
        """End what still runs."""
        for run in self.started:
            if run.popen.poll() is None:
                os.kill(run.process, signal.SIGKILL)
                run.popen.kill()
                run.popen.wait()
