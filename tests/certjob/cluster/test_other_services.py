"""A second Service that serves with the same certificate: it is named in it, and waited for."""

import dataclasses
from collections.abc import Sequence

from cryptography import x509

from certjob.cluster.converge import Job
from certjob.cluster.endpoints import Endpoint
from certjob.cluster.findings import findings
from certjob.cluster.look import look
from certjob.cluster.observed import Answer
from certjob.cluster.step import AwaitReplicas, Done
from certjob.names import serving_names
from demo.fakes.api_server.objects import Object
from tests.certjob.cluster.objects import slice_of
from tests.certjob.cluster.simulation import MAKING, TARGET, Cluster, Direct, Replica, job

BOTH = dataclasses.replace(TARGET, also=("broker",))
NAMES = serving_names(service="hook", namespace="ns", also=["broker"])


class TwoServices(Cluster):
    """10.0.1.* are the broker's."""

    def slices(self) -> list[Object]:
        """Two Services', one more that is nobody's business."""
        started = [one for one in self.replicas if self.served(one) is not None]
        split: list[list[tuple[str, bool, bool]]] = [[], []]
        for one in started:
            split[one.address.startswith("10.0.1.")].append((one.address, one.serving, one.terminating))
        other = dataclasses.replace(TARGET, service="other")
        broker = dataclasses.replace(TARGET, service="broker")
        return [slice_of(TARGET, split[0]), slice_of(broker, split[1]), slice_of(other, [("10.0.2.1", True, False)])]

    def ask(self, endpoint: Endpoint, server_name: str, trusted: Sequence[x509.Certificate]) -> Answer:
        """Each by its own Service's name."""
        assert server_name == ("broker.ns.svc" if endpoint.address.startswith("10.0.1.") else "hook.ns.svc")
        return super().ask(endpoint, "hook.ns.svc", trusted)


def both_job(**changes: bool) -> Job:
    """A run for both."""
    return dataclasses.replace(job(**changes), target=BOTH, making=dataclasses.replace(MAKING, names=NAMES))


def cluster(*replicas: Replica) -> TwoServices:
    """A webhook and a broker at work."""
    found = TwoServices(replicas=[Replica(address="10.0.0.1", lag=1.0), *replicas])
    found.run(both_job())
    found.advance(120)
    return found


def test_the_leaf_names_both() -> None:
    """Eight names; and a leaf of before, for the webhook alone, is renewed and said to be wrong."""
    assert NAMES.dns[4:] == ("broker", "broker.ns", "broker.ns.svc", "broker.ns.svc.cluster.local")
    found = TwoServices(replicas=[Replica(address="10.0.0.1", lag=1.0), Replica(address="10.0.1.1", lag=1.0)])
    found.run(job())
    found.advance(120)
    said = findings(look(Direct(found, lambda _: None, cost=0), BOTH, found.ask), now=found.now, warn_days=30)
    assert any("does not name broker.ns.svc" in finding for finding in said)
    assert isinstance(found.run(both_job()).end, Done)
    found.advance(120)
    assert not findings(look(Direct(found, lambda _: None, cost=0), BOTH, found.ask), now=found.now, warn_days=30)


def test_the_old_ca_is_trusted_until_the_other_service_has_the_new_one() -> None:
    """A broker that reads its certificate once holds up the end of a rotation as a webhook would."""
    found = cluster(Replica(address="10.0.1.1", lag=1.0))
    found.replicas[1].frozen = found.served(found.replicas[1])
    outcome = found.run(both_job(rotate_ca=True))
    assert isinstance(outcome.end, AwaitReplicas)
    assert [endpoint.address for endpoint, _ in outcome.end.stale] == ["10.0.1.1"]
    found.replicas[1].frozen = None
    assert isinstance(found.run(both_job()).end, Done)
