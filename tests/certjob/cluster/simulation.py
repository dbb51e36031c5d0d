"""A cluster in memory: the strict fake's objects without HTTP, API servers that lag behind, replicas that reload late.

Time passes only where a run sleeps or makes a request. After every write and every tick holds what must always hold:
each API server trusts what each replica serves.
"""

import copy
import dataclasses
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from cryptography import x509

from certjob.certificates import Source, new_private_key
from certjob.checks import chain_fault, dates_fault
from certjob.cluster.converge import Job, Outcome, World, converge
from certjob.cluster.endpoints import Endpoint
from certjob.cluster.look import look
from certjob.cluster.observed import Answer, Observed, Served, Silent
from certjob.cluster.target import Target
from certjob.cluster.write import Making
from certjob.decide import Unusable
from certjob.names import serving_names
from demo.fakes.api_server.handler import _route
from demo.fakes.api_server.objects import Object, RefusalError
from demo.fakes.api_server.state import State
from kube.client import Listing
from kube.errors import NotFoundError, UnexpectedObjectError, status_error
from tests.certjob.cluster.objects import CONFIGURATIONS, SLICES, certificates_of, configuration, slice_of, trusted_by

T = TypeVar("T")
START = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC)
TARGET = Target(service="hook", namespace="ns", secret="certs", ca_secret="certs-ca", configuration="hooks")
MAKING = Making(
    names=serving_names(service="hook", namespace="ns"),
    common_name="hook.ns.svc",
    lifetime=timedelta(days=365),
    ca_lifetime=timedelta(days=3650),
    source=Source(new_key=new_private_key, new_serial=x509.random_serial_number),
)
TICK = 0.5
REQUEST = 0.01
# A pod that waits for its Secret looks for it no sooner.
POD_START = 6.0
# The slowest API server sees a change just before the run relies on it.
API_SERVER_LAGS = (0.0, 0.3, 4.9)


@dataclass(slots=True, kw_only=True)
class Replica:
    """A pod of the webhook, which serves the Secret of some time ago."""

    address: str
    lag: float
    serving: bool = True
    terminating: bool = False
    silent: bool = False
    frozen: x509.Certificate | None = None
    """What it serves for ever, as a webhook does that reads its files once."""


@dataclass(slots=True)
class Cluster:
    """All there is, and its history."""

    state: State = field(default_factory=lambda: State(None))
    replicas: list[Replica] = field(default_factory=list)
    time: float = 0.0
    trusted: list[tuple[float, tuple[x509.Certificate, ...]]] = field(default_factory=list)
    leaves: list[tuple[float, x509.Certificate]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    writes: int = 0
    strict: bool = True

    def __post_init__(self) -> None:
        self.state.load(CONFIGURATIONS, configuration(TARGET))
        self.state.after_write = self.changed
        self.changed()

    @property
    def now(self) -> datetime:
        """The time of day."""
        return START + timedelta(seconds=int(self.time))

    def changed(self) -> None:
        """Something was written."""
        self.writes += 1
        found = self.state.find(CONFIGURATIONS, "", TARGET.configuration)
        self.trusted.append((self.time, trusted_by(found)))
        leaf = certificates_of(self.state.find("secrets", TARGET.namespace, TARGET.secret), "tls.crt")
        if leaf and (not self.leaves or self.leaves[-1][1] != leaf[0]):
            self.leaves.append((self.time, leaf[0]))
        self.check()

    def advance(self, seconds: float) -> None:
        """Time passes, in ticks."""
        end = self.time + seconds
        while self.time < end:
            self.time = min(end, self.time + TICK)
            self.check()

    def pass_over(self, span: timedelta) -> None:
        """A long time in which nothing happens."""
        self.time += span.total_seconds()

    def check(self) -> None:
        """What must always hold."""
        for lag in API_SERVER_LAGS if self.strict else ():
            bundle = _as_of(self.trusted, self.time - lag) or ()
            for replica in self.replicas:
                leaf = self.served(replica)
                if leaf is None or not replica.serving:
                    continue
                issuers = [one for one in bundle if _has_issued(one, leaf) and not dates_fault(one, self.now)]
                assert issuers, f"at {self.time} an API server {lag} s behind refuses {replica}"
                assert not dates_fault(leaf, self.now)

    def served(self, replica: Replica) -> x509.Certificate | None:
        """What the replica serves now; None where it has not started."""
        if replica.frozen is not None:
            return replica.frozen
        if not self.leaves or self.time < self.leaves[0][0] + POD_START:
            return None
        return _as_of(self.leaves, self.time - replica.lag) or self.leaves[0][1]

    def slices(self) -> list[Object]:
        """As the endpoint slice controller keeps them."""
        started = [replica for replica in self.replicas if self.served(replica) is not None]
        return [slice_of(TARGET, [(one.address, one.serving, one.terminating) for one in started])]

    def ask(self, endpoint: Endpoint, server_name: str, trusted: Sequence[x509.Certificate]) -> Answer:
        """A handshake."""
        assert server_name == "hook.ns.svc"
        found = [one for one in self.replicas if one.address == endpoint.address]
        leaf = self.served(found[0]) if found and not found[0].silent else None
        if leaf is None:
            return Silent(reason="connection refused")
        return Served(leaf=leaf, distrust=None if any(_has_issued(one, leaf) for one in trusted) else "untrusted")

    def run(self, job: Job, hook: Callable[[str], None] = lambda _: None) -> Outcome:
        """One run of the cert job; the hook is called before and after each request, with its verb."""
        world = World(
            api=Direct(self, hook),
            ask=self.ask,
            now=lambda: self.now,
            clock=lambda: self.time,
            sleep=self.advance,
            tell=self.lines.append,
        )
        return converge(job, world)

    def observed(self) -> Observed:
        """A look that costs no time."""
        return look(Direct(self, lambda _: None, cost=0), TARGET, self.ask)


class Direct:
    """`kube.client.Client` without the network."""

    def __init__(self, cluster: Cluster, hook: Callable[[str], None], cost: float = REQUEST) -> None:
        self._cluster = cluster
        self._hook = hook
        self._cost = cost

    def get(self, path: str) -> dict[str, Any]:
        """As the client."""
        resource, namespace, name = _route(path) or ("", "", "")

        def find() -> Object:
            found = self._cluster.state.find(resource, namespace, name)
            if found is None:
                raise NotFoundError(f"GET {path}: 404")
            return found

        return self._do("get", path, find)

    def list(self, path: str, *, keep: Callable[[dict[str, Any]], T]) -> Listing[T]:
        """As the client."""
        assert (_route(path) or ("",))[0] == SLICES
        items = self._do("list", path, lambda: {"items": self._cluster.slices()})["items"]
        return Listing(items=[keep(item) for item in items], resource_version="1")

    def create(self, path: str, obj: dict[str, Any]) -> dict[str, Any]:
        """As the client."""
        resource, namespace, _ = _route(path) or ("", "", "")
        return self._do("create", path, lambda: self._cluster.state.create(resource, namespace, obj))

    def replace(self, path: str, obj: dict[str, Any]) -> dict[str, Any]:
        """As the client."""
        assert obj["metadata"]["resourceVersion"]
        return self._do("update", path, lambda: self._cluster.state.replace(*(_route(path) or ("", "", "")), obj))

    def patch(self, path: str, patch: Any) -> dict[str, Any]:
        """As the client."""
        media_type = "application/json-patch+json"
        route = _route(path) or ("", "", "")
        return self._do("patch", path, lambda: self._cluster.state.patch(*route, media_type, patch))

    def _do(self, verb: str, path: str, request: Callable[[], Object]) -> Object:
        self._hook(f"before {verb}")
        self._cluster.time += self._cost
        try:
            answer = copy.deepcopy(request())
        except RefusalError as exc:
            raise status_error(exc.status, request=path, message=exc.message, verb=verb, reason=exc.reason) from None
        self._hook(f"after {verb}")
        return answer


def job(**changes: Any) -> Job:
    """What the operator asks for."""
    return dataclasses.replace(Job(target=TARGET, making=MAKING, timeout=timedelta(minutes=5)), **changes)


def authority_of(observed: Observed) -> x509.Certificate:
    """The CA in use."""
    found = observed.present.authority
    if isinstance(found, Unusable):
        raise UnexpectedObjectError(found.reason)
    return found


@functools.cache
def _has_issued(issuer: x509.Certificate, leaf: x509.Certificate) -> bool:
    return chain_fault(leaf, issuer) is None


def _as_of(history: Sequence[tuple[float, T]], moment: float) -> T | None:
    before = [value for at, value in history if at <= moment]
    return before[-1] if before else None
