"""Runs what an image starts as a runtime would: its root read-only, its user, its environment, a PID namespace.

Not here: cgroups, seccomp and a network of its own, which the tests on a cluster have.
"""

import os
import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.images.archive import Image

USER = 65532
CHROOT = "/usr/sbin/chroot"
_DEVICES = ("null", "zero", "random", "urandom")


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """An unpacked image, with one folder of this machine mounted."""

    image: Image
    root: Path
    volume: Path
    """The folder on this machine."""
    mount: str
    """Where it is mounted."""
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, *arguments: str, command: Sequence[str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run the entrypoint, or another command, to its end."""
        return subprocess.run(
            self._line(arguments, command), capture_output=True, text=True, timeout=90, check=False, env={}
        )

    def start(self, *arguments: str, log: Path) -> subprocess.Popen[bytes]:
        """Start the entrypoint; its output goes to a file."""
        with log.open("wb") as output:
            return subprocess.Popen(self._line(arguments, None), stdout=output, stderr=output, env={})

    def _line(self, arguments: Sequence[str], command: Sequence[str] | None) -> list[str]:
        variables = dict(pair.split("=", 1) for pair in self.image.config["Env"]) | dict(self.environment)
        program = [*(self.image.config["Entrypoint"] if command is None else command), *arguments]
        inside = ["env", "-i", *(f"{name}={value}" for name, value in variables.items())]
        inside += [CHROOT, f"--userspec={USER}:{USER}", "--groups=", str(self.root), *program]
        script = "\n".join((*self._mounts(), f"exec {shlex.join(inside)}"))
        return ["/usr/bin/unshare", "--mount", "--pid", "--fork", "--kill-child", "/bin/sh", "-ec", script]

    def _mounts(self) -> list[str]:
        root = shlex.quote(str(self.root))
        return [
            "export PATH=/usr/sbin:/usr/bin:/sbin:/bin",
            f"mount --bind {root} {root}",
            f"mount -t proc proc {root}/proc",
            f"mount -t tmpfs -o mode=755 tmpfs {root}/dev",
            f"mkdir {root}/dev/shm",
            f"mount -t tmpfs -o mode=1777 tmpfs {root}/dev/shm",
            *(f"touch {root}/dev/{name}; mount --bind /dev/{name} {root}/dev/{name}" for name in _DEVICES),
            f"touch {root}/dev/termination-log; chmod 666 {root}/dev/termination-log",
            f"mount --bind {shlex.quote(str(self.volume))} {root}{shlex.quote(self.mount)}",
            f"mount -o remount,bind,ro {root}",
        ]


def unpacked(image: Image, folder: Path, *, mount: str) -> Path:
    """A root as a runtime prepares it: the image's files, and the places that will be mounted on."""
    need_namespaces()
    image.unpack(folder)
    folder.chmod(0o755)
    for place in ("/proc", "/dev", mount):
        (folder / place.lstrip("/")).mkdir(parents=True, exist_ok=True)
    return folder


def need_namespaces() -> None:
    """Skip where this machine cannot give a process a root of its own."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to give a process another root and user: sudo make images-check")
    if not Path("/usr/bin/unshare").exists() or not Path(CHROOT).exists():
        pytest.skip("needs unshare and chroot: apt-get install util-linux coreutils")
    if subprocess.run(["/usr/bin/unshare", "--mount", "--pid", "--fork", "true"], check=False).returncode != 0:
        pytest.skip("needs mount and PID namespaces: run outside of a restricted container")


def terminate(process: subprocess.Popen[bytes]) -> int:
    """SIGTERM to the container's PID 1, which is the one child of `unshare`; its exit code."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGTERM)
    return process.wait(10)
