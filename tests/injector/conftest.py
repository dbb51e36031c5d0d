"""What the token tool's tests share: tokens, settings, a metadata server, the two refreshers as real processes."""

import base64
import json
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from contract import environ, pod
from demo.fakes.metadata import MetadataServer
from injector.errors import RefreshError
from injector.settings import Settings, parse

ROOT = Path(__file__).parents[2]
PYTHON = (sys.executable, "-m", "injector")
LAUNCHER = ROOT / "build" / "launcher" / f"token-injector.{platform.machine()}"


def unsigned_token(*, exp: object, iat: object = None, sub: object = "1122", aud: object = pod.GOOGLE_AUDIENCE) -> str:
    """Make a token whose signature nobody looks at; a claim that is None is left out."""
    claims = {
        name: value for name, value in {"exp": exp, "iat": iat, "sub": sub, "aud": aud}.items() if value is not None
    }
    parts = (json.dumps({"alg": "RS256"}), json.dumps(claims), "signature")
    return ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)


class ScriptedSource:
    """Gives the answers of a script, the last one for ever; remembers what it was asked."""

    def __init__(self, *script: str | RefreshError) -> None:
        self.script = list(script)
        self.asked: list[tuple[str, float]] = []

    def fetch(self, *, audience: str, timeout: float) -> str:
        """Give the next answer."""
        self.asked.append((audience, timeout))
        answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(answer, RefreshError):
            raise answer
        return answer


class FakeTime:
    """A wall clock and a monotonic one that move only when somebody sleeps."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.wall = now
        self.passed = 0.0
        self.sleeps: list[float] = []

    def now(self) -> float:
        """The wall clock."""
        return self.wall

    def monotonic(self) -> float:
        """The clock that nobody sets."""
        return self.passed

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.sleeps.append(seconds)
        self.wall += seconds
        self.passed += seconds


@dataclass(slots=True)
class Process:
    """A started process whose output goes to files."""

    popen: subprocess.Popen[bytes]
    stdout: Path
    stderr: Path

    def output(self) -> str:
        """Everything that it wrote so far."""
        return self.stdout.read_text() + self.stderr.read_text()

    def end(self) -> int:
        """Send SIGTERM and wait."""
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(10)


@dataclass(slots=True)
class Tool:
    """One of the two refreshers: how it is started, where it writes, what it was told."""

    command: Sequence[str]
    folder: Path
    environ: dict[str, str]
    started: list[Process] = field(default_factory=list)

    @property
    def token_file(self) -> Path:
        """Where the token goes."""
        return self.folder / "token"

    @property
    def termination_log(self) -> Path:
        """The file of terminationMessagePath."""
        return self.folder / "termination-log"

    def start(self, *arguments: str, **variables: str) -> Process:
        """Start it and return at once."""
        stdout, stderr = (self.folder / f"{len(self.started)}.{name}" for name in ("stdout", "stderr"))
        with stdout.open("wb") as out, stderr.open("wb") as err:
            popen = subprocess.Popen(
                [*self.command, *arguments], cwd=ROOT, env={**self.environ, **variables}, stdout=out, stderr=err
            )
        self.started.append(Process(popen=popen, stdout=stdout, stderr=stderr))
        return self.started[-1]

    def refresh(self, *arguments: str, **variables: str) -> Process:
        """Start it as the native sidecar has it."""
        return self.start(f"--file={self.token_file}", "--refresh=true", *arguments, **variables)

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Start it and wait for its end."""
        return subprocess.run(
            [*self.command, *arguments],
            cwd=ROOT,
            env={**self.environ, **variables},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def end(self) -> None:
        """End what still runs."""
        for process in self.started:
            if process.popen.poll() is None:
                process.popen.kill()
                process.popen.wait()


@pytest.fixture
def token() -> Callable[..., str]:
    """Makes unsigned tokens."""
    return unsigned_token


@pytest.fixture
def scripted() -> type[ScriptedSource]:
    """A source with a script."""
    return ScriptedSource


@pytest.fixture
def fake_time() -> FakeTime:
    """Clocks that move only when somebody sleeps."""
    return FakeTime()


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., Settings]:
    """Parses flags, with a file in the test's folder unless they name one."""

    def parsed(*arguments: str, environ: Mapping[str, str] | None = None) -> Settings:
        found = parse([f"--file={tmp_path / 'token'}", *arguments], environ or {})
        assert isinstance(found, Settings)
        return found

    return parsed


@pytest.fixture
def metadata() -> Iterator[MetadataServer]:
    """A GKE metadata server on loopback."""
    with MetadataServer() as server:
        yield server


def tool_environ(metadata: MetadataServer, folder: Path) -> dict[str, str]:
    """The environment of an injected container, on this machine."""
    log = folder / "termination-log"
    log.touch()  # as the kubelet does
    return {
        **os.environ,
        environ.GCE_METADATA_HOST: metadata.host,
        environ.TERMINATION_LOG: str(log),
        environ.REFRESHER_COMMAND: " ".join(PYTHON),
    }


@pytest.fixture
def python_tool(metadata: MetadataServer, tmp_path: Path) -> Iterator[Tool]:
    """The pure-Python refresher."""
    tool = Tool(command=PYTHON, folder=tmp_path, environ=tool_environ(metadata, tmp_path))
    yield tool
    tool.end()


@pytest.fixture(params=["python", "launcher"])
def tool(request: pytest.FixtureRequest, metadata: MetadataServer, tmp_path: Path) -> Iterator[Tool]:
    """Each of the two refreshers: they behave the same."""
    if request.param == "launcher" and not LAUNCHER.exists():
        pytest.skip(f"needs {LAUNCHER.name}: make launcher")
    command = PYTHON if request.param == "python" else (str(LAUNCHER),)
    found = Tool(command=command, folder=tmp_path, environ=tool_environ(metadata, tmp_path))
    yield found
    found.end()


@pytest.fixture
def image_folder(tmp_path: Path) -> Path:
    """The folder that the image has at /opt/token-injector."""
    folder = tmp_path / "opt"
    folder.mkdir()
    for name in ("injector", "contract"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "__main__.py").write_bytes((ROOT / "injector" / "__main__.py").read_bytes())
    return folder
