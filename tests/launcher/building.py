"""Builds the launcher: once per change of its sources, whichever test process comes first."""

import fcntl
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "injector" / "launcher"
BUILD = ROOT / "build" / "launcher"
HERE = platform.machine()
MACHINES = ("x86_64", "aarch64")
BINARIES = {machine: BUILD / f"token-injector.{machine}" for machine in MACHINES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A launcher and how it is started on this machine."""

    name: str
    command: tuple[str, ...]


def build(outputs: Sequence[Path], command: Sequence[str], variables: Mapping[str, str]) -> None:
    """Run the command unless its outputs are newer than every source; one process at a time."""
    BUILD.mkdir(parents=True, exist_ok=True)
    sources = (*SOURCES.glob("*.[ch]"), SOURCES / "build.sh", Path(__file__).parent / "show.c")
    newest = max(path.stat().st_mtime for path in sources)
    with (BUILD / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if all(path.exists() and path.stat().st_mtime >= newest for path in outputs):
            return
        env = {**os.environ, **variables}
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=380, check=False)
        assert done.returncode == 0, done.stderr


def show(linked: str) -> Path:
    """The application of the tests (show.c) for this machine: `linked` is static, musl (dynamically) or gnu."""
    native()
    built = BUILD / f"show.{linked}"
    target = f"{HERE}-linux-{'musl' if linked == 'static' else linked}"
    flags = ["-O1", "-s", "-Wall", "-Wextra", "-Werror", "-static" if linked == "static" else "-dynamic"]
    source = str(Path(__file__).parent / "show.c")
    caches = dict.fromkeys(("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR"), str(ROOT / "build/zig-cache"))
    build([built], [sys.executable, "-m", "ziglang", "cc", "-target", target, *flags, source, "-o", str(built)], caches)
    return built


def native() -> Program:
    """The program that this machine's image gets; builds both."""
    if platform.system() != "Linux" or HERE not in MACHINES:
        pytest.skip("needs Linux on x86_64 or aarch64: the launcher is a program for it")
    build([*BINARIES.values()], ["bash", str(SOURCES / "build.sh")], {"PYTHON": sys.executable})
    return Program(name="native", command=(str(BINARIES[HERE]),))


def foreign() -> Program:
    """The other architecture's program under qemu."""
    native()
    other = next(machine for machine in MACHINES if machine != HERE)
    qemu = shutil.which(f"qemu-{other}-static") or shutil.which(f"qemu-{other}")
    if qemu is None:
        pytest.skip(f"needs qemu-{other}: apt-get install qemu-user-static")
    return Program(name="foreign", command=(qemu, str(BINARIES[other])))


def sanitized() -> Program:
    """A build that ends loudly on a wrong memory access or undefined behaviour."""
    native()
    clang = shutil.which("clang")
    if clang is None:
        pytest.skip("needs clang: apt-get install clang libclang-rt-dev")
    built = BUILD / "token-injector.asan"
    flags = ["-std=c11", "-D_GNU_SOURCE", "-g", "-O1", "-Wall", "-Wextra", "-Werror"]
    flags += ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    build([built], [clang, *flags, *sorted(str(path) for path in SOURCES.glob("*.c")), "-o", str(built)], {})
    return Program(name="asan", command=(str(built),))
