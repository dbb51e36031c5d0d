"""Memory of a sleeping refresher, over COPIES copies: what the whole system has more of, per copy.

Anonymous memory, kernel stacks and page tables from /proc/meminfo, because resident sets count shared pages again and
again. The floor is the same number of copies of the smallest waiter that a machine has.
"""

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from bench.result import BusyError, Result
from contract import environ
from demo.fakes.metadata import MetadataServer

BOUND_MB = 0.1
COPIES = 40
_ROUNDS = 5
# Other processes come and go. A round in which they took or gave back more than a quarter of what the bound allows says
# nothing and is repeated; on a machine that never rests the last one counts.
_NOISE_MB = BOUND_MB * COPIES / 4
_ATTEMPTS = 6
_SETTLE_SECONDS = 1.0  # the kernel frees page tables a little later
_LAUNCHER = Path(__file__).parent.parent / f"build/launcher/token-injector.{platform.machine()}"
_PARTS = ("AnonPages", "KernelStack", "PageTables")


def measure() -> list[Result]:
    """Medians of interleaved rounds."""
    floors, products = [], []
    with MetadataServer() as metadata, tempfile.TemporaryDirectory() as folder:
        for number in range(_ROUNDS):
            floors.append(_quiet(partial(_per_copy, [["sleep", "600"]] * COPIES, {}, [])))
            files = [Path(folder) / f"token-{number}-{copy}" for copy in range(COPIES)]
            commands = [[str(_LAUNCHER), f"--file={file}", "--refresh=true"] for file in files]
            environment = _environment(metadata.host, folder)
            products.append(_quiet(partial(_per_copy, commands, environment, files)))
    if statistics.median(products) <= 0:
        raise BusyError("other processes gave back more memory than the copies took: measure on a quiet machine")
    return [
        Result(
            name=f"sleeping refresher, each of {COPIES}",
            floor="coreutils sleep (for comparison; the bound is absolute)",
            floor_value=statistics.median(floors),
            value=statistics.median(products),
            unit="MB",
            bound=BOUND_MB,
            is_ratio=False,
        )
    ]


def _environment(host: str, folder: str) -> dict[str, str]:
    return {
        "PATH": os.defpath,
        environ.GCE_METADATA_HOST: host,
        environ.REFRESHER_COMMAND: f"{sys.executable} -I -m injector",
        environ.TERMINATION_LOG: f"{folder}/termination",
    }


def _quiet(measure_once: Callable[[], tuple[float, float]]) -> float:
    for _ in range(_ATTEMPTS):
        per_copy, noise = measure_once()
        if noise <= _NOISE_MB:
            break
    return per_copy


def _per_copy(
    commands: Sequence[Sequence[str]], environment: dict[str, str], files: Sequence[Path]
) -> tuple[float, float]:
    """MB that each copy took, and MB by which the machine had changed when they were gone again."""
    before = _megabytes()
    copies = [
        subprocess.Popen(command, env=environment or None, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for command in commands
    ]
    try:
        _wait_until_asleep(copies, files)
        during = _megabytes()
    finally:
        for copy in copies:
            copy.kill()
        for copy in copies:
            copy.wait()
        for file in files:
            file.unlink(missing_ok=True)
    time.sleep(_SETTLE_SECONDS)
    after = _megabytes()
    return (during - (before + after) / 2) / len(copies), abs(after - before)


def _wait_until_asleep(copies: Sequence[subprocess.Popen[bytes]], files: Sequence[Path]) -> None:
    """Every copy has its token, and its refresher is gone again."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        has_children = any(Path(f"/proc/{copy.pid}/task/{copy.pid}/children").read_text() for copy in copies)
        if all(file.exists() for file in files) and not has_children:
            time.sleep(_SETTLE_SECONDS)
            return
        time.sleep(0.2)
    raise BusyError("the refreshers did not get their tokens within 120 s")


def _megabytes() -> float:
    lines = Path("/proc/meminfo").read_text().splitlines()
    kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    return sum(kilobytes[part] for part in _PARTS) / 1024
