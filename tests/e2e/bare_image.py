"""An image of one static program and nothing else, pushed to this machine's registry by its HTTP API."""

import io
import os
import platform
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.entrypoint.images import Image, Pusher

_SOURCE = Path(__file__).parent / "bare/bare.c"
_ROOT = Path(__file__).parents[2]
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
ENTRYPOINT, CMD = "/bare", "served"


def registry_host(prefix: str) -> str:
    """HOST:PORT that takes pushes over plain HTTP and answers the node's pulls of IMAGES; "" where there is none.

    E2E_REGISTRY, or the host of IMAGES where that is this machine.
    """
    host = prefix.partition("/")[0]
    return os.environ.get("E2E_REGISTRY") or (host if host.startswith(("127.0.0.1:", "localhost:")) else "")


def push(prefix: str) -> str:
    """The image's name; skips where there is no registry for it."""
    host = registry_host(prefix)
    if not host:
        pytest.skip(
            f"needs a registry of this machine, from which the node pulls {prefix}: E2E_REGISTRY=127.0.0.1:5000"
        )
    repository = prefix.partition("/")[2]
    image = Image(
        entrypoint=[ENTRYPOINT], cmd=[CMD], architecture=_ARCHITECTURES[platform.machine()], layer=_layer(_built())
    )
    digest = Pusher(base=f"http://{host}").push(f"{repository}/bare", "e2e", image)
    return f"{prefix}/bare@{digest}"


def _built() -> Path:
    built = _ROOT / "build/launcher/bare"
    caches = dict.fromkeys(("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR"), str(_ROOT / "build/zig-cache"))
    target = f"{platform.machine()}-linux-musl"
    built.parent.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "ziglang",
        "cc",
        "-target",
        target,
        "-Os",
        "-s",
        "-static",
        str(_SOURCE),
        "-o",
        str(built),
    ]
    subprocess.run(command, env={**os.environ, **caches}, check=True, capture_output=True, timeout=300)
    return built


def _layer(program: Path) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        entry = tarfile.TarInfo(ENTRYPOINT.lstrip("/"))
        entry.mode, entry.size = 0o755, program.stat().st_size
        archive.addfile(entry, io.BytesIO(program.read_bytes()))
    return written.getvalue()
