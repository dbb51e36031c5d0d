"""Who gets which answer on the sockets? One thread a connection, so that nobody waits for a slow or hostile client.

A socket lies in the volume of one container, and that mount is the authorisation: whoever connects there is that
container. Clients that come before there is anybody to accept them wait in the kernel's queue, and are not lost.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from typing import TYPE_CHECKING

from contract import exit_codes
from contract.secrets import MAGIC, SOCKET_FD, SOCKETS_FLAG
from injector.errors import RefreshError
from injector.record import Record
from secretenv.answer import MessageError, refusal, request_ended

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from secretenv.plan import ContainerPlan

    Answer = Callable[[ContainerPlan, bytes], bytes | None]
    """The answer to a request; None: not now, and the client asks again."""

# How long a client may take to send its request, and to take its answer: it is on the same machine.
CLIENT_TIMEOUT = 10.0
# Connections of one container at a time; the others wait in the kernel's queue, in front of their own container only.
CLIENTS = 8
MAGIC_BYTES = MAGIC.encode("ascii")
BLOCK = 1 << 16
# Between two looks at what the threads did.
POLL = 0.02


class Served(Record):
    """A socket, and the container whose volume it lies in."""

    listening: socket.socket
    container: ContainerPlan


def inherited(count: int, containers: Sequence[ContainerPlan], *, first: int = SOCKET_FD) -> list[Served]:
    """The launcher's sockets, in the plan's order; raises RefreshError where they are not what the plan says."""
    wanted = [container for container in containers if container.delivery == "socket"]
    if count != len(wanted):
        raise RefreshError(
            f"{SOCKETS_FLAG}={count}, and the plan has {len(wanted)} containers with a socket; "
            "both are the webhook's: look at its version and the image's",
            exit_code=exit_codes.USAGE,
        )
    return [Served(listening=_listening(first + index), container=container) for index, container in enumerate(wanted)]


def _listening(descriptor: int) -> socket.socket:
    found = _unix_socket(descriptor)
    if found is None:
        raise RefreshError(
            f"{SOCKETS_FLAG}: descriptor {descriptor} is no unix socket that listens; "
            "the launcher hands them on, a person has no use for this flag",
            exit_code=exit_codes.USAGE,
        )
    found.settimeout(0)  # a client that was faster away must not hold up the others
    return found


def _unix_socket(descriptor: int) -> socket.socket | None:
    try:
        found = socket.socket(fileno=descriptor)
    except OSError:
        return None
    if found.family == socket.AF_UNIX and found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return found
    found.detach()
    return None


def anybody_waits(served: Sequence[Served]) -> bool:
    """Whether a client waits on any of the sockets."""
    with selectors.DefaultSelector() as selector:
        for one in served:
            selector.register(one.listening, selectors.EVENT_READ)
        return bool(served) and bool(selector.select(0))


class Server:
    """Serves until each container was served once or `linger` seconds passed; then what is being answered is ended."""

    def __init__(self, served: Sequence[Served], answer: Answer) -> None:
        self._answer = answer
        self._lock = threading.Lock()
        self._active = {one.container.name: 0 for one in served}
        self._left = {one.container.name for one in served}
        self._served = served

    def run(self, *, linger: float, give_up: float) -> None:
        """`linger` in seconds; `give_up` is monotonic: then whoever has no answer is cut off, and asks again."""
        until = min(give_up, time.monotonic() + linger)
        with selectors.DefaultSelector() as selector:
            for one in self._served:
                selector.register(one.listening, selectors.EVENT_READ, one)
            while self._anybody_left() and (left := until - time.monotonic()) > 0:
                ready = selector.select(min(POLL, left))
                if ready and not sum(self._accept(key.data) for key, _ in ready):
                    time.sleep(POLL)  # every container that asks has enough threads already
        while self._anybody_active() and time.monotonic() < give_up:
            time.sleep(POLL)

    def _anybody_left(self) -> bool:
        with self._lock:
            return bool(self._left)

    def _anybody_active(self) -> bool:
        with self._lock:
            return any(self._active.values())

    def _accept(self, one: Served) -> bool:
        """Whether this container has one more client now."""
        name = one.container.name
        with self._lock:
            if self._active[name] >= CLIENTS:
                return False
            self._active[name] += 1
        try:
            connection, _ = one.listening.accept()
        except OSError:
            self._leave(name)  # it went
            return False
        threading.Thread(target=self._serve, args=(connection, one.container), daemon=True).start()
        return True

    def _serve(self, connection: socket.socket, container: ContainerPlan) -> None:
        try:
            with connection:
                answer = self._answered(connection, container)
                if answer is not None:
                    connection.settimeout(CLIENT_TIMEOUT)
                    connection.sendall(answer)
                    with self._lock:
                        self._left.discard(container.name)
        except OSError:
            return  # the client went, and asks again, or its container is over
        finally:
            self._leave(container.name)

    def _answered(self, connection: socket.socket, container: ContainerPlan) -> bytes | None:
        try:
            request = _request(connection)
        except MessageError as exc:
            return refusal(str(exc))
        return self._answer(container, request) if request else None

    def _leave(self, name: str) -> None:
        with self._lock:
            self._active[name] -= 1


def _request(connection: socket.socket) -> bytes:
    """Up to the empty record that ends it; empty where the client stops before, is too slow, or is no launcher.

    Raises OSError, and MessageError where the request is too long.
    """
    give_up = time.monotonic() + CLIENT_TIMEOUT
    request = b""
    while not request_ended(request):
        left = give_up - time.monotonic()
        if left <= 0 or not MAGIC_BYTES.startswith(request[: len(MAGIC_BYTES)]):
            return b""
        connection.settimeout(left)
        block = connection.recv(BLOCK)
        if not block:
            return b""
        request += block
    return request
