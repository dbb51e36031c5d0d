"""What does the broker serve, and what stops its start?

How gunicorn runs it is serving's; here is what each worker makes after the fork, so that no two share a connection.
What is remembered, each worker process remembers for itself.
"""

import importlib.metadata
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from flask import Flask

from contract import exit_codes
from kube.client import Client
from kube.config import Connection, from_kubeconfig, in_cluster
from kube.errors import ConnectionConfigError
from secretenv.broker import issuer_keys
from secretenv.broker.answering import Answering, Policy, SharedRole
from secretenv.broker.app import Parts, create_app
from secretenv.broker.aws import AwsSessions
from secretenv.broker.caller import Callers
from secretenv.broker.grants import Grants
from secretenv.broker.grants_file import GrantsFileError, grants_file
from secretenv.broker.legacy import Legacy
from secretenv.broker.places import Places
from secretenv.broker.proofs import Proofs
from secretenv.broker.reachable import Reachable
from secretenv.broker.reading import Limits, Reading
from secretenv.broker.sessions import Sessions
from secretenv.broker.settings import BrokerSettings
from serving import log
from serving import server as serving
from serving.reloaded_file import ReloadedFile
from serving.status import Readiness, said

_log = logging.getLogger(__name__)

# Of the threads: for probes and refusals, and of the others the share that may wait for AWS, which is slower.
_SPARE_THREADS = 4
_AWS_SHARE = 0.75


def serve(settings: BrokerSettings, environ: Mapping[str, str]) -> int:
    """The broker. Returns an exit code if the start fails; else gunicorn ends the process."""
    log.configure(settings.log_level, as_json=settings.log_json)
    try:
        grants = grants_file(settings.grants_file) if settings.grants_file else None
        kubeconfig = settings.kubeconfig
        connection = from_kubeconfig(kubeconfig) if kubeconfig else in_cluster(environ, clock=time.monotonic)
    except GrantsFileError as exc:
        _log.critical("--grants: %s", exc)
        return exit_codes.USAGE
    except ConnectionConfigError as exc:
        _log.critical("%s (--kubeconfig names one)", exc)
        return exit_codes.USAGE
    version = importlib.metadata.version("token-injector")
    return serving.run(
        settings,
        lambda folder: _ServedSecrets(settings, environ, connection, grants, folder, version),
        name="token-injector-broker",
    )


class _ServedSecrets:
    """What one worker process serves."""

    def __init__(
        self,
        settings: BrokerSettings,
        environ: Mapping[str, str],
        connection: Connection,
        grants: ReloadedFile[Grants] | None,
        metrics_folder: str,
        version: str,
    ) -> None:
        from secretenv.broker.metrics import BrokerMetrics  # noqa: PLC0415 - prometheus_client must find its folder

        self.metrics = BrokerMetrics(metrics_folder, version, legacy=settings.takes_legacy)
        self._grants = grants
        self._client = Client(connection, connections=settings.threads)
        self._reachable = Reachable(self._client)
        self._reachable.start()
        self._parts = self._made(settings, environ)

    def _made(self, settings: BrokerSettings, environ: Mapping[str, str]) -> Parts:
        for_aws, for_api = _places(settings.threads)
        aws = AwsSessions(default_region=settings.region, counts=self.metrics, most_regions=settings.most_regions)
        reading = Reading(
            Sessions(aws.exchange),
            limits=Limits(fresh=settings.cache_seconds, stale=settings.stale_seconds),
            place=for_aws.taken,
            counts=self.metrics,
        )
        regions = settings.regions or aws.regions
        policy = Policy(
            timeout=settings.request_timeout,
            regions=regions,
            regions_per_request=settings.regions_per_request,
            default_region=aws.default_region,
            shared_role=self._shared(settings),
        )
        proofs = Proofs(settings.key_urls, fetch=issuer_keys.fetch, clock=time.time)
        answering = Answering(reading, policy, proven=proofs.claims)
        callers = Callers(self._client)
        return Parts(
            callers=callers,
            answering=answering,
            legacy=Legacy(callers, answering, environ) if settings.takes_legacy else None,
            api_place=for_api.taken,
            max_body_bytes=settings.max_body_bytes,
        )

    def _shared(self, settings: BrokerSettings) -> SharedRole | None:
        if self._grants is None:
            return None
        return SharedRole(
            role_arn=settings.shared_role_arn,
            token_file=Path(settings.shared_token_file),
            grants=self._grants.content,
            enforces_accounts=settings.enforces_accounts,
        )

    def app(self, readiness: Callable[[], Readiness]) -> Flask:
        """As the Protocol says."""
        return create_app(self._parts, readiness, self.metrics, log.EventLog())

    def readiness(self) -> Readiness:
        """Whether pods can be told apart."""
        return Readiness(
            missing=said({"API server": self._reachable.problem}),
            problems=said({"grants": self._grants.problem if self._grants else None}),
        )

    def show_state(self) -> None:
        """Set the gauges."""
        if self._grants is not None:
            self._grants.content()  # a broker that nobody asks notices changes too
            self.metrics.show_grants(loaded_at=self._grants.loaded_at, failures=self._grants.failures)

    def stop(self) -> None:
        """End threads and connections."""
        self._reachable.stop()
        self._client.close()


def _places(threads: int) -> tuple[Places, Places]:
    """How many threads may wait for AWS, and how many for the API server."""
    waiting = max(2, threads - _SPARE_THREADS)
    for_aws = max(1, int(waiting * _AWS_SHARE))
    return Places(for_aws, "AWS"), Places(max(1, waiting - for_aws), "the API server")
