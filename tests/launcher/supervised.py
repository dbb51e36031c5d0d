"""An application under `exec --supervise`, which notes what happens to it."""

import subprocess
import sys
from collections.abc import Mapping, Sequence

from tests.launcher.application import CANARY, Application, sets
from tests.launcher.sidecar import wait_for

# A shell traps no signal that was ignored when it started, as nohup has SIGHUP ignored for all that runs below it.
NO_NOHUP = ("env", "--default-signal=HUP")
RESTART, HUP = "--supervise=restart", "--supervise=signal:HUP"


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
            self.application.from_file(), *flags, command=command, before=(*before, *NO_NOHUP), env=env, **more
        )
        wait_for(lambda: "ready" in self.noted())
        return popen

    def change(self) -> None:
        """A secret has changed."""
        new = self.application.folder / "new"
        new.write_text(f"{self.application.generation_file.read_text()}1")
        new.rename(self.application.generation_file)


WAIT = "echo ready >> $0; while :; do sleep 0.05; done"


TERM = f"trap 'echo term >> $0; exit 5' TERM; {WAIT}"


DEAF = f"trap '' TERM; {WAIT}"


HUPS = f"trap 'echo hup >> $0' HUP; {WAIT}"
