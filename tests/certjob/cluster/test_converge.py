"""Runs in a simulated cluster: killed after every write, two at the same time, with replicas that come, go and lag.

The simulation itself asserts, after every write and every tick, that each API server trusts what each replica serves.
"""

import dataclasses
import random
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest

from certjob.certificates import certificates_pem, issue_leaf, key_pem, new_private_key
from certjob.checks import chain_fault, key_fault
from certjob.cluster.converge import Job, Outcome
from certjob.cluster.secret import MANAGED_BY
from certjob.cluster.step import (
    AwaitReplicas,
    Done,
    IssueLeaf,
    LeaveAlone,
    Publish,
    RecordAuthorities,
    StoreAuthority,
    Trust,
)
from certjob.decide import Unusable
from certjob.errors import DisagreementError, NotInstalledError
from certjob.names import serving_names
from tests.certjob.cluster.foreign import FOREIGN
from tests.certjob.cluster.objects import CONFIGURATIONS, SERVICE_UID, configuration, secret
from tests.certjob.cluster.simulation import MAKING, START, TARGET, Cluster, Replica, authority_of, job

DAY = timedelta(days=1)
WRITES = ("create", "update", "patch")
INSTALL = [StoreAuthority, Trust, IssueLeaf]
ROTATION = [StoreAuthority, Trust, IssueLeaf, Trust, Publish, RecordAuthorities]


class KilledError(Exception):
    """The process is gone."""


def empty() -> Cluster:
    """Nothing but the configuration; two replicas wait for their Secret."""
    return Cluster(replicas=[Replica(address="10.0.0.1", lag=1.0), Replica(address="10.0.0.2", lag=60.0)])


def installed() -> Cluster:
    """A webhook at work."""
    cluster = empty()
    cluster.run(job())
    cluster.advance(120)
    return cluster


def later(days: int) -> Callable[[], Cluster]:
    """A webhook that nobody has looked at for so long."""

    def build() -> Cluster:
        cluster = installed()
        cluster.pass_over(days * DAY)
        return cluster

    return build


def without(name: str) -> Callable[[], Cluster]:
    """A webhook at work whose Secret somebody has deleted; replicas keep what they have mounted."""

    def build() -> Cluster:
        cluster = installed()
        cluster.state.delete(TARGET.namespace, name, "secrets")
        return cluster

    return build


def untrusted() -> Cluster:
    """Somebody has installed the configuration anew: nobody trusts the webhook until a run mends it."""
    cluster = installed()
    cluster.strict = False
    cluster.state.load(CONFIGURATIONS, configuration(TARGET))
    return cluster


def of_the_seed() -> Cluster:
    """The Secret and the caBundle of another system, at work."""
    ca = FOREIGN
    leaf = issue_leaf(
        ca, key=new_private_key(), serial=2, common_name="s", names=MAKING.names, now=START, lifetime=365 * DAY
    )
    data = {"tls.crt": certificates_pem(leaf.certificate), "tls.key": key_pem(leaf.key), "more": b"stays"}
    cluster = Cluster(strict=False)
    cluster.state.load(CONFIGURATIONS, configuration(TARGET, ca_bundle=certificates_pem(ca.certificate)))
    cluster.state.load("secrets", secret(TARGET.secret, data, namespace=TARGET.namespace))
    cluster.advance(300)
    cluster.replicas += [Replica(address="10.0.0.1", lag=1.0), Replica(address="10.0.0.2", lag=60.0)]
    cluster.strict = True
    cluster.check()
    return cluster


Scenario = tuple[Callable[[], Cluster], dict[str, bool], list[type]]
SCENARIOS: dict[str, Scenario] = {
    "install": (empty, {}, INSTALL),
    "nothing-to-do": (installed, {}, []),
    "leaf-at-two-thirds": (later(250), {}, [IssueLeaf]),
    "renew": (installed, {"renew": True}, [IssueLeaf]),
    "rotate": (installed, {"rotate_ca": True}, ROTATION),
    "rotate-and-renew": (installed, {"rotate_ca": True, "renew": True}, ROTATION),
    "serving-secret-lost": (without(TARGET.secret), {}, [IssueLeaf]),
    "ca-secret-lost": (without(TARGET.ca_secret), {}, ROTATION),
    "configuration-made-anew": (untrusted, {}, [Trust]),
    "adopt": (of_the_seed, {"adopt": True}, ROTATION),
}
scenarios = pytest.mark.parametrize("name", SCENARIOS)


def ends_well(cluster: Cluster) -> None:
    """One CA, known and trusted alone, and every replica serves a good leaf of it; the next run changes nothing."""
    cluster.advance(120)
    observed = cluster.observed()
    ca, key, leaf = authority_of(observed), observed.present.authority_key, observed.leaf
    assert observed.present.authorities == observed.published == (ca,)
    assert [entry.trusted for entry in observed.configuration.entries] == [(ca,)]
    assert not isinstance(key, Unusable)
    assert key_fault(ca, key) is None
    assert not isinstance(leaf, Unusable)
    assert chain_fault(leaf, ca) is None
    assert [cluster.served(replica) for replica in cluster.replicas] == [leaf] * len(cluster.replicas)
    for found in (observed.serving, observed.authority):
        assert found is not None
        assert found["metadata"]["labels"][MANAGED_BY] == "token-injector-certs"
        assert [owner["uid"] for owner in found["metadata"]["ownerReferences"]] == [SERVICE_UID]
    writes = cluster.writes
    assert isinstance(cluster.run(job(adopt=False)).end, Done)
    assert cluster.writes == writes


def prepared(name: str) -> tuple[Cluster, Job, list[type]]:
    """A scenario: the cluster, what is asked for, and the changes that follow."""
    build, flags, changes = SCENARIOS[name]
    return build(), job(**flags), changes


@scenarios
def test_one_run(name: str) -> None:
    """The changes, in their order, each once; then all is well."""
    cluster, asked, changes = prepared(name)

    outcome = cluster.run(asked)

    assert isinstance(outcome.end, Done)
    assert [type(change) for change in outcome.changes] == changes
    ends_well(cluster)


@pytest.mark.slow
@scenarios
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_run_is_killed_at_every_write(name: str, when: str) -> None:
    """Before it is sent, or when it has been done and nobody heard of it: the next run ends where one would have."""
    for number in range(len(SCENARIOS[name][2])):
        cluster, asked, _ = prepared(name)
        seen: list[str] = []

        def kill(event: str, seen: list[str] = seen, last: int = number) -> None:
            if event.split() in [[when, verb] for verb in WRITES]:
                seen.append(event)
                if len(seen) > last:
                    raise KilledError

        with pytest.raises(KilledError):
            cluster.run(asked, kill)
        cluster.strict = cluster.strict or name == "configuration-made-anew"
        outcome = cluster.run(job(adopt=asked.adopt))

        assert isinstance(outcome.end, Done), (number, cluster.lines)
        ends_well(cluster)


@pytest.mark.slow
@pytest.mark.parametrize("other", [{}, {"renew": True}, {"rotate_ca": True}])
@pytest.mark.parametrize("name", ["install", "leaf-at-two-thirds", "rotate", "ca-secret-lost", "serving-secret-lost"])
def test_another_run_in_between(name: str, other: dict[str, bool]) -> None:
    """Before every request of a run, another one runs from its beginning to its end: both end well."""
    requests = 0
    number = 0
    while number <= requests:
        cluster, asked, _ = prepared(name)
        seen: list[str] = []

        def intervene(event: str, cluster: Cluster = cluster, seen: list[str] = seen, at: int = number) -> None:
            if event.startswith("before"):
                seen.append(event)
                if len(seen) == at + 1:
                    assert isinstance(cluster.run(job(**other)).end, Done)

        outcome = cluster.run(asked, intervene)

        assert isinstance(outcome.end, Done), (number, cluster.lines)
        ends_well(cluster)
        requests = min(len(seen), 40)  # a run that waits asks the same again and again
        number += 1 if number < 12 else 7


class Turns:
    """Two runs whose requests go one at a time, in an order that was drawn."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._changed = threading.Condition()
        self._left = {0, 1}
        self._turn = 0

    def take(self, me: int) -> None:
        """Wait for my turn, and give it on."""
        with self._changed:
            self._turn = self._dice.choice(sorted(self._left))
            self._changed.notify_all()
            while self._turn != me:
                assert self._changed.wait(30), "the other run hangs"

    def leave(self, me: int) -> None:
        """I am done: the other one goes on."""
        with self._changed:
            self._left.discard(me)
            self._turn = 1 - me
            self._changed.notify_all()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["install", "rotate", "ca-secret-lost", "adopt"])
@pytest.mark.parametrize("seed", range(12))
def test_two_runs_request_by_request(name: str, seed: int) -> None:
    """Both want the same; their requests are mixed in any order, and what one does is the other's, too."""
    cluster, asked, _ = prepared(name)
    turns = Turns(random.Random(seed))
    ends: dict[int, object] = {}

    def run(me: int) -> None:
        def hook(event: str) -> None:
            if event.startswith("before"):
                turns.take(me)

        try:
            ends[me] = cluster.run(asked, hook).end
        except BaseException as exc:  # noqa: BLE001 - a failed invariant must fail the test, not a thread
            ends[me] = exc
        finally:
            turns.leave(me)

    threads = [threading.Thread(target=run, args=(me,)) for me in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert list(map(type, (ends.get(0), ends.get(1)))) == [Done, Done], ends
    ends_well(cluster)


class Script:
    """One run is stopped before one of its requests; meanwhile another one rotates, up to the write of its leaf.

    Then the first goes on until it has changed the configuration, or to its end; only then that leaf is written.
    """

    def __init__(self, cluster: Cluster, stop_before: int) -> None:
        self._cluster = cluster
        self._stop_before = stop_before
        self._stopped, self._at_leaf = threading.Event(), threading.Event()
        self._first_is_through, self._second_ended = threading.Event(), threading.Event()
        self._asked = 0
        self.ends: dict[str, object] = {}

    def run(self) -> None:
        """Both, each in a thread of its own; only one of them ever runs."""
        threads = [threading.Thread(target=self._first), threading.Thread(target=self._second)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

    def _first(self) -> None:
        def hook(event: str) -> None:
            self._asked += event.startswith("before")
            if self._asked == self._stop_before and event.startswith("before"):
                self._stopped.set()
                assert self._at_leaf.wait(30)
            if self._at_leaf.is_set() and event == "after patch":
                self._first_is_through.set()
                assert self._second_ended.wait(30)

        self._keep("first", job(renew=True), hook)
        self._stopped.set()
        self._first_is_through.set()

    def _second(self) -> None:
        updates: list[str] = []

        def hook(event: str) -> None:
            updates.extend([event] if event == "before update" else [])
            if len(updates) == 2 and not self._at_leaf.is_set():  # the first one stores the CA
                self._at_leaf.set()
                assert self._first_is_through.wait(30)

        assert self._stopped.wait(30)
        self._keep("second", job(rotate_ca=True), hook)
        self._at_leaf.set()
        self._second_ended.set()

    def _keep(self, who: str, asked: Job, hook: Callable[[str], None]) -> None:
        try:
            self.ends[who] = type(self._cluster.run(asked, hook).end)
        except BaseException as exc:  # noqa: BLE001 - a failed invariant must fail the test, not a thread
            self.ends[who] = exc


@pytest.mark.slow
@pytest.mark.parametrize("stop_before", range(18, 54))
def test_a_slow_look_forgets_no_ca_that_came_meanwhile(stop_before: int) -> None:
    """Wherever in a look the first run was slow: what it saw before the rotation never takes the new CA away.

    It would, if it read the configuration after the CA Secret.
    """
    cluster = installed()
    cluster.replicas[:] = [Replica(address="10.0.0.1", lag=0.0), Replica(address="10.0.0.2", lag=14.0)]
    script = Script(cluster, stop_before)

    script.run()

    assert script.ends == {"first": Done, "second": Done}
    ends_well(cluster)


def test_a_rotation_that_is_asked_for_twice_is_done_once() -> None:
    """The second run finds the first one's CA in use, or its rotation under way, and asks for no third CA."""
    cluster = installed()
    before = authority_of(cluster.observed())
    seen: list[str] = []

    def intervene(event: str) -> None:
        seen.append(event)
        if len(seen) == 12:
            cluster.run(job(rotate_ca=True))

    outcome = cluster.run(job(rotate_ca=True), intervene)

    assert isinstance(outcome.end, Done)
    ends_well(cluster)
    stored = [line for line in cluster.lines if "stored a new CA (it was asked for)" in line]
    assert len(stored) == 1
    assert authority_of(cluster.observed()) != before


def test_a_rotation_under_way_is_finished_first() -> None:
    """--rotate-ca after a run that was killed: the CA that was begun is the one that stays, and a note says so."""
    cluster = installed()

    def kill(event: str) -> None:
        if event == "after patch":
            raise KilledError

    with pytest.raises(KilledError):
        cluster.run(job(rotate_ca=True), kill)
    begun = authority_of(cluster.observed())

    outcome = cluster.run(job(rotate_ca=True))

    assert authority_of(cluster.observed()) == begun
    assert outcome.notes == ("a rotation was under way: it was finished; give --rotate-ca again for another one",)
    ends_well(cluster)


def stale_for_ever(cluster: Cluster) -> Replica:
    """A replica that never reloads."""
    leaf = cluster.observed().leaf
    assert not isinstance(leaf, Unusable)
    replica = Replica(address="10.0.0.9", lag=0, frozen=leaf)
    cluster.replicas.append(replica)
    return replica


def waits(outcome: Outcome) -> list[str]:
    """Whom a run has waited for in vain."""
    assert isinstance(outcome.end, AwaitReplicas)
    return [endpoint.address for endpoint, _ in outcome.end.stale]


def test_a_replica_that_never_reloads_keeps_the_ca_before(capsys: pytest.CaptureFixture[str]) -> None:
    """The time ends, and both CAs are still trusted; when the replica is gone, the next run goes on to the end."""
    cluster = installed()
    before = authority_of(cluster.observed())
    stale_for_ever(cluster)
    began = cluster.time

    outcome = cluster.run(job(rotate_ca=True))

    assert waits(outcome) == ["10.0.0.9"]
    assert 300 <= cluster.time - began < 310
    after = authority_of(cluster.observed())
    assert cluster.observed().configuration.trusted == (after, before)
    assert [line for line in cluster.lines if "10.0.0.9" in line][-1].startswith("1 of 3 replicas do not serve serial")
    cluster.replicas.pop()
    assert isinstance(cluster.run(job()).end, Done)
    ends_well(cluster)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("changes", "holds_up"),
    [
        ({}, True),
        ({"serving": False}, True),
        ({"terminating": True}, True),
        ({"silent": True}, True),
        ({"silent": True, "serving": False}, False),
        ({"silent": True, "terminating": True}, False),
    ],
)
def test_who_holds_up_a_rotation(changes: dict[str, bool], *, holds_up: bool) -> None:
    """Who may be asked and serves the old leaf, or might, also on its way out; not who neither answers nor is asked."""
    cluster = installed()
    replica = stale_for_ever(cluster)
    for name, value in changes.items():
        setattr(replica, name, value)
    cluster.strict = holds_up  # who is not waited for may be refused
    outcome = cluster.run(job(rotate_ca=True))

    assert isinstance(outcome.end, AwaitReplicas if holds_up else Done)


def test_a_replica_that_is_going_is_waited_for() -> None:
    """Told to stop while a CA is rotated, it serves on for seconds: until it is gone, its CA is trusted."""
    cluster = installed()
    leaving = stale_for_ever(cluster)
    leaving.terminating = True

    def go(_: str) -> None:
        if leaving in cluster.replicas and any("10.0.0.9" in line for line in cluster.lines):
            cluster.replicas.remove(leaving)

    assert isinstance(cluster.run(job(rotate_ca=True), go).end, Done)
    ends_well(cluster)


def test_a_replica_that_is_going_holds_up_no_renewal() -> None:
    """The CA stays, and so does the trust in what it serves."""
    cluster = installed()
    stale_for_ever(cluster).terminating = True
    began = cluster.time

    assert isinstance(cluster.run(job(renew=True)).end, Done)
    assert cluster.time - began < 120


def test_a_replica_whose_image_takes_time_is_waited_for() -> None:
    """It has mounted the Secret of before, and is listed only when its image is there."""
    cluster = installed()
    cluster.replicas[:] = [Replica(address="10.0.0.1", lag=0.0)]
    leaf = cluster.observed().leaf
    assert not isinstance(leaf, Unusable)
    late = Replica(address="10.0.0.9", lag=0, frozen=leaf)
    stored: list[float] = []

    def start(event: str) -> None:
        if event == "after update" and len(cluster.leaves) == 2 and not stored:
            stored.append(cluster.time)
        if stored and cluster.time > stored[0] + 25:
            late.frozen = leaf if cluster.time < stored[0] + 60 else None
            cluster.replicas[1:] = [late]

    assert isinstance(cluster.run(job(rotate_ca=True), start).end, Done)
    assert stored
    assert late in cluster.replicas
    ends_well(cluster)


def test_the_configuration_may_come_after_the_run() -> None:
    """Helm makes the Job first: the run waits for a moment, and no container has to be started again."""
    cluster = empty()
    cluster.state.delete("", TARGET.configuration, CONFIGURATIONS)

    def install(event: str) -> None:
        if event == "before get" and cluster.time > 3 and not cluster.state.find(CONFIGURATIONS, "", "hooks"):
            cluster.state.load(CONFIGURATIONS, configuration(TARGET))

    assert isinstance(cluster.run(job(), install).end, Done)
    assert cluster.time < 10
    assert any("may be about to be installed" in line for line in cluster.lines)
    ends_well(cluster)


def test_a_configuration_that_never_comes() -> None:
    """After a moment it is the operator's mistake."""
    cluster = empty()
    cluster.state.delete("", TARGET.configuration, CONFIGURATIONS)

    with pytest.raises(NotInstalledError, match="hooks does not exist: install it first"):
        cluster.run(job())
    assert 10 <= cluster.time < 13


def test_the_owner_may_come_after_the_run() -> None:
    """The Service's first slice: it is waited for, so that what is uninstalled soon leaves no Secret behind."""
    cluster = empty()
    slices = cluster.slices
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Cluster, "slices", lambda _: slices() if cluster.time > 3 else [])
        outcome = cluster.run(job())

    assert [type(change) for change in outcome.changes] == [*INSTALL, Publish, RecordAuthorities]
    assert cluster.time < 10
    ends_well(cluster)


def test_two_runs_that_want_other_names_end() -> None:
    """Each replaces the other's certificate; after its time, a run says so instead of going on for ever."""
    cluster = installed()
    cluster.replicas[:] = [Replica(address="10.0.0.1", lag=1.0)]
    other = dataclasses.replace(MAKING, names=serving_names(service="hook", namespace="ns", sans=["other.example"]))
    began = cluster.time

    def undo(event: str) -> None:
        if event == "after update":
            cluster.run(job(making=other))

    with pytest.raises(DisagreementError, match=r"ns/certs: another run .*names other\.example, which is not wanted"):
        cluster.run(job(timeout=timedelta(seconds=20), renew=True), undo)
    assert 20 <= cluster.time - began < 30


def test_a_replica_that_does_not_answer_holds_up_nothing_else() -> None:
    """Nothing hangs on it when a leaf is renewed or all is kept; the rest has its certificate."""
    cluster = installed()
    cluster.replicas.append(Replica(address="10.0.0.9", lag=0, silent=True))

    assert isinstance(cluster.run(job()).end, Done)
    assert isinstance(cluster.run(job(renew=True)).end, Done)


def test_replicas_come_and_go_during_a_rotation() -> None:
    """One vanishes while it is waited for, one appears with the certificate of before and is waited for."""
    cluster = installed()
    stale = stale_for_ever(cluster)
    seen: list[str] = []

    def change(event: str) -> None:
        seen.append(event)
        if event == "after update" and seen.count(event) == 2:
            stale.frozen = None
            cluster.replicas.remove(stale)
            cluster.replicas.append(Replica(address="10.0.0.8", lag=200))

    outcome = cluster.run(job(rotate_ca=True), change)

    assert isinstance(outcome.end, Done)
    assert any("10.0.0.8" in line for line in cluster.lines)
    ends_well(cluster)


def test_a_replica_that_appears_late_brings_the_ca_back() -> None:
    """Just after the CA was forgotten: the next look trusts it again until the replica serves the new leaf."""
    cluster = installed()
    stale = stale_for_ever(cluster)
    cluster.replicas.remove(stale)
    cluster.strict = False
    seen: list[str] = []

    def appear(event: str) -> None:
        seen.append(event)
        if event == "after patch" and seen.count(event) == 2:
            cluster.replicas.append(stale)
        if event == "after patch" and seen.count(event) == 3:
            cluster.replicas.remove(stale)

    outcome = cluster.run(job(rotate_ca=True), appear)

    assert [type(change) for change in outcome.changes] == [
        StoreAuthority,
        Trust,
        IssueLeaf,
        Trust,
        Trust,
        Trust,
        Publish,
        RecordAuthorities,
    ]
    ends_well(cluster)


def test_what_others_wrote_survives() -> None:
    """Keys, labels, annotations and owners of others in our Secrets, and the other entries of the configuration."""
    cluster = of_the_seed()
    found = cluster.state.find("secrets", TARGET.namespace, TARGET.secret)
    assert found is not None
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": "c-uid"}
    service = {"apiVersion": "v1", "kind": "Service", "name": TARGET.service, "uid": "of-before"}
    metadata = found["metadata"] | {
        "labels": {"team": "a"},
        "annotations": {"note": "b"},
        "ownerReferences": [owner, service],
    }
    cluster.state.load("secrets", found | {"metadata": metadata})

    cluster.run(job(adopt=True))

    observed = cluster.observed()
    assert observed.serving is not None
    kept = observed.serving["metadata"]
    assert kept["labels"].items() >= {"team": "a", MANAGED_BY: "token-injector-certs"}.items()
    assert kept["annotations"] == {"note": "b"}
    assert [one["uid"] for one in kept["ownerReferences"]] == ["c-uid", SERVICE_UID]
    assert observed.serving["data"]["more"] == "c3RheXM="
    configured = cluster.state.find(CONFIGURATIONS, "", TARGET.configuration)
    assert configured is not None
    assert [one["clientConfig"].get("caBundle") for one in configured["webhooks"]][::2] == ["b3RoZXI=", None]


def test_without_slices_there_is_no_owner_until_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """A later run sets it, and writes nothing else."""
    cluster = empty()
    monkeypatch.setattr(Cluster, "slices", lambda _: [])
    assert isinstance(cluster.run(job()).end, Done)
    assert "ownerReferences" not in (cluster.observed().serving or {})["metadata"]
    monkeypatch.undo()

    outcome = cluster.run(job())

    assert [type(change) for change in outcome.changes] == [Publish, RecordAuthorities]
    ends_well(cluster)


def test_what_is_not_ours_is_left_alone() -> None:
    """Nothing is written, whatever else would be due."""
    cluster = of_the_seed()
    writes = cluster.writes

    outcome = cluster.run(job(rotate_ca=True))

    assert isinstance(outcome.end, LeaveAlone)
    assert cluster.writes == writes
    assert [reason.partition(" (")[0] for reason in outcome.end.reasons] == [
        "MutatingWebhookConfiguration hooks: the caBundle of pods.example is not ours",
        "Secret ns/certs is not ours",
    ]
    assert all("--adopt" in reason for reason in outcome.end.reasons)


def test_no_line_and_no_repr_holds_a_key() -> None:
    """Progress, outcome and what was observed."""
    cluster = of_the_seed()
    outcome = cluster.run(job(adopt=True))
    said = "\n".join([*cluster.lines, repr(outcome), repr(cluster.observed())])

    assert len(cluster.lines) > 6
    for name, key in ((TARGET.secret, "tls.key"), (TARGET.ca_secret, "ca.key")):
        found = cluster.state.find("secrets", TARGET.namespace, name)
        assert found is not None
        assert found["data"][key][:40] not in said
    assert "PRIVATE KEY" not in said
