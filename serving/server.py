"""How does gunicorn run a program of ours?

The master binds, loads the certificate and watches its workers; each worker makes what it serves after the fork, so
that no two share a connection. TLS is the worker's own (worker.py): gunicorn is given no certificate.
"""

import contextlib
import gc
import logging
import math
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger

from contract import exit_codes
from serving import log
from serving.listen import ListenError, listen, shown
from serving.settings import Serving
from serving.status import Readiness
from serving.telemetry import by_listener, create_telemetry_app
from serving.tls import ServingCertificate, TlsError
from serving.worker import HELD, Edge, Worker

if TYPE_CHECKING:
    from flask import Flask

    from serving.metrics import ServingMetrics

_log = logging.getLogger(__name__)

# prometheus_client reads it when it is imported, and its values when they are made; it has no other way to be told.
_METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
# Go's HTTP client, and so the API server, closes idle connections after 90 s. Who closes first must not be us: a
# request on its way to a closing connection is lost.
_KEEPALIVE = 120
# A worker whose loop stands still for so long is replaced.
_LOOP_TIMEOUT = 30
# Per worker. An API server keeps a few; a thousand file descriptors are the usual limit of a process.
_CONNECTIONS = 512
# The share of the graceful timeout in which new connections are still served.
_DRAIN_SHARE = 0.25
_LONGEST_DRAIN = 5.0


class Served(Protocol):
    """What one worker process serves. Made after the fork, in the process that uses it."""

    @property
    def metrics(self) -> "ServingMetrics":
        """What it counts, in files of the folder that it was made with."""

    def app(self, readiness: "Callable[[], Readiness]") -> "Flask":
        """The application, with the probes and /metrics (telemetry.py); `readiness` is the whole process'."""

    def readiness(self) -> Readiness:
        """Whether what it needs is there."""

    def show_state(self) -> None:
        """Set its gauges; called by the worker's loop once a second."""

    def stop(self) -> None:
        """End its threads and connections."""


def run(server: Serving, start: Callable[[str], Served], *, name: str) -> int:
    """Serve until told to stop. Returns an exit code if the start fails; else gunicorn ends the process.

    `start` makes in each worker what it serves, given the folder for the metrics' files; `name` is the process'.
    """
    try:
        certificate = None
        if not server.insecure_http:
            certificate = ServingCertificate(server.tls_cert_file, server.tls_private_key_file)
            if certificate.not_after <= time.time():
                _log.error("certificate %s has expired: not ready until it is renewed", server.tls_cert_file)
        listeners = [listen("--listen-address", server.listen_address)]
        if server.telemetry_listen_address:
            listeners.append(listen("--telemetry-listen-address", server.telemetry_listen_address))
    except (TlsError, ListenError) as exc:
        _log.critical("%s", exc)
        return exit_codes.USAGE
    with _metrics_folder() as folder:
        _Application(server, start, name, certificate, listeners, folder).run()
    return exit_codes.OK


@contextlib.contextmanager
def _metrics_folder() -> Iterator[str]:
    """A private folder for the metrics' files, in memory where there is such a place; only the master removes it."""
    master = os.getpid()
    folder = tempfile.mkdtemp(prefix="token-injector-metrics-", dir=memory_folder())
    os.environ[_METRICS_FOLDER] = folder
    try:
        yield folder
    finally:
        if os.getpid() == master:
            shutil.rmtree(folder, ignore_errors=True)


def memory_folder() -> str:
    """Where small files may be written under a read-only root: every container has /dev/shm."""
    shared = "/dev/shm"  # noqa: S108 - only private folders and unlinked files are made in it
    return shared if os.access(shared, os.W_OK) else tempfile.gettempdir()


class _Log(Logger):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's own messages, through our handlers and at our level."""

    def setup(self, cfg: Any) -> None:
        self.cfg = cfg
        self._access_log_enabled = False
        self.error_log.propagate = True

    def info(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """What gunicorn does is a detail; that it speaks http is what it believes (TLS is the worker's)."""
        self.error_log.debug(msg, *args, **kwargs)


class _Master(Arbiter):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's master, whose new workers hear a signal that comes before they listen for it.

    A worker is born with its master's handlers, which queue what they get for the master: a SIGTERM that reached it
    before it had its own was lost, and the stop waited for the whole graceful timeout.
    """

    def spawn_worker(self) -> Any:
        """Fork with the signals held; the worker lets them in (worker.py)."""
        signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
        try:
            return super().spawn_worker()  # a worker ends in here
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)


class _Application(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """Our settings as gunicorn's, and what a worker needs from its master."""

    def __init__(
        self,
        server: Serving,
        start: Callable[[str], Served],
        name: str,
        certificate: ServingCertificate | None,
        listeners: list[Any],
        metrics_folder: str,
    ) -> None:
        self._server = server
        self._start = start
        self._name = name
        self._certificate = certificate
        self._metrics_folder = metrics_folder
        self._served: Served | None = None
        self._addresses = [listener.getsockname() for listener in listeners]
        # gunicorn closes the descriptor it is given.
        self._descriptors = [listener.detach() for listener in listeners]
        self.edge = Edge(
            certificate=certificate,
            telemetry_address=self._addresses[1] if len(listeners) > 1 else None,
            longest_body=server.max_body_bytes,
            read_timeout=server.read_timeout,
            drain=min(_LONGEST_DRAIN, server.graceful_timeout * _DRAIN_SHARE),
        )
        super().__init__()

    def run(self) -> None:
        """Serve until told to stop."""
        _Master(self).run()

    def load_config(self) -> None:
        """Called by gunicorn."""
        settings = {
            "bind": [f"fd://{descriptor}" for descriptor in self._descriptors],
            "workers": self._server.workers,
            "threads": self._server.threads,
            "worker_class": Worker,
            "worker_connections": _CONNECTIONS,
            "worker_tmp_dir": memory_folder(),
            "keepalive": _KEEPALIVE,
            "timeout": _LOOP_TIMEOUT,
            "graceful_timeout": math.ceil(self._server.graceful_timeout),
            "control_socket_disable": True,  # it would write below the home folder
            "forwarded_allow_ips": "",  # nobody may speak for others
            "http_parser": "python",
            "proc_name": self._name,
            "logger_class": _Log,
            "when_ready": self._when_ready,
            "child_exit": self._child_exit,
            "worker_exit": self._worker_exit,
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Called by gunicorn in each worker: the WSGI application."""
        served = self._served = self._start(self._metrics_folder)
        if self._certificate:
            self._certificate.on_reload_failure = served.metrics.reload_failed
        # A gauge begins with 0, and a certificate that ends in 1970 is an alert.
        self._show_state(served)
        self.edge.metrics = served.metrics
        self.edge.show_state = lambda: self._show_state(served)
        readiness = lambda: self._readiness(served)  # noqa: E731 - a closure of one line
        app = served.app(readiness)
        if self.edge.telemetry_address is None:
            return app
        return by_listener(app, create_telemetry_app(readiness, served.metrics), self.edge.telemetry_address[:2])

    def _readiness(self, served: Served) -> Readiness:
        sources = served.readiness()
        missing = dict(sources.missing)
        if self._certificate and self._certificate.not_after <= time.time():
            missing["certificate"] = f"expired: renew {self._server.tls_cert_file}"
        if self.edge.draining:
            missing["server"] = "stopping"
        return replace(sources, missing=missing)

    def _show_state(self, served: Served) -> None:
        """Called when a worker starts and by its loop once a second."""
        try:
            if self._certificate:
                # Also a server that gets no new connections shows, and says when it fails to load, a renewed one.
                self._certificate.context()
                served.metrics.show_certificate(self._certificate.not_after)
            served.show_state()
        except Exception as exc:  # noqa: BLE001 - the outermost edge of both: requests are answered without gauges
            served.metrics.bug()
            _log.error("a bug: the gauges are not up to date\n%s", log.describe_exception(exc))

    def _when_ready(self, _: Arbiter) -> None:
        """In the master, before the workers are forked."""
        scheme = "http" if self._certificate is None else "https"
        said = {"address": shown(self._addresses[0]), "scheme": scheme}
        if len(self._addresses) > 1:
            said["telemetry_address"] = shown(self._addresses[1])
        log.EventLog().write("listening", said)
        # What exists now is shared by all workers until somebody writes to it, as a collection would.
        gc.freeze()

    def _child_exit(self, _: Arbiter, worker: Any) -> None:
        """In the master, when a worker is gone."""
        from serving.metrics import forget_process  # noqa: PLC0415 - as in load()

        forget_process(worker.pid, self._metrics_folder)

    def _worker_exit(self, _: Arbiter, __: Any) -> None:
        """In a worker, at its end."""
        if self._served:
            self._served.stop()
