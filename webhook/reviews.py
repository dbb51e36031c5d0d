"""What does one worker process serve?

Prepared once, before the fork: a wrong file or kubeconfig stops the start, and later on no worker's. Made in each
worker, after the fork, is what two can't share: connections and threads.
"""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from kube.config import Connection, from_kubeconfig, in_cluster
from webhook.account_file import FileServiceAccounts
from webhook.account_lookup import LookupLimits
from webhook.accounts import WatchedServiceAccounts
from webhook.in_force import SettingsInForce
from webhook.kubelet_version import Floor, GivenFloor, Version, shown
from webhook.nodes import WatchedNodes
from webhook.review import Answer, ServiceAccounts, review
from webhook.settings import ServerSettings, Settings
from webhook.status import Gauges, Readiness, said

_ACCOUNTS, _FLOOR = "service accounts", "kubelet version floor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviews:
    """Reviews, and what readiness and metrics say about where their answers come from."""

    review: Callable[[Any], Answer]
    readiness: Callable[[], Readiness]
    """Whether reviews can be answered well now, and from what."""
    gauges: Callable[[], Gauges]
    stop: Callable[[], None]


class _Source(Protocol):
    """Where a part of each answer comes from."""

    @property
    def unready(self) -> str:
        """Why it can't give what it will give; "" if it can."""

    @property
    def problem(self) -> str | None:
        """What is wrong while the last good state is served; None if nothing is."""

    def stop(self) -> None:
        """End its threads and connections, if it has any."""


class _Accounts(_Source, ServiceAccounts, Protocol):
    @property
    def size(self) -> int:
        """How many are known."""

    def age_seconds(self, now: float) -> float | None:
        """Seconds since they were confirmed; None if they never were."""


class _Floors(_Source, Protocol):
    @property
    def version(self) -> Version | None:
        """The floor, for every review."""

    @property
    def floor(self) -> Floor:
        """The floor and where it comes from."""


def prepare_reviews(settings: Settings, server: ServerSettings, environ: Mapping[str, str]) -> Callable[[], Reviews]:
    """What makes the reviews in each worker. Raises `AccountFileError` and `ConnectionConfigError`."""
    if server.service_accounts_file:
        # Each worker has a copy of its own by the fork. One that is started later, when the file is broken, has this.
        accounts = FileServiceAccounts(server.service_accounts_file)
        return lambda: _reviews(settings, accounts, _given_floor(settings, server))
    kubeconfig = server.kubeconfig
    connection = from_kubeconfig(kubeconfig) if kubeconfig else in_cluster(environ, clock=time.monotonic)
    return lambda: _from_cluster(settings, server, connection)


def _given_floor(settings: Settings, server: ServerSettings) -> GivenFloor:
    if server.follows_kubelet_versions:
        reason = "assumed, as --service-accounts asks no API server"
        return GivenFloor(Floor(version=settings.kubelet_version_floor, source="offline", reason=reason))
    reason = "as --kubelet-version-floor says"
    return GivenFloor(Floor(version=settings.kubelet_version_floor, source="fixed", reason=reason))


def _from_cluster(settings: Settings, server: ServerSettings, connection: Connection) -> Reviews:
    limits = LookupLimits.for_threads(server.threads)
    accounts = WatchedServiceAccounts(connection, clock=time.monotonic, random=random.random, limits=limits)
    accounts.start()
    if not server.follows_kubelet_versions:
        return _reviews(settings, accounts, _given_floor(settings, server))
    nodes = WatchedNodes(connection, clock=time.monotonic, random=random.random)
    nodes.start()
    return _reviews(settings, accounts, nodes)


def _reviews(settings: Settings, accounts: _Accounts, floors: _Floors) -> Reviews:
    in_force = SettingsInForce(settings, floor=lambda: floors.version)
    sources: Mapping[str, _Source] = {_ACCOUNTS: accounts, _FLOOR: floors}

    def readiness() -> Readiness:
        return Readiness(
            missing=said({name: source.unready for name, source in sources.items()}),
            problems=said({name: source.problem for name, source in sources.items()}),
            details={_FLOOR: floors.floor.text},
        )

    def gauges() -> Gauges:
        floor = floors.floor
        return Gauges(
            service_accounts=accounts.size,
            age=accounts.age_seconds(time.monotonic()),
            floor_version=shown(floor.version),
            floor_source=floor.source,
        )

    def stop() -> None:
        for source in sources.values():
            source.stop()

    return Reviews(
        review=lambda body: review(body, accounts=accounts, settings=in_force()),
        readiness=readiness,
        gauges=gauges,
        stop=stop,
    )
