"""What does the webhook serve, and what stops its start?

How gunicorn runs it is serving's; here is what each worker makes after the fork, so that no two share a connection.
"""

import importlib.metadata
import logging
from collections.abc import Callable, Mapping

from flask import Flask

from contract import exit_codes
from kube.errors import ConnectionConfigError
from serving import log
from serving import server as serving
from serving.reloaded_file import FileError
from serving.status import Readiness
from webhook.account_file import AccountFileError
from webhook.app import create_app
from webhook.broker_ca import BrokerCaError
from webhook.entrypoint.counts import Counts
from webhook.reviews import Reviews, prepare_reviews
from webhook.settings import ServerSettings, Settings

_log = logging.getLogger(__name__)
# In piggy one program admits and reads.
_OF_BROKER = "PIGGY_ENFORCE_SERVICE_ACCOUNT"


def serve(settings: Settings, server: ServerSettings, environ: Mapping[str, str]) -> int:
    """The webhook. Returns an exit code if the start fails; else gunicorn ends the process."""
    log.configure(server.log_level, as_json=server.log_json)
    if _OF_BROKER in settings.secrets.piggy:
        _log.warning(
            "%s does nothing here, and protects nothing: the broker reads the secrets; give it to the broker, or "
            "--enforce-service-account (the chart's broker.settings)",
            _OF_BROKER,
        )
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


def run(server: ServerSettings, start_reviews: Callable[[Counts], Reviews], version: str) -> int:
    """Serve until told to stop. Returns an exit code if the start fails; else gunicorn ends the process."""
    return serving.run(
        server,
        lambda folder: _ServedReviews(start_reviews, folder, version, server.max_body_bytes),
        name="token-injector-webhook",
    )


class _ServedReviews:
    """What one worker process serves."""

    def __init__(
        self, start_reviews: Callable[[Counts], Reviews], metrics_folder: str, version: str, max_body_bytes: int
    ) -> None:
        from webhook.metrics import PrometheusMetrics  # noqa: PLC0415 - prometheus_client must find its folder named

        self.metrics = PrometheusMetrics(metrics_folder, version)
        self._reviews = start_reviews(self.metrics)
        self._max_body_bytes = max_body_bytes

    def app(self, readiness: Callable[[], Readiness]) -> Flask:
        """As the Protocol says."""
        return create_app(self._reviews.review, readiness, self.metrics, log.EventLog(), self._max_body_bytes)

    def readiness(self) -> Readiness:
        """Whether reviews can be answered well now."""
        return self._reviews.readiness()

    def show_state(self) -> None:
        """Set the gauges."""
        self.metrics.show(self._reviews.gauges())

    def stop(self) -> None:
        """End threads and connections."""
        self._reviews.stop()
