"""The injected container's second job as its tests see it: a plan, sockets, and a child that serves them."""

import contextlib
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from contract import secrets
from tests.launcher.application import sets
from tests.launcher.sidecar import Run, Sidecar, children

LATER = "echo next 60000 >&3"


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


def flags(file: Path) -> str:
    """What each child of a container with `--file=FILE` is started with; that of the secrets has its sockets too."""
    return f"--file={file} --refresh=false --once-if-stale --report-fd=3"


def serving(folder: Path, *, count: int, linger: float = 0.3) -> str:
    """A line of shell that serves."""
    (folder / "serve.py").write_text(SERVE)
    return f"{sys.executable} -I -S {folder}/serve.py {count} {linger} '{TEXT}'"


def asleep(run: Run, sidecar: Sidecar) -> bool:
    """No child runs, and each job has had one."""
    return bool(sidecar.runs_of("secrets") and sidecar.runs_of("token")) and children(run.process) == {}


@contextlib.contextmanager
def connection(path: Path) -> Iterator[socket.socket]:
    """A container that waits for its answer."""
    with socket.socket(socket.AF_UNIX) as made:
        made.connect(str(path))
        made.sendall(secrets.MAGIC.encode() + b"\0")
        yield made
