"""How does gunicorn run us?

The master binds, loads the certificate and watches its workers; each worker makes what it serves after the fork, so
that no two share a connection. TLS is the worker's own (worker.py): gunicorn is given no certificate.
"""

import contextlib
import gc
import importlib.metadata
import logging
import math
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger

from contract import exit_codes
from kube.errors import ConnectionConfigError
from webhook import log
from webhook.account_file import AccountFileError
from webhook.app import create_app
from webhook.broker_ca import BrokerCaError
from webhook.listen import ListenError, listen, shown
from webhook.reloaded_file import FileError
from webhook.reviews import Reviews, prepare_reviews
from webhook.settings import ServerSettings, Settings
from webhook.status import Readiness
from webhook.telemetry import by_listener, create_telemetry_app
from webhook.tls import ServingCertificate, TlsError
from webhook.worker import HELD, Edge, Worker

if TYPE_CHECKING:
    from webhook.metrics import PrometheusMetrics

_log = logging.getLogger(__name__)

# prometheus_client reads it when it is imported, and its values when they are made; it has no other way to be told.
_METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
# Go's HTTP client, and so the API server, closes idle connections after 90 s. Who closes first must not be us: a
# review on its way to a closing connection is lost.
_KEEPALIVE = 120
# A worker whose loop stands still for so long is replaced.
_LOOP_TIMEOUT = 30
# Per worker. An API server keeps a few; a thousand file descriptors are the usual limit of a process.
_CONNECTIONS = 512
# The share of the graceful timeout in which new connections are still served.
_DRAIN_SHARE = 0.25
_LONGEST_DRAIN = 5.0


def serve(settings: Settings, server: ServerSettings, environ: Mapping[str, str]) -> int:
    """The webhook. Returns an exit code if the start fails; else gunicorn ends the process."""
    log.configure(server.log_level, as_json=server.log_json)
    try:
        start_reviews = prepare_reviews(settings, server, environ)
    except AccountFileError as exc:
        _log.critical("--service-accounts: %s", exc)
        return exit_codes.USAGE
    except BrokerCaError as exc:
        _log.critical("--broker-ca-file: %s", exc)
        return exit_codes.USAGE
    except FileError as exc:
        _log.critical("--role-policy: %s", exc)
        return exit_codes.USAGE
    except ConnectionConfigError as exc:
        _log.critical("%s (--kubeconfig names one; --service-accounts reads a file and needs no API server)", exc)
        return exit_codes.USAGE
    return run(server, start_reviews, importlib.metadata.version("token-injector"))


def run(server: ServerSettings, start_reviews: Callable[[], Reviews], version: str) -> int:
    """Serve until told to stop. Returns an exit code if the start fails; else gunicorn ends the process."""
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
        _Application(server, start_reviews, version, certificate, listeners, folder).run()
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
        server: ServerSettings,
        start_reviews: Callable[[], Reviews],
        version: str,
        certificate: ServingCertificate | None,
        listeners: list[Any],
        metrics_folder: str,
    ) -> None:
        self._server = server
        self._start_reviews = start_reviews
        self._version = version
        self._certificate = certificate
        self._metrics_folder = metrics_folder
        self._reviews: Reviews | None = None
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
            "proc_name": "token-injector-webhook",
            "logger_class": _Log,
            "when_ready": self._when_ready,
            "child_exit": self._child_exit,
            "worker_exit": self._worker_exit,
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Called by gunicorn in each worker: the WSGI application."""
        from webhook.metrics import PrometheusMetrics  # noqa: PLC0415 - prometheus_client must find its folder named

        reviews = self._reviews = self._start_reviews()
        metrics = PrometheusMetrics(self._metrics_folder, self._version)
        if self._certificate:
            self._certificate.on_reload_failure = metrics.reload_failed
        # A gauge begins with 0, and a certificate that ends in 1970 is an alert.
        self._show_state(metrics, reviews)
        self.edge.metrics = metrics
        self.edge.show_state = lambda: self._show_state(metrics, reviews)
        readiness = lambda: self._readiness(reviews)  # noqa: E731 - a closure of one line
        app = create_app(reviews.review, readiness, metrics, log.EventLog(), self._server.max_body_bytes)
        if self.edge.telemetry_address is None:
            return app
        return by_listener(app, create_telemetry_app(readiness, metrics), self.edge.telemetry_address[:2])

    def _readiness(self, reviews: Reviews) -> Readiness:
        sources = reviews.readiness()
        missing = dict(sources.missing)
        if self._certificate and self._certificate.not_after <= time.time():
            missing["certificate"] = f"expired: renew {self._server.tls_cert_file}"
        if self.edge.draining:
            missing["server"] = "stopping"
        return replace(sources, missing=missing)

    def _show_state(self, metrics: "PrometheusMetrics", reviews: Reviews) -> None:
        """Called by the worker's loop once a second."""
        if self._certificate:
            # Also a webhook that gets no new connections shows, and says when it fails to load, a renewed certificate.
            self._certificate.context()
        metrics.show(reviews.gauges(), not_after=self._certificate.not_after if self._certificate else None)

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
        from webhook.metrics import forget_process  # noqa: PLC0415 - as in load()

        forget_process(worker.pid, self._metrics_folder)

    def _worker_exit(self, _: Arbiter, __: Any) -> None:
        """In a worker, at its end."""
        if self._reviews:
            self._reviews.stop()
