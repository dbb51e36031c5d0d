"""Who waits for whom? gunicorn's gthread, where no thread ever waits for a caller.

The loop collects bytes (connection.py); a thread gets a whole request. `read_timeout` holds for handshake, headers and
body together; who sends nothing rests. One state machine: arriving → answered → resting or leaving.
"""

import io
import logging
import selectors
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from gunicorn import http
from gunicorn.http.errors import NoMoreData, ParseException
from gunicorn.workers.gthread import ThreadWorker

from serving.connection import Connection, HungUpError
from serving.framing import BodyTooLargeError, HeadTooLargeError
from serving.log import describe_exception
from serving.tls import ServingCertificate

_log = logging.getLogger(__name__)

# How long a caller may take to read the last answer and close (RFC 9112 section 9.6).
_LINGER = 2.0
# Without file descriptors, between two attempts to accept.
_PAUSE = 0.1
# Between two looks at what gauges show and whether draining is over.
_TICK = 1.0
# A worker keeps at most this much of unfinished requests in memory; small ones always find room:
# 512 connections (server.py) of 64 KiB are 32 MiB more.
_MOST_RECEIVED = 64 * 1024 * 1024
_SMALL = 64 * 1024
# What ends a worker. Held from before its fork until it has its own handlers (server.py).
HELD = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT})


class CountsConnections(Protocol):
    """What is counted of connections that brought no request."""

    def refused(self, reason: str) -> None:
        """One connection brought no whole request."""

    def bug(self) -> None:
        """Our own code failed."""


@dataclass(slots=True, kw_only=True)
class Edge:
    """What the worker needs to know from server.py, which made it."""

    certificate: ServingCertificate | None
    telemetry_address: Any
    """The listener that never speaks TLS, as its socket names it; None if there is none."""
    longest_body: int
    read_timeout: float
    drain: float
    """Seconds to go on serving after SIGTERM: endpoints leave a Service's lists only after the signal."""
    metrics: CountsConnections | None = None
    show_state: Callable[[], None] = lambda: None
    draining: bool = False


class _OverlongBody(io.RawIOBase):
    """What an application reads of a body that was refused for its length."""

    def readable(self) -> bool:
        return True

    def readinto(self, _: Any) -> int:
        raise BodyTooLargeError


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """A gthread worker with read deadlines.

    gthread 27 gives a thread to each connection that sends its first byte; handshake, headers and body are then read
    without a deadline, and a polite close waits up to 2 s in the accept loop. Measured with 16 senders of a byte a
    second against 2 workers of 4 threads: gthread answered nobody, this 320 reviews a second, the slowest in 42 ms.
    Without them a review costs both the same CPU. Rejected: more threads than slow callers, who count better; a proxy
    in front, one more process to keep alive. This reaches into gthread, so the lock file pins gunicorn.
    """

    def init_process(self) -> None:
        """In the new process, before the loop."""
        self.edge: Edge = self.app.edge
        self.arriving: dict[Connection, None] = {}
        self.answered: set[Connection] = set()
        self.leaving: dict[Connection, None] = {}
        self._stops_at = float("inf")
        self._next_tick = 0.0
        super().init_process()

    def init_signals(self) -> None:
        """Called by gunicorn: from here on they are ours, and those that came before arrive now."""
        super().init_signals()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)

    # ------------------------------------------------------------------ the loop

    def accept(self, listener: Any) -> None:
        """Take a connection; nothing here waits for it."""
        try:
            sock, client = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as exc:
            # Out of file descriptors or memory: threads may free some meanwhile.
            _log.error("can't accept connections: %s", exc)
            time.sleep(_PAUSE)
            return
        server = listener.getsockname()
        certificate = None if server == self.edge.telemetry_address else self.edge.certificate
        try:
            connection = Connection(self.cfg, sock, client, server, certificate.context() if certificate else None)
        except (OSError, ValueError):
            sock.close()
            return
        self.nr_conns += 1
        self._expect_request(connection)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """One turn of the loop: what gthread does, then what is overdue."""
        firsts = [next(iter(waiting)).deadline for waiting in (self.arriving, self.leaving) if waiting]
        soonest = min(*firsts, self._stops_at, float("inf")) - time.monotonic()
        super().wait_for_and_dispatch_events(max(0.0, min(timeout, soonest)))
        now = time.monotonic()
        # All deadlines of one kind are equally far: the first is the oldest.
        while self.arriving and (connection := next(iter(self.arriving))).deadline <= now:
            self._give_up(connection)
        while self.leaving and (connection := next(iter(self.leaving))).deadline <= now:
            self._drop(connection)
        if now >= self._next_tick:
            self._next_tick = now + _TICK
            self.edge.show_state()
        if now >= self._stops_at:
            self._stops_at = float("inf")
            self.alive = False

    def handle_exit(self, _: int, __: Any) -> None:
        """SIGTERM: say so, serve on for `drain` seconds, then gthread's graceful stop.

        A signal to the process group and the master's own make two; the second one changes nothing.
        """
        if not self.edge.draining:
            self.edge.draining = True
            self._stops_at = time.monotonic() + self.edge.drain
            self.method_queue.defer(lambda: None)  # wakes the loop

    # ------------------------------------------------------------------ a connection's states

    def _expect_request(self, connection: Connection) -> None:
        connection.state = "arriving"
        connection.deadline = time.monotonic() + self.edge.read_timeout
        self.arriving[connection] = None
        self._on_event(connection)

    def _on_event(self, connection: Connection, _: Any = None) -> None:
        try:
            self._turn(connection)
        except Exception as exc:  # noqa: BLE001 - the outermost edge of the loop: the other connections live on
            self._count_bug()
            _log.error("a bug: this connection is dropped\n%s", describe_exception(exc))
            self._drop(connection)

    def _turn(self, connection: Connection) -> None:
        if connection.state == "leaving":
            if connection.discard():
                self._drop(connection)
            return
        if connection.state == "resting":
            self.keepalived_conns.remove(connection)
            self._expect_request(connection)
            return
        self._advance(connection)

    def _advance(self, connection: Connection) -> None:
        try:
            events = connection.advance(self.edge.longest_body)
        except HungUpError:
            if connection.is_in_handshake:
                self._count("handshake")
            self._drop(connection)
            return
        except HeadTooLargeError:
            self._refuse(connection, "431 Request Header Fields Too Large", "head_too_large")
            return
        if events and len(connection.received) > _SMALL and self._received() > _MOST_RECEIVED:
            self._refuse(connection, "503 Service Unavailable", "memory")
        elif events:
            self._watch(connection, events)
        else:
            self._watch(connection, 0)
            self.arriving.pop(connection)
            self.answered.add(connection)
            connection.state = "answered"
            self.enqueue_req(connection)

    def finish_request(self, conn: Connection, fs: Any) -> None:
        """A thread is done with a request."""
        self.answered.discard(conn)
        try:
            keep = fs.result()
            conn.sock.settimeout(0)
        except (OSError, ValueError):
            self._drop(conn)
            return
        if not keep or not self.alive:
            self._leave(conn)
        elif conn.received:
            self._expect_request(conn)
        else:
            self._rest(conn)

    def _rest(self, connection: Connection) -> None:
        connection.state = "resting"
        connection.set_timeout()
        self.keepalived_conns.append(connection)
        self._watch(connection, selectors.EVENT_READ)

    def _give_up(self, connection: Connection) -> None:
        if connection.received:
            self._refuse(connection, "408 Request Timeout", "deadline")
        elif connection.is_in_handshake:
            self._count("deadline")
            self._drop(connection)
        elif self.alive and len(self.keepalived_conns) < self.max_keepalived:
            # Go's client opens one more than it needs and keeps it for later: closed now, it would lose that request.
            self.arriving.pop(connection)
            self._rest(connection)
        else:
            self._drop(connection)

    def _refuse(self, connection: Connection, status: str, reason: str) -> None:
        self._count(reason)
        connection.refuse(status)
        self._leave(connection)

    def _leave(self, connection: Connection) -> None:
        """Close after the caller did: closing on unread bytes would take our last answer from it."""
        self.arriving.pop(connection, None)
        connection.received.clear()
        try:
            connection.half_close()
        except (OSError, ValueError):
            self._drop(connection)
            return
        connection.state = "leaving"
        connection.deadline = time.monotonic() + _LINGER
        self.leaving[connection] = None
        self._watch(connection, selectors.EVENT_READ)

    def _drop(self, connection: Connection) -> None:
        self.arriving.pop(connection, None)
        self.leaving.pop(connection, None)
        self._watch(connection, 0)
        connection.close()
        self.nr_conns -= 1

    def _watch(self, connection: Connection, events: int) -> None:
        if events == connection.watched:
            return
        if not events:
            self.poller.unregister(connection.sock)
        elif connection.watched:
            self.poller.modify(connection.sock, events, partial(self._on_event, connection))
        else:
            self.poller.register(connection.sock, events, partial(self._on_event, connection))
        connection.watched = events

    def _received(self) -> int:
        return sum(len(connection.received) for connection in (*self.arriving, *self.answered))

    def _count(self, reason: str) -> None:
        if self.edge.metrics:
            self.edge.metrics.refused(reason)

    def _count_bug(self) -> None:
        if self.edge.metrics:
            self.edge.metrics.bug()

    # ------------------------------------------------------------------ in a thread

    def handle(self, conn: Connection) -> bool:
        """Serve the request at hand; whether the connection may bring another one."""
        try:
            # For the answer: a caller that does not read it must not keep the thread.
            conn.sock.settimeout(self.edge.read_timeout)
            request = next(http.get_parser(self.cfg, [conn.take()], conn.client))
            request.body = io.BufferedReader(_OverlongBody()) if conn.is_too_long else io.BytesIO(request.body.read())
            if conn.is_too_long or self.edge.draining:
                request.force_close()
            return bool(self.handle_request(request, conn))
        except (ParseException, NoMoreData, StopIteration) as exc:
            self._count("malformed")
            conn.refuse("400 Bad Request")
            _log.debug("refused a malformed request: %s", type(exc).__name__)
        except OSError as exc:
            _log.debug("a caller hung up: %s", type(exc).__name__)
        except Exception as exc:  # noqa: BLE001 - the outermost edge of a thread: the process serves on
            self._count_bug()
            _log.error("a bug: this request failed\n%s", describe_exception(exc))
            conn.refuse("500 Internal Server Error")
        return False
