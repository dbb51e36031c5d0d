"""An application's container: a folder with a socket or an env file, and the launcher that starts a program with it."""

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from contract import environ, secrets
from tests.launcher.building import Program
from tests.launcher.sidecar import children

# Every wait of the launcher is a tenth: it looks at the generation each 0.5 s.
DIVISOR = 10
# A value that may be seen in the application's environment and nowhere else.
CANARY = "canary-5f1e"

Talk = Callable[[socket.socket], None]
"""What a peer does with one connection."""


def answer(*records: str | bytes) -> bytes:
    """A whole answer of these records."""
    texts = [record.encode() if isinstance(record, str) else record for record in (*records, secrets.RECORD_END)]
    return secrets.MAGIC.encode() + b"".join(text + b"\0" for text in texts)


def sets(**values: str) -> bytes:
    """An answer that sets these variables."""
    return answer(*(f"{secrets.RECORD_SET}{name}={value}" for name, value in values.items()))


def read_request(connection: socket.socket) -> bytes:
    """The whole request, as its form says where it ends."""
    got = b""
    while not (got == secrets.MAGIC.encode() + b"\0" or got.endswith(b"\0\0")):
        more = connection.recv(1 << 16)
        assert more, f"cut off after {len(got)} bytes"
        got += more
    return got


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What show.c tells."""

    code: int
    said: str
    entries: tuple[tuple[str, bytes], ...]

    def all(self, what: str) -> list[bytes]:
        """Every entry of a kind, in order."""
        return [value for kind, value in self.entries if kind == what]

    def variables(self) -> list[str]:
        """The environment, in order."""
        return [value.decode(errors="surrogateescape") for value in self.all("variable")]

    def number(self, what: str) -> int:
        """The number of that name."""
        (value,) = self.all(what)
        return int(value)


@dataclass(slots=True, kw_only=True)
class Application:
    """The folder, the launcher and the program that it starts."""

    program: Program
    folder: Path
    show: Path
    requests: list[bytes] = field(default_factory=list)
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def socket_file(self) -> Path:
        """Where the sidecar listens."""
        return self.folder / secrets.SOCKET_FILE

    @property
    def env_file(self) -> Path:
        """What an init container has written."""
        return self.folder / secrets.ENV_FILE

    @property
    def generation_file(self) -> Path:
        """Whose content changes with a value."""
        return self.folder / secrets.GENERATION_FILE

    @property
    def log(self) -> Path:
        """The file of terminationMessagePath."""
        return self.folder / "termination-log"

    def log_text(self) -> str:
        """The last reason."""
        return self.log.read_text(errors="replace")

    def launcher(self, *flags: str, command: Sequence[str]) -> list[str]:
        """The command line of the container, as the webhook writes it."""
        return [*self.program.command, secrets.EXEC_COMMAND, *flags, "--", *command]

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """The container's variables: few, so that all of them can be compared."""
        return {
            "PATH": "/usr/bin:/bin",
            # The sanitizers' own, for those builds that have them.
            "ASAN_OPTIONS": "detect_leaks=0",
            environ.TERMINATION_LOG: str(self.log),
            environ.TIME_DIVISOR: str(DIVISOR),
            **(more or {}),
        }

    def start(
        self,
        *flags: str,
        command: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        before: Sequence[str] = (),
        **more: object,
    ) -> subprocess.Popen[bytes]:
        """Start the launcher; by default the program is show.c."""
        line = [*before, *self.launcher(*flags, command=command or [str(self.show)])]
        return self.start_line(line, env=env, **more)

    def start_line(
        self, line: Sequence[str], *, env: Mapping[str, str] | None = None, **more: object
    ) -> subprocess.Popen[bytes]:
        """Start a whole command line in the container's environment."""
        popen: subprocess.Popen[bytes] = subprocess.Popen(  # type: ignore[call-overload]  # whatever Popen takes
            line, env=self.environment(env), stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more
        )
        self.started.append(popen)
        return popen

    def run(self, *flags: str, **more: object) -> Shown:
        """Start the launcher and wait for the program's end."""
        return shown(self.start(*flags, **more))  # type: ignore[arg-type]  # handed on

    def run_line(self, line: Sequence[str], **more: object) -> Shown:
        """The same with a whole command line."""
        return shown(self.start_line(line, **more))  # type: ignore[arg-type]  # handed on

    def from_file(self) -> str:
        """The flag."""
        return f"--from=file:{self.env_file}"

    def from_socket(self) -> str:
        """The flag."""
        return f"--from=unix:{self.socket_file}"

    @contextmanager
    def peer(self, talk: Talk | bytes, *, queue: int = 8) -> Iterator[socket.socket]:
        """A sidecar that reads each request and answers it, or does what is told."""

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    try:
                        self._serve(connection, talk)
                    except (BrokenPipeError, ConnectionResetError):
                        continue

        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.socket_file))
            listener.listen(queue)
            thread = threading.Thread(target=serve, daemon=True)
            thread.start()
            yield listener
            listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)

    def _serve(self, connection: socket.socket, talk: Talk | bytes) -> None:
        if isinstance(talk, bytes):
            self.requests.append(read_request(connection))
            connection.sendall(talk)
        else:
            talk(connection)

    def end(self) -> None:
        """End what still runs."""
        for popen in self.started:
            if popen.poll() is None:
                # A supervised application outlives a launcher that is not PID 1.
                for process in (*children(popen.pid), popen.pid):
                    os.kill(process, signal.SIGKILL)
            popen.communicate()


def shown(popen: subprocess.Popen[bytes]) -> Shown:
    """Wait for the program's end."""
    out, err = popen.communicate(timeout=60)
    entries = [entry.partition(b" ") for entry in out.split(b"\0")[:-1]]
    found = tuple((what.decode(), value) for what, _, value in entries)
    return Shown(code=popen.returncode, said=err.decode(errors="replace"), entries=found)
