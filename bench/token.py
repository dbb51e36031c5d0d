"""A first token, whole process, in instructions: start, imports, request, check, atomic write.

Against the same interpreter starting and ending. Instructions don't depend on what else the machine does
(valgrind's cachegrind). `ssl` must not be imported: it alone would double the cost.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.result import BenchError, Result
from demo.fakes.metadata import MetadataServer

BOUND = 6.0
_ROOT = Path(__file__).parent.parent


def measure() -> list[Result]:
    """The ratio of instructions."""
    with MetadataServer() as metadata, tempfile.TemporaryDirectory() as folder:
        installed = _installed(Path(folder))
        environment = {"PATH": "/usr/bin:/bin", "GCE_METADATA_HOST": metadata.host}
        command = [str(installed), f"--file={folder}/token", "--refresh=false"]
        isolated = [sys.executable, "-I", "-S"]
        # Once to compile what an image has compiled.
        subprocess.run([*isolated, *command], env=environment, check=True, capture_output=True)
        (Path(folder) / "token").unlink()
        floor = instructions([*isolated, "-c", "pass"], environment)
        product = instructions([*isolated, *command], environment)
        if not (Path(folder) / "token").read_text():
            raise BenchError("no token was written: the measurement means nothing")
        modules = _modules(isolated, installed, environment, folder)
    if "ssl" in modules:
        raise BenchError("the token tool imports ssl")
    return [
        Result(
            name="first token, whole process",
            floor="python -I -S -c pass, the same interpreter",
            floor_value=floor / 1e6,
            value=product / 1e6,
            unit="M instr",
            bound=BOUND,
        )
    ]


def _installed(folder: Path) -> Path:
    """The layout of the image: a folder with a __main__.py, and the two packages beside it."""
    place = folder / "token-injector"
    for package in ("injector", "contract"):
        shutil.copytree(_ROOT / package, place / package, ignore=shutil.ignore_patterns("launcher", "__pycache__"))
    shutil.copy(_ROOT / "injector/__main__.py", place / "__main__.py")
    return place


def instructions(command: list[str], environment: dict[str, str]) -> int:
    """The instructions of a whole process in user space. Raises `BenchError` without valgrind."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise BenchError("valgrind is needed to count instructions: apt-get install valgrind")
    line = [valgrind, "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", *command]
    said = subprocess.run(line, env=environment, check=True, capture_output=True, text=True, timeout=300).stderr
    found = re.search(r"I\s+refs:\s+([0-9,]+)", said)
    if found is None:
        raise BenchError(f"cachegrind said nothing about instructions: {said[-300:]}")
    return int(found[1].replace(",", ""))


def _modules(isolated: list[str], installed: Path, environment: dict[str, str], folder: str) -> set[str]:
    command = [*isolated, "-X", "importtime", str(installed), f"--file={folder}/other", "--refresh=false"]
    said = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stderr
    return {line.rpartition("|")[2].strip() for line in said.splitlines() if line.startswith("import time:")}
