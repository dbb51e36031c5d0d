"""Whoever answers, or does not, keeps no container waiting beyond its time and starts none with half an answer."""

import contextlib
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable

import pytest

from contract import secrets
from tests.launcher.application import CANARY, Application, answer, read_request, sets, shown
from tests.launcher.sidecar import best_of_three, children, holds_signals, wait_for

pytestmark = pytest.mark.slow

# Before the divisor: 2 s are 0.2 s. A busy machine may take longer for all that is around it.
SHORT = "--timeout=5"
NOT_LATE = 8.0
WHOLE = sets(A=CANARY)


def check(application: Application, code: int, reason: str, way: str, *flags: str) -> None:
    """Run it; it ends in time, with this code, this reason and no word of a value."""
    begin = time.monotonic()
    done = application.run(application.from_socket() if way == "socket" else application.from_file(), *flags)
    assert time.monotonic() - begin < NOT_LATE
    assert (done.code, done.entries) == (code, ()), done.said
    assert reason in done.said
    assert done.said == f"token-injector: {application.log_text()}"
    assert CANARY not in done.said


@pytest.mark.parametrize("way", ["socket", "file"])
def test_nobody(application: Application, way: str) -> None:
    """It waits for its time, then says where it looked and where to look on."""
    begin = time.monotonic()
    check(application, secrets.EXEC_UNREACHABLE, "no secrets after 5 s: No such file or directory", way, SHORT)
    assert time.monotonic() - begin >= 0.5


def test_nobody_listens(application: Application) -> None:
    """A socket that a dead sidecar left is waited for as well."""
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(application.socket_file))
    check(application, secrets.EXEC_UNREACHABLE, "no secrets after 5 s: Connection refused", "socket", SHORT)


@pytest.mark.parametrize("way", ["socket", "file"])
def test_comes_later(application: Application, way: str) -> None:
    """What is not there yet is there a moment later, and the application starts."""
    popen = application.start(application.from_socket() if way == "socket" else application.from_file())
    time.sleep(0.4)
    assert popen.poll() is None
    if way == "file":
        new = application.folder / "new"
        new.write_bytes(WHOLE)
        new.rename(application.env_file)
        done = shown(popen)
    else:
        with application.peer(WHOLE):
            done = shown(popen)
    assert done.variables()[-1] == f"A={CANARY}"


def test_queue_is_full(native_application: Application) -> None:
    """Where more containers start than the socket's queue has places, they wait."""
    with socket.socket(socket.AF_UNIX) as listener, contextlib.ExitStack() as stack:
        listener.bind(str(native_application.socket_file))
        listener.listen(0)
        before = stack.enter_context(socket.socket(socket.AF_UNIX))
        before.connect(str(native_application.socket_file))
        popen = native_application.start(native_application.from_socket())
        time.sleep(0.3)
        assert popen.poll() is None
        stack.enter_context(listener.accept()[0])
        connection = stack.enter_context(listener.accept()[0])
        read_request(connection)
        connection.sendall(WHOLE)
        assert shown(popen).code == 0


def silent(connection: socket.socket) -> None:
    """Never answers, until its client is gone."""
    while connection.recv(1 << 16):
        pass


def deaf(connection: socket.socket) -> None:
    """Not even reads, until its client is gone."""
    gone = select.poll()
    gone.register(connection, select.POLLRDHUP)
    gone.poll(30_000)


def slow(connection: socket.socket) -> None:
    """A byte each 20 ms: far beyond the time."""
    connection.recv(1 << 16)
    for place in range(len(WHOLE)):
        connection.sendall(WHOLE[place : place + 1])
        time.sleep(0.02 if place < 10 else 2)


@pytest.mark.parametrize("peer", [silent, slow])
def test_slow_peer(application: Application, peer: Callable[[socket.socket], None]) -> None:
    """The time is for the whole answer, whatever comes in between."""
    with application.peer(peer):
        check(application, secrets.EXEC_UNREACHABLE, "no secrets after 5 s: no whole answer came", "socket", SHORT)


def test_deaf_peer(native_application: Application) -> None:
    """A request that nobody reads does not keep it either, however long it is."""
    env = {f"A{number}": "sm://" + "x" * 100_000 for number in range(10)}
    with native_application.peer(deaf):
        done = native_application.run(native_application.from_socket(), SHORT, env=env)
    assert done.code == secrets.EXEC_UNREACHABLE
    assert "no whole answer came" in done.said


def test_bytes_that_come_one_by_one(application: Application) -> None:
    """An answer in time is an answer, in whatever pieces."""

    def pieces(connection: socket.socket) -> None:
        read_request(connection)
        for byte in WHOLE:
            connection.sendall(bytes([byte]))
            time.sleep(0.001)

    with application.peer(pieces):
        assert application.run(application.from_socket()).variables()[-1] == f"A={CANARY}"


def test_long_request_and_long_answer(application: Application) -> None:
    """More than a socket's buffer in both directions."""
    env = {f"A{number}": f"sm://{number}" + "x" * 100_000 for number in range(10)}
    text = sets(**{f"A{number}": "y" * 100_000 for number in range(10)})
    with application.peer(text):
        done = application.run(application.from_socket(), env=env)
    assert [entry for entry in done.variables() if entry.startswith("A5=")] == ["A5=" + "y" * 100_000]
    assert sum(map(len, application.requests)) > 1_000_000


def test_answers_before_it_has_read(native_application: Application) -> None:
    """A refusal counts even where the sidecar read nothing of a long request and hung up."""

    def refuse(connection: socket.socket) -> None:
        connection.sendall(answer("E not for this pod"))

    env = {f"A{number}": "sm://" + "x" * 100_000 for number in range(10)}
    with native_application.peer(refuse):
        done = native_application.run(native_application.from_socket(), env=env)
    assert (done.code, done.said) == (secrets.EXEC_REFUSED, "token-injector: not for this pod\n")


def test_hangs_up_at_first(application: Application) -> None:
    """A sidecar that was ended between connection and answer is asked again when it is back."""
    talked: list[bytes] = []

    def third_time(connection: socket.socket) -> None:
        talked.append(read_request(connection))
        if len(talked) > 2:
            connection.sendall(WHOLE)

    with application.peer(third_time):
        assert application.run(application.from_socket()).code == 0
    assert len(talked) == 3


def test_always_hangs_up(application: Application) -> None:
    """It is asked again and again, but not without pauses."""
    talked: list[bytes] = []

    def look() -> None:
        talked.clear()
        check(application, secrets.EXEC_UNREACHABLE, "no secrets after 5 s: nobody answered", "socket", SHORT)
        assert 2 <= len(talked) <= 12

    # The time may be over in the midst of a try.
    with application.peer(lambda connection: talked.append(read_request(connection))):
        best_of_three(look)


BEGIN = secrets.MAGIC.encode()
CUT = {
    "in the beginning": BEGIN[:10],
    "beginning alone": BEGIN,
    "in a record": WHOLE[:-5],
    "before the end": WHOLE[:-2],
    "in the end": WHOLE[:-1],
}
GARBAGE = {
    "another version": (WHOLE.replace(b"secrets 1", b"secrets 2"), "it does not begin as one"),
    "HTTP": (b"HTTP/1.1 400 Bad Request\r\n\r\n", "it does not begin as one"),
    "JSON": (f'{{"A": "{CANARY}"}}'.encode(), "it does not begin as one"),
    "random": (bytes(range(255, 0, -1)) * 50, "it does not begin as one"),
    "empty record": (BEGIN + b"\0.\0", "an unknown record"),
    "unknown record": (answer(f"X A={CANARY}"), "an unknown record"),
    "no blank": (answer(f"SA={CANARY}"), "an unknown record"),
    "no value": (answer("S A"), "a record that sets has no NAME="),
    "no name": (answer(f"S ={CANARY}"), "a record that sets has no NAME="),
    "nothing to set": (answer("S "), "a record that sets has no NAME="),
    "nothing to unset": (answer("U "), "a record that unsets has no name"),
    "value to unset": (answer(f"U A={CANARY}"), "a record that unsets has no name"),
    "more": (WHOLE + b"x", "there is more after its end"),
    "two ends": (WHOLE + b".\0", "there is more after its end"),
    "end with more": (BEGIN + b"..\0", "an unknown record"),
    "endless record": (BEGIN + b"S A=" + b"x" * 300_000, "a variable is longer than Linux allows"),
}


@pytest.mark.parametrize("case", CUT)
def test_cut_off(application: Application, case: str) -> None:
    """A file was written whole. Who is ended while he answers is started again, and asked again until the end."""
    application.env_file.write_bytes(CUT[case])
    check(application, secrets.EXEC_MALFORMED, "the answer is malformed: it is cut off", "file")
    talked: list[bytes] = []

    def third_time(connection: socket.socket) -> None:
        talked.append(read_request(connection))
        connection.sendall(WHOLE if len(talked) > 2 else CUT[case])

    with application.peer(third_time):
        done = application.run(application.from_socket())
    assert (done.code, done.variables()[-1], len(talked)) == (0, f"A={CANARY}", 3)


def test_always_cut_off(application: Application) -> None:
    """The end comes with the reason of the last try, and no part of an answer counts."""
    reason = "no secrets after 5 s: the answer was cut off"
    # The time may be over in the midst of a try.
    with application.peer(WHOLE[:-1]):
        best_of_three(lambda: check(application, secrets.EXEC_UNREACHABLE, reason, "socket", SHORT))


@pytest.mark.parametrize("way", ["socket", "file"])
@pytest.mark.parametrize("case", GARBAGE)
def test_garbage(application: Application, case: str, way: str) -> None:
    """Anything but a whole answer starts nothing and is named, without a byte of it."""
    text, reason = GARBAGE[case]
    application.env_file.write_bytes(text)
    with application.peer(text):
        check(application, secrets.EXEC_MALFORMED, f"the answer is malformed: {reason}", way)


@pytest.mark.parametrize("way", ["socket", "file"])
def test_endless_answer(native_application: Application, way: str) -> None:
    """Valid records without an end are read up to the contract's limit."""

    def endless(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(BEGIN)
        while True:
            connection.sendall(b"S A=" + b"x" * 60_000 + b"\0")

    native_application.env_file.write_bytes(BEGIN + (b"S A=" + b"x" * 60_000 + b"\0") * 150)
    with native_application.peer(endless):
        check(native_application, secrets.EXEC_MALFORMED, "malformed: it is too long", way)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("folder", "Is a directory"),
        ("pipe", "no whole answer came"),
        ("empty", "nobody answered"),
        ("denied", "a directory"),
    ],
)
def test_no_file(application: Application, kind: str, reason: str) -> None:
    """What is no ordinary file with something in it hangs nobody."""
    if kind == "folder":
        application.env_file.mkdir()
    elif kind == "pipe":
        os.mkfifo(application.env_file)
    elif kind == "empty":
        application.env_file.touch()
    else:
        (application.folder / "x").touch()
        application.env_file.symlink_to(application.folder / "x" / "env")
    check(application, secrets.EXEC_UNREACHABLE, reason, "file", SHORT)


def test_no_socket(application: Application) -> None:
    """A file where a socket should be is nobody who listens; a path that no socket can have is told at once."""
    application.socket_file.touch()
    check(application, secrets.EXEC_UNREACHABLE, "Connection refused", "socket", SHORT)
    long = application.run(f"--from=unix:/{'x' * 120}")
    assert long.code == secrets.EXEC_UNREACHABLE
    assert "name too long" in long.said


@pytest.mark.parametrize("place", ["plain", "PID 1"])
@pytest.mark.parametrize("waits", ["for a peer", "for an answer"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ends_at_once(application: Application, unshare: tuple[str, ...], place: str, waits: str, number: int) -> None:
    """A pod that is deleted while it waits for its secrets goes at once."""
    asked = threading.Event()

    def hold(connection: socket.socket) -> None:
        asked.set()
        silent(connection)

    with application.peer(hold) if waits == "for an answer" else contextlib.nullcontext():
        before = unshare if place == "PID 1" else ()
        popen = application.start(application.from_socket(), before=before)
        process = popen.pid
        if place == "PID 1":
            (process,) = wait_for(lambda: children(popen.pid))
        if waits == "for an answer":
            assert asked.wait(20)
        else:
            wait_for(lambda: holds_signals(process))
        os.kill(process, number)
        assert popen.wait(5) == 128 + number  # of the 12 s that it may wait


def test_ignored_signals_stay_ignored(application: Application) -> None:
    """Who started it with SIGINT ignored, as shells do for what runs behind, ends it with SIGTERM."""
    popen = application.start(application.from_socket(), before=("/bin/sh", "-c", 'trap "" INT; exec "$@"', "sh"))
    wait_for(lambda: holds_signals(popen.pid))
    popen.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert popen.poll() is None
    popen.send_signal(signal.SIGTERM)
    assert popen.wait(10) == 128 + signal.SIGTERM
