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
from serving.status import Readiness, said
from webhook.account_file import FileServiceAccounts
from webhook.account_lookup import LookupLimits
from webhook.accounts import WatchedServiceAccounts
from webhook.broker_ca import FileBrokerCa
from webhook.config_maps import ReadConfigMaps
from webhook.entrypoint.assemble import webhook_lookup
from webhook.entrypoint.counts import UNCOUNTED, Counts
from webhook.in_force import SettingsInForce
from webhook.kubelet_version import Floor, GivenFloor, Version, shown
from webhook.nodes import WatchedNodes
from webhook.one_review import for_one_review
from webhook.review import Answer, ServiceAccounts, review
from webhook.role_policy import RolePolicy
from webhook.secrets.look_ups import OFFLINE, LookUps, Unasked
from webhook.settings import ServerSettings, Settings
from webhook.status import Gauges

# A worker shares its port with others, which may make its pod ready before it knows the nodes: it begins a little
# later, not with a sidecar that keeps a Job from completing. An API server that is away must not hold it for long.
_FIRST_FLOOR_SECONDS = 1.0
_ACCOUNTS, _FLOOR, _POLICY, _BROKER_CA = "service accounts", "kubelet version floor", "role policy", "broker's CA"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviews:
    """Reviews, and what readiness and metrics say about where their answers come from."""

    review: Callable[[Any], Answer]
    readiness: Callable[[], Readiness]
    """Whether reviews can be answered well now, and from what."""
    gauges: Callable[[], Gauges]
    stop: Callable[[], None]


class StartReviews(Protocol):
    """What makes one worker's."""

    def __call__(self, counts: Counts = UNCOUNTED) -> Reviews:
        """After the fork; `counts` is told of look-ups."""


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


class _Policies(_Source, Protocol):
    @property
    def policy(self) -> RolePolicy:
        """The policy, for every review."""

    @property
    def text(self) -> str:
        """For people."""

    @property
    def loaded_at(self) -> float:
        """Seconds since 1970."""

    @property
    def failures(self) -> int:
        """Changed policies that could not be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Files:
    """What is read from files that change."""

    policies: _Policies | None
    broker_ca: FileBrokerCa | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outside:
    """What is asked for secrets, and how to end it."""

    look_ups: LookUps
    seconds: float
    """For all questions of one review; one that was begun in time may end after it."""
    stops: tuple[Callable[[], None], ...]


def prepare_reviews(settings: Settings, server: ServerSettings, environ: Mapping[str, str]) -> StartReviews:
    """What makes the reviews in each worker.

    Raises `AccountFileError`, `RolePolicyFileError`, `BrokerCaError` and `ConnectionConfigError`.
    """
    broker_ca = FileBrokerCa(server.broker_ca_file) if server.broker_ca_file else None
    files = _Files(policies=_policies(server), broker_ca=broker_ca)
    if server.service_accounts_file:
        # Each worker has a copy of its own by the fork. One that is started later, when the file is broken, has this.
        accounts = FileServiceAccounts(server.service_accounts_file)
        floor = _given_floor(settings, server)
        return lambda counts=UNCOUNTED: _reviews(
            settings, accounts, floor, files, _outside(server, environ, None, counts)
        )
    kubeconfig = server.kubeconfig
    connection = from_kubeconfig(kubeconfig) if kubeconfig else in_cluster(environ, clock=time.monotonic)
    return lambda counts=UNCOUNTED: _from_cluster(
        settings, server, connection, files, _outside(server, environ, connection, counts)
    )


def _policies(server: ServerSettings) -> _Policies | None:
    if not server.role_policy_file:
        return None
    from webhook.role_policy_file import FileRolePolicy  # noqa: PLC0415 - YAML only where it is needed

    return FileRolePolicy(server.role_policy_file)


def _given_floor(settings: Settings, server: ServerSettings) -> GivenFloor:
    if server.follows_kubelet_versions:
        reason = "assumed, as --service-accounts asks no API server"
        return GivenFloor(Floor(version=settings.kubelet_version_floor, source="offline", reason=reason))
    reason = "as --kubelet-version-floor says"
    return GivenFloor(Floor(version=settings.kubelet_version_floor, source="fixed", reason=reason))


def _outside(
    server: ServerSettings, environ: Mapping[str, str], connection: Connection | None, counts: Counts
) -> _Outside:
    limits = LookupLimits.for_threads(server.threads)
    config_maps = ReadConfigMaps(connection, clock=time.monotonic, limits=limits) if connection else None
    entrypoints = None
    if server.entrypoint.entrypoint_lookup:
        entrypoints = webhook_lookup(
            server.entrypoint, connection=connection, environ=environ, threads=server.threads, counts=counts
        )
    return _Outside(
        look_ups=LookUps(
            config_maps=config_maps or OFFLINE.config_maps,
            entrypoints=entrypoints or Unasked("the webhook's operator has switched the look-up off"),
        ),
        seconds=server.entrypoint.entrypoint_timeout,
        stops=tuple(each.stop for each in (config_maps, entrypoints) if each is not None),
    )


def _from_cluster(
    settings: Settings, server: ServerSettings, connection: Connection, files: _Files, outside: _Outside
) -> Reviews:
    limits = LookupLimits.for_threads(server.threads)
    accounts = WatchedServiceAccounts(connection, clock=time.monotonic, random=random.random, limits=limits)
    accounts.start()
    if not server.follows_kubelet_versions:
        return _reviews(settings, accounts, _given_floor(settings, server), files, outside)
    nodes = WatchedNodes(connection, clock=time.monotonic, random=random.random)
    nodes.start()
    nodes.await_floor(_FIRST_FLOOR_SECONDS)
    return _reviews(settings, accounts, nodes, files, outside)


def _reviews(settings: Settings, accounts: _Accounts, floors: _Floors, files: _Files, outside: _Outside) -> Reviews:
    policies, broker_ca = files.policies, files.broker_ca
    in_force = SettingsInForce(
        settings,
        floor=lambda: floors.version,
        role_policy=lambda: policies.policy if policies else None,
        broker_ca=lambda: broker_ca.pem if broker_ca else "",
    )
    sources: dict[str, _Source] = {_ACCOUNTS: accounts, _FLOOR: floors}
    if policies:
        sources[_POLICY] = policies
    if broker_ca:
        sources[_BROKER_CA] = broker_ca

    def readiness() -> Readiness:
        return Readiness(
            missing=said({name: source.unready for name, source in sources.items()}),
            problems=said({name: source.problem for name, source in sources.items()}),
            details=said({_FLOOR: floors.floor.text, _POLICY: policies.text if policies else ""}),
        )

    def gauges() -> Gauges:
        in_force()  # a webhook that gets no reviews notices changes too
        floor = floors.floor
        return Gauges(
            service_accounts=accounts.size,
            age=accounts.age_seconds(time.monotonic()),
            floor_version=shown(floor.version),
            floor_source=floor.source,
            role_policy_loaded_at=policies.loaded_at if policies else None,
            role_policy_failures=policies.failures if policies else 0,
        )

    def stop() -> None:
        for end in (*outside.stops, *(source.stop for source in sources.values())):
            end()

    def answer(body: Any) -> Answer:
        look_ups = for_one_review(outside.look_ups, seconds=outside.seconds, clock=time.monotonic)
        return review(body, accounts=accounts, settings=in_force(), look_ups=look_ups)

    return Reviews(
        review=answer,
        readiness=readiness,
        gauges=gauges,
        stop=stop,
    )
