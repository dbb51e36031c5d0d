"""Sockets with real clients: who gets what, and that nobody can hold up the others or the end."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contract import exit_codes
from contract.secrets import MAGIC, REQUEST_LIMIT
from injector import serving
from injector.errors import RefreshError
from injector.serving import Served, Server
from secretenv.plan import ContainerPlan

Answer = Callable[[ContainerPlan, bytes], bytes | None]

EMPTY_REQUEST = MAGIC.encode() + b"\0"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[list[Served]]:
    """Two containers with a socket each, `a` and `b`, as the launcher makes them."""
    made = []
    for name in ("a", "b"):
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(tmp_path / name))
        listening.listen(16)
        listening.settimeout(0)
        container = ContainerPlan(name=name, delivery="socket", directory=str(tmp_path), variables=())
        made.append(Served(listening=listening, container=container))
    yield made
    for one in made:
        one.listening.close()


def said(container: ContainerPlan, request: bytes) -> bytes:
    """An answer that shows who asked what."""
    return container.name.encode() + b":" + request.removeprefix(MAGIC.encode())


def connect(one: Served) -> socket.socket:
    """A client of this container."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(10)
    client.connect(one.listening.getsockname())
    return client


def ask(one: Served, request: bytes = EMPTY_REQUEST) -> bytes:
    """Ask and read to the end."""
    with connect(one) as client:
        client.sendall(request)
        return b"".join(iter(lambda: client.recv(1 << 16), b""))


class Running:
    """A server on a thread."""

    def __init__(self, served: list[Served], answer: Answer, *, linger: float = 20, give_up: float = 30) -> None:
        server = Server(served, answer)
        end = time.monotonic() + give_up
        self._thread = threading.Thread(target=server.run, kwargs={"linger": linger, "give_up": end}, daemon=True)
        self._thread.start()

    def ends_within(self, seconds: float) -> bool:
        """Whether it comes to its end by then."""
        self._thread.join(seconds)
        return not self._thread.is_alive()


def test_each_gets_its_own(served: list[Served]) -> None:
    """A socket is its container's; when each was served once, it is over."""
    running = Running(served, said)
    assert ask(served[0], MAGIC.encode() + b"A=1\0\0") == b"a:A=1\0\0"
    assert not running.ends_within(0.1)
    assert ask(served[1]) == b"b:\0"
    assert running.ends_within(10)


def test_who_came_first_is_not_lost(served: list[Served]) -> None:
    """A client that connects and sends before anybody accepts waits in the kernel's queue."""
    with connect(served[0]) as early:
        early.sendall(EMPTY_REQUEST)
        assert serving.anybody_waits(served)
        Running(served, said)
        assert early.recv(100) == b"a:\0"


def test_nobody_waits(served: list[Served]) -> None:
    """Without a client there is nobody, and without sockets neither."""
    assert not serving.anybody_waits(served)
    assert not serving.anybody_waits([])


def test_linger_is_over(served: list[Served]) -> None:
    """Containers that do not ask are not waited for longer than `linger`."""
    assert Running(served, said, linger=0.2).ends_within(10)


@pytest.mark.parametrize("rubbish", [b"", b"GET / HTTP/1.1\r\n\r\n", MAGIC.encode()[:5], MAGIC.encode() + b"A=1\0"])
def test_rubbish(served: list[Served], rubbish: bytes) -> None:
    """A request that is none, or that ends early, gets no answer and costs nobody anything."""
    running = Running(served[:1], said)
    with connect(served[0]) as client:
        client.sendall(rubbish)
        client.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):  # it was cut while some of it was not read
            assert client.recv(100) == b""
    assert ask(served[0]) == b"a:\0"
    assert running.ends_within(10)


def test_request_in_pieces(served: list[Served]) -> None:
    """A request may come byte by byte."""
    Running(served, said)
    with connect(served[0]) as client:
        for byte in MAGIC.encode() + b"A=1\0\0":
            client.sendall(bytes([byte]))
        assert client.recv(100) == b"a:A=1\0\0"


def test_endless_request(served: list[Served]) -> None:
    """More than REQUEST_LIMIT is cut off, with the limit as the reason; the next one is answered."""
    running = Running(served, said)
    with connect(served[0]) as client:
        with pytest.raises(ConnectionError):
            client.sendall(MAGIC.encode() + b"x" * (2 * REQUEST_LIMIT))
        assert f"more than {REQUEST_LIMIT} bytes" in client.recv(1000).decode()
    assert ask(served[0]) == b"a:\0"
    assert ask(served[1]) == b"b:\0"
    assert running.ends_within(10)


def test_slow_clients_hold_up_nobody(served: list[Served], monkeypatch: pytest.MonkeyPatch) -> None:
    """Silent clients, many of them, and one that does not read: others are served, and the end comes."""
    monkeypatch.setattr(serving, "CLIENT_TIMEOUT", 60.0)  # nobody waits for it
    big = b"x" * (1 << 22)

    def answer(container: ContainerPlan, _: bytes) -> bytes:
        return big if container.name == "a" else b"b"

    running = Running(served, answer, give_up=2.5)
    silent = [connect(served[0]) for _ in range(5)]
    deaf = connect(served[0])
    deaf.sendall(EMPTY_REQUEST)
    assert ask(served[1]) == b"b"
    assert ask(served[0]) == big
    assert running.ends_within(20)
    for client in [*silent, deaf]:
        client.close()


def test_more_clients_than_threads(served: list[Served], monkeypatch: pytest.MonkeyPatch) -> None:
    """A container that holds all its places waits for itself; the other container does not."""
    monkeypatch.setattr(serving, "CLIENT_TIMEOUT", 60.0)  # nobody waits for it
    running = Running(served, said, linger=2, give_up=2.5)
    hostile = [connect(served[0]) for _ in range(serving.CLIENTS + 4)]
    began = time.process_time()
    assert ask(served[1]) == b"b:\0"
    assert threading.active_count() < serving.CLIENTS + 8
    assert running.ends_within(20)
    assert time.process_time() - began < 0.5, "it must not spin while it waits"
    for client in hostile:
        client.close()


def test_several_at_once(served: list[Served]) -> None:
    """An answer that takes long holds up neither the same container nor another one."""
    gate = threading.Event()

    def answer(container: ContainerPlan, request: bytes) -> bytes:
        if b"slow" in request:
            gate.wait(10)
        return said(container, request)

    running = Running(served, answer)
    with connect(served[0]) as slow:
        slow.sendall(MAGIC.encode() + b"A=slow\0\0")
        assert ask(served[1]) == b"b:\0"
        assert ask(served[0]) == b"a:\0"
        gate.set()
        assert slow.recv(100) == b"a:A=slow\0\0"
    assert running.ends_within(10)


def test_no_answer_now(served: list[Served]) -> None:
    """What is unavailable is not answered; the client asks again, and its container does not count as served."""
    answers = iter([None, b"now"])
    running = Running(served[:1], lambda *_: next(answers))
    assert ask(served[0]) == b""
    assert ask(served[0]) == b"now"
    assert running.ends_within(10)


def test_client_that_goes(served: list[Served]) -> None:
    """A client that hangs up before its answer does not count as served, and hurts nobody."""
    gate = threading.Event()

    def answer(*_: object) -> bytes:
        gate.wait(10)
        return b"x" * (1 << 22)

    running = Running(served[:1], answer)
    client = connect(served[0])
    client.sendall(EMPTY_REQUEST)
    client.close()
    gate.set()
    assert not running.ends_within(0.2)
    assert len(ask(served[0])) == 1 << 22
    assert running.ends_within(10)


def containers(count: int) -> list[ContainerPlan]:
    """So many with a socket, one without."""
    some = [ContainerPlan(name=f"c{n}", delivery="socket", directory="/", variables=()) for n in range(count)]
    return [ContainerPlan(name="envfile", delivery="envfile", directory="/", variables=()), *some]


@pytest.fixture
def descriptor() -> Iterator[Callable[[socket.socket], int]]:
    """Puts a socket at a descriptor that nobody else has, as the launcher does at SOCKET_FD."""
    made: list[int] = []

    def put(one: socket.socket) -> int:
        made.append(os.dup2(one.fileno(), 900 + len(made), inheritable=False))
        return made[0]

    yield put
    for each in made:
        try:
            os.close(each)
        except OSError:
            continue  # the socket that was made of it closed it


def test_inherited(tmp_path: Path, descriptor: Callable[[socket.socket], int]) -> None:
    """The plan's containers with a socket get the descriptors in order."""
    first = 0
    for name in ("x", "y"):
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(tmp_path / name))
            listening.listen()
            first = descriptor(listening)
    found = serving.inherited(2, containers(2), first=first)
    assert [(one.container.name, Path(one.listening.getsockname()).name) for one in found] == [("c0", "x"), ("c1", "y")]
    for one in found:
        one.listening.close()


@pytest.mark.parametrize("kind", [socket.AF_UNIX, socket.AF_INET])
def test_no_listening_socket(descriptor: Callable[[socket.socket], int], kind: int) -> None:
    """What does not listen, or is no unix socket, or nothing at all, is named."""
    with socket.socket(kind) as one:
        first = descriptor(one)
        with pytest.raises(RefreshError, match="descriptor 900") as caught:
            serving.inherited(1, containers(1), first=first)
    assert caught.value.exit_code == exit_codes.USAGE
    with pytest.raises(RefreshError, match="descriptor 990"):
        serving.inherited(1, containers(1), first=990)


@pytest.mark.parametrize("count", [0, 2])
def test_number_of_sockets(count: int) -> None:
    """Launcher and plan must agree."""
    with pytest.raises(RefreshError, match=f"--sockets={count}, and the plan has 1"):
        serving.inherited(count, containers(1))
