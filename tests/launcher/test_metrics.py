"""The port at which the injected container tells how the pod's secrets fare: for everybody, at nobody's cost."""

import contextlib
import itertools
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract import exit_codes, secrets
from tests.launcher.jobs import LATER, asleep, plan
from tests.launcher.sidecar import Run, Sidecar, alive, best_of_three, children, wait_for

pytestmark = pytest.mark.slow

TEXT = "# TYPE token_injector_secrets_stale gauge\ntoken_injector_secrets_stale 0\n"
GET = b"GET /metrics HTTP/1.1\r\nHost: pod\r\nAccept: text/plain\r\n\r\n"
SERVED_AT_ONCE = 8
# Seconds for which a client is served.
PATIENCE = 2
# Below those that Linux hands out (ip_local_port_range begins with 32768), and each worker has its own.
PORTS = itertools.count(20_000 + 200 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")))


def free_port() -> int:
    """A port that nobody has now, and that nobody gets before its launcher does."""
    while True:
        port = next(PORTS)
        with contextlib.suppress(OSError), socket.socket() as made:
            made.bind(("", port))
            return port


def start(sidecar: Sidecar, port: int, *, text: str | None = TEXT) -> Run:
    """A sidecar whose child wrote this; the one of an earlier try ends."""
    sidecar.end()
    (sidecar.folder / "secrets-runs").unlink(missing_ok=True)
    if text is not None:
        (sidecar.folder / secrets.METRICS_FILE).write_text(text)
    sidecar.jobs(secrets=LATER)
    variables = {secrets.METRICS_PORT: str(port), secrets.STATE_DIRECTORY: str(sidecar.folder)}
    run = sidecar.start(env=plan(sidecar.folder, "a") | variables)
    wait_for(lambda: sidecar.runs_of("secrets"))
    wait_for(lambda: not children(run.process))
    return run


@contextlib.contextmanager
def client(port: int, host: str = "127.0.0.1") -> Iterator[socket.socket]:
    """Somebody who connected."""
    with socket.create_connection((host, port), timeout=30) as made:
        yield made


def answer(made: socket.socket) -> bytes:
    """All of it, up to its end."""
    found = b""
    while block := made.recv(1 << 16):
        found += block
    return found


def ask(port: int, request: bytes = GET, host: str = "127.0.0.1") -> tuple[str, str]:
    """The first line and the body of the answer."""
    with client(port, host) as made:
        made.sendall(request)
        head, _, body = answer(made).decode().partition("\r\n\r\n")
    return head.splitlines()[0], body


def test_file_is_served(sidecar: Sidecar) -> None:
    """To any GET, as it is at that moment, with its type and its length; the request may come piece by piece."""
    port = free_port()
    run = start(sidecar, port)
    with client(port) as made:
        for piece in (GET[:1], GET[1:-1], GET[-1:]):
            made.sendall(piece)
            time.sleep(0.05)
        head, _, body = answer(made).decode().partition("\r\n\r\n")
    assert head.splitlines()[:3] == [
        "HTTP/1.0 200 OK",
        "Content-Type: text/plain; version=0.0.4",
        f"Content-Length: {len(TEXT)}",
    ]
    assert body == TEXT
    long = "x" * 300_000
    (sidecar.folder / secrets.METRICS_FILE).write_text(long)
    assert ask(port, b"GET / HTTP/1.0\n\n") == ("HTTP/1.0 200 OK", long)
    wait_for(lambda: not children(run.process))
    assert len(sidecar.runs_of("secrets")) == 1
    assert run.end() == exit_codes.OK


def test_ipv6(native_sidecar: Sidecar) -> None:
    """One socket for both families."""
    if not Path("/proc/net/if_inet6").exists():
        pytest.skip("this machine has no IPv6")
    port = free_port()
    start(native_sidecar, port)
    assert ask(port, host="::1") == ("HTTP/1.0 200 OK", TEXT)
    assert ask(port, host="127.0.0.1") == ("HTTP/1.0 200 OK", TEXT)


def test_no_file_yet(sidecar: Sidecar) -> None:
    """404 until the first delivery."""
    port = free_port()
    start(sidecar, port, text=None)
    assert ask(port) == ("HTTP/1.0 404 Not Found", "")


WRONG = {
    "POST": (b"POST /metrics HTTP/1.1\r\n\r\n" + b"x" * 100, "HTTP/1.0 405 Method Not Allowed"),
    "no request": (b"\r\n\r\n", "HTTP/1.0 405 Method Not Allowed"),
    "a long head": (
        b"GET / HTTP/1.1\r\nX: " + b"x" * 5000 + b"\r\n\r\n",
        "HTTP/1.0 431 Request Header Fields Too Large",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_requests(sidecar: Sidecar, case: str) -> None:
    """They get no metrics, and the next one is served."""
    port = free_port()
    start(sidecar, port)
    request, state = WRONG[case]
    assert ask(port, request) == (state, "")
    assert ask(port) == ("HTTP/1.0 200 OK", TEXT)


def test_slow_clients(native_sidecar: Sidecar) -> None:
    """Eight at a time, for two seconds; then they are cut off and whoever waited is served. The jobs notice nothing."""

    def look() -> None:
        port = free_port()
        run = start(native_sidecar, port)
        begin = time.monotonic()
        with contextlib.ExitStack() as stack:
            slow = [stack.enter_context(client(port)) for _ in range(SERVED_AT_ONCE + 2)]
            for made in slow:
                made.sendall(GET[:10])
            wait_for(lambda: len(children(run.process)) == SERVED_AT_ONCE, seconds=PATIENCE)
            with socket.socket(socket.AF_UNIX) as container:
                container.connect(str(native_sidecar.folder / "a"))
                wait_for(lambda: len(native_sidecar.runs_of("secrets")) > 1, seconds=3)
            assert len(children(run.process)) <= SERVED_AT_ONCE + 1
            assert answer(slow[0]) == b""
            assert PATIENCE - 1 <= time.monotonic() - begin <= PATIENCE + 5
            slow[-1].sendall(GET[10:])
            assert answer(slow[-1]).startswith(b"HTTP/1.0 200 OK")
        wait_for(lambda: not children(run.process))
        assert alive(run.process)

    best_of_three(look)


def test_many_clients(native_sidecar: Sidecar) -> None:
    """Each is served or waits in the queue; some go before they get anything; no descriptor and no memory stays."""
    port = free_port()
    run = start(native_sidecar, port)
    wait_for(lambda: asleep(run, native_sidecar))
    ask(port)
    wait_for(lambda: not children(run.process))
    before, descriptors = anonymous(run), len(run.descriptors())
    for number in range(300):
        if number % 3:
            assert ask(port) == ("HTTP/1.0 200 OK", TEXT)
        else:
            with client(port) as made:
                made.sendall(GET if number % 2 else b"")
    wait_for(lambda: not children(run.process))
    assert len(run.descriptors()) == descriptors
    assert anonymous(run) <= max(before, 100)


def anonymous(run: Run) -> int:
    """KiB of memory that is the launcher's own."""
    for line in Path(f"/proc/{run.process}/smaps_rollup").read_text().splitlines():
        if line.startswith("Anonymous:"):
            return int(line.split()[1])
    raise AssertionError("the kernel does not say")


def test_signal_while_one_is_served(sidecar: Sidecar) -> None:
    """It ends at once, and whoever serves with it."""

    def look() -> None:
        port = free_port()
        run = start(sidecar, port)
        with client(port) as made:
            made.sendall(GET[:10])
            serving = wait_for(lambda: children(run.process), seconds=PATIENCE)
            begin = time.monotonic()
            assert run.end() == exit_codes.OK
            wait_for(lambda: not any(map(alive, serving)))
            assert time.monotonic() - begin < PATIENCE - 1

    best_of_three(look)


def test_port_is_taken(native_sidecar: Sidecar) -> None:
    """Somebody else's port costs the metrics, and says so; token and secrets come all the same."""
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = taken.getsockname()[1]
        run = start(native_sidecar, port)
        assert f"no metrics at {secrets.METRICS_PORT}={port}: Address" in run.said()
        wait_for(lambda: native_sidecar.runs_of("token") and native_sidecar.runs_of("secrets"))


def test_port_again(native_sidecar: Sidecar) -> None:
    """A container that starts again has its port at once."""
    port = free_port()
    run = start(native_sidecar, port)
    ask(port)
    run.end()
    run = start(native_sidecar, port)
    assert ask(port) == ("HTTP/1.0 200 OK", TEXT)


@pytest.mark.parametrize("port", ["80", "65536", "x", "-1", "1024x"])
def test_no_port(sidecar: Sidecar, port: str) -> None:
    """What the webhook never writes is refused for good, with what was expected."""
    sidecar.jobs(secrets=LATER)
    done = sidecar.run("--file=/t", "--refresh", env=plan(sidecar.folder) | {secrets.METRICS_PORT: port})
    assert done.returncode == exit_codes.USAGE
    assert f"{secrets.METRICS_PORT}: expected a port from 1024 to 65535" in sidecar.log_text()


def test_children_do_not_inherit_the_port(native_sidecar: Sidecar) -> None:
    """A child that lives on would keep the port from the next launcher."""
    port = free_port()
    (native_sidecar.folder / secrets.METRICS_FILE).write_text(TEXT)
    native_sidecar.jobs(secrets="echo $$ > child; sleep 60")
    variables = {secrets.METRICS_PORT: str(port), secrets.STATE_DIRECTORY: str(native_sidecar.folder)}
    native_sidecar.start(env=plan(native_sidecar.folder, "a") | variables)
    child = int(native_sidecar.note("child"))
    links = [str(path.readlink()) for path in Path(f"/proc/{child}/fd").iterdir()]
    assert sum(link.startswith("socket:") for link in links) == 1
