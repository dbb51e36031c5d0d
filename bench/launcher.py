"""The launcher in the application's container: what it adds to the start of a program, in milliseconds.

VARIABLES variables of LENGTH bytes come from the env file or over the socket, then it becomes /bin/true; the floor is
/bin/true started with the same environment. Runs are interleaved, and the lowest fiftieths are compared: a neighbour on
the machine makes a run slower, never faster.
"""

import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from bench.result import BenchError, Result
from contract import environ, secrets

BOUND_MS = 0.3
VARIABLES = 20
LENGTH = 60
_RUNS = 1000
_TRUE = "/bin/true"
_LAUNCHER = Path(__file__).parent.parent / f"build/launcher/token-injector.{platform.machine()}"
# The sidecar's side, as short as it can be: what is measured is the launcher.
_PEER = """
import socket, sys
answer = open(sys.argv[2], "rb").read()
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(8)
while True:
    connection, _ = listener.accept()
    connection.recv(1 << 16)
    connection.sendall(answer)
    connection.close()
"""


def measure() -> list[Result]:
    """The additional milliseconds of each way."""
    values = {f"SECRET_{number:02}": f"{number:02}" + "x" * (LENGTH - 2) for number in range(VARIABLES)}
    references = {name: f"sm://bench#{name}" for name in values}
    records = [f"{secrets.RECORD_SET}{name}={value}\0" for name, value in values.items()]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / secrets.ENV_FILE).write_text(f"{secrets.MAGIC}{''.join(records)}{secrets.RECORD_END}\0")
        line = [
            sys.executable,
            "-I",
            "-S",
            "-c",
            _PEER,
            str(folder / secrets.SOCKET_FILE),
            str(folder / secrets.ENV_FILE),
        ]
        peer = subprocess.Popen(line)
        try:
            return _results(folder, values, references)
        finally:
            peer.send_signal(signal.SIGKILL)
            peer.wait()


def _results(folder: Path, values: Mapping[str, str], references: Mapping[str, str]) -> list[Result]:
    ours = {environ.TERMINATION_LOG: str(folder / "termination-log")}
    start = [str(_LAUNCHER), secrets.EXEC_COMMAND]
    ways = {
        "bare": ([_TRUE], values),
        "file": ([*start, f"--from=file:{folder / secrets.ENV_FILE}", "--", _TRUE], {**references, **ours}),
        "socket": ([*start, f"--from=unix:{folder / secrets.SOCKET_FILE}", "--", _TRUE], {**references, **ours}),
    }
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(_RUNS):
        for way, (command, environment) in ways.items():
            times[way].append(_milliseconds(command, environment))
    lowest = {way: statistics.quantiles(found, n=50)[0] for way, found in times.items()}
    return [
        Result(
            name=f"launcher over bare exec, by {way}",
            floor=f"{_TRUE} alone (for comparison; the bound is for what comes on top)",
            floor_value=lowest["bare"],
            value=lowest[way] - lowest["bare"],
            unit="ms",
            bound=BOUND_MS,
            is_ratio=False,
        )
        for way in ("file", "socket")
    ]


def _milliseconds(command: list[str], environment: Mapping[str, str]) -> float:
    """From the start to the end of a process."""
    began = time.perf_counter_ns()
    process = os.posix_spawn(command[0], command, environment)
    _, status = os.waitpid(process, 0)
    took = time.perf_counter_ns() - began
    if os.waitstatus_to_exitcode(status) != 0:
        raise BenchError(f"{command[0]} ended with {os.waitstatus_to_exitcode(status)}: make launcher, then try again")
    return took / 1e6
