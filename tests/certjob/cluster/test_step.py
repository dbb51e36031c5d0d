"""The next step for what one look has found: each phase of a rotation, and what else may be the case."""

import base64
import dataclasses
from datetime import timedelta
from typing import Any

import jsonpatch
import pytest
from cryptography import x509

from certjob.certificates import Source, certificates_pem, new_private_key
from certjob.cluster.configuration import trust_patch
from certjob.cluster.endpoints import Endpoint
from certjob.cluster.observed import Observed, Silent
from certjob.cluster.step import (
    Age,
    Asked,
    AwaitApiServers,
    AwaitPods,
    AwaitReplicas,
    Done,
    IssueLeaf,
    LeaveAlone,
    Publish,
    RecordAuthorities,
    Step,
    StoreAuthority,
    Trust,
    next_step,
)
from certjob.cluster.write import Create, Making, Patch, Replace, write
from contract.server import CA_CERT, CA_KEY, TLS_CERT, TLS_KEY
from tests.certjob.cluster.building import (
    DAY,
    NAMES,
    NEW,
    NEW_LEAF,
    NOW,
    OLD,
    OLD_LEAF,
    REPLICA,
    TARGET,
    authority,
    changed,
    good,
    serves,
    serving,
    trusting,
)

LONG = Age(trust=timedelta(hours=1), leaf=timedelta(hours=1))
BOTH = (NEW.certificate, OLD.certificate)
ALONE = (NEW.certificate,)
MAKING = Making(
    names=NAMES,
    common_name="hook.ns.svc",
    lifetime=90 * DAY,
    ca_lifetime=900 * DAY,
    source=Source(new_key=new_private_key, new_serial=lambda: 0xEE),
)
SILENT = (dataclasses.replace(REPLICA, address="10.0.0.2"), Silent(reason="connection refused"))
UNREADY = (dataclasses.replace(REPLICA, address="10.0.0.3", serving=False), Silent(reason="connection refused"))


def step(found: Observed, age: Age = LONG, **asked: Any) -> Step:
    """The decision on this day."""
    return next_step(found, Asked(names=NAMES, **asked), NOW, age=age)


def test_all_is_well() -> None:
    """Nothing is left to do."""
    assert step(good()) == Done()


ROTATING: dict[str, Any] = {"authority": authority(NEW, OLD)}
TRUSTING: dict[str, Any] = ROTATING | {"configured": trusting(NEW, OLD)}
ISSUED: dict[str, Any] = TRUSTING | {"serving": serving(NEW_LEAF, NEW, OLD)}
SERVED: dict[str, Any] = ISSUED | {"answers": ((REPLICA, serves(NEW_LEAF)),)}
FORGOTTEN: dict[str, Any] = SERVED | {"configured": trusting(NEW)}
PUBLISHED: dict[str, Any] = FORGOTTEN | {"serving": serving(NEW_LEAF, NEW)}
STALE = AwaitReplicas(stale=((REPLICA, serves(OLD_LEAF)),))


@pytest.mark.parametrize(
    ("found", "age", "expected"),
    [
        (ROTATING, LONG, Trust(bundle=BOTH)),
        (ROTATING | {"configured": trusting(NEW)}, LONG, Trust(bundle=BOTH)),
        (ROTATING | {"configured": trusting()}, LONG, Trust(bundle=BOTH)),
        (TRUSTING, Age(trust=timedelta(seconds=2), leaf=timedelta(0)), AwaitApiServers(left=timedelta(seconds=3))),
        (ISSUED, LONG, STALE),
        (ISSUED | {"serving": serving(NEW_LEAF, NEW)}, LONG, Publish(bundle=BOTH)),
        (SERVED, Age(trust=timedelta(0), leaf=timedelta(seconds=4)), AwaitPods(left=timedelta(seconds=26))),
        (SERVED | {"answers": ()}, Age(trust=timedelta(0), leaf=timedelta(0)), AwaitPods(left=timedelta(seconds=30))),
        (SERVED | {"answers": ((REPLICA, serves(NEW_LEAF)), SILENT)}, LONG, AwaitReplicas(stale=(SILENT,))),
        (SERVED | {"answers": ((REPLICA, serves(NEW_LEAF)), UNREADY)}, LONG, Trust(bundle=ALONE)),
        (SERVED, LONG, Trust(bundle=ALONE)),
        (FORGOTTEN, LONG, Publish(bundle=ALONE)),
        (FORGOTTEN | {"answers": ((REPLICA, serves(OLD_LEAF)),)}, LONG, Trust(bundle=BOTH)),
        (PUBLISHED, LONG, RecordAuthorities(bundle=ALONE)),
        (PUBLISHED | {"authority": authority(NEW)}, LONG, Done()),
    ],
)
def test_the_phases_of_a_rotation(found: dict[str, Any], age: Age, expected: Step) -> None:
    """Both are trusted before the new leaf is issued, and until every replica serves it; what came back is trusted."""
    assert step(good(**found), age) == expected


def test_the_new_leaf_is_issued_when_api_servers_know_its_ca() -> None:
    """And beside both CAs; where nobody serves yet, at once."""
    for found, age in ((TRUSTING, LONG), (TRUSTING | {"answers": ()}, Age(trust=timedelta(0), leaf=timedelta(0)))):
        decided = step(good(**found), age)
        assert isinstance(decided, IssueLeaf)
        assert decided.bundle == BOTH
        assert "tls.crt was not issued by the CA token-injector CA" in decided.reason


def test_nothing_there_yet() -> None:
    """First the CA, then trust in it, then the leaf."""
    empty: dict[str, Any] = {"authority": None, "serving": None, "configured": trusting(), "answers": ()}
    reason = "Secret ns/certs-ca does not exist"
    assert step(good(**empty)) == StoreAuthority(reason=reason, beside=())
    stored = empty | {"authority": authority(NEW)}
    assert step(good(**stored)) == Trust(bundle=ALONE)
    trusted = stored | {"configured": trusting(NEW)}
    assert step(good(**trusted)) == IssueLeaf(reason="Secret ns/certs does not exist", bundle=ALONE)


def test_a_ca_that_is_lost_is_still_trusted() -> None:
    """A new one is stored beside what the configuration and the serving Secret know."""
    decided = step(good(authority=None))
    assert decided == StoreAuthority(reason="Secret ns/certs-ca does not exist", beside=(OLD.certificate,))
    decided = step(good(authority=None, configured=trusting()))
    assert decided == StoreAuthority(reason="Secret ns/certs-ca does not exist", beside=(OLD.certificate,))


@pytest.mark.parametrize(
    ("days", "expected", "says"),
    [
        (243, Done, ""),
        (244, IssueLeaf, "two thirds"),
        (400, IssueLeaf, "expired"),
        (2434, StoreAuthority, "the CA in ca.crt has used two thirds"),
    ],
)
def test_age(days: int, expected: type[Step], says: str) -> None:
    """Two thirds of a life; a leaf of the same CA waits for no API server."""
    young = Age(trust=timedelta(0), leaf=timedelta(0))
    decided = next_step(good(), Asked(names=NAMES), NOW + days * DAY, age=young)

    assert isinstance(decided, expected)
    assert says in getattr(decided, "reason", "")


def test_what_is_asked_for_is_done_until_it_is_done() -> None:
    """As long as the leaf, or the CA, of the first look is there."""
    assert isinstance(step(good(), renew=OLD_LEAF.certificate), IssueLeaf)
    assert step(good(), renew=NEW_LEAF.certificate) == Done()
    decided = step(good(), rotate=OLD.certificate)
    assert decided == StoreAuthority(reason="it was asked for", beside=(OLD.certificate,))
    assert step(good(), rotate=NEW.certificate) == Done()


def test_who_does_not_answer_holds_up_no_renewal() -> None:
    """Nothing hangs on it; who serves another leaf is waited for."""
    assert step(good(answers=((REPLICA, serves(OLD_LEAF)), SILENT))) == Done()
    stale = (REPLICA, serves(NEW_LEAF))
    assert step(good(answers=(stale,))) == AwaitReplicas(stale=(stale,))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"serving": changed(serving(OLD_LEAF, OLD), metadata={"ownerReferences": []})}, Publish),
        ({"authority": changed(authority(OLD), metadata={"ownerReferences": []})}, RecordAuthorities),
        ({"serving": changed(serving(OLD_LEAF, OLD), metadata={"labels": {}})}, LeaveAlone),
        ({"serving": serving(OLD_LEAF, OLD, NEW)}, Publish),
        ({"serving": serving(NEW_LEAF, OLD)}, IssueLeaf),
        ({"authority": authority(OLD, NEW)}, RecordAuthorities),
        ({"configured": trusting()}, Trust),
    ],
)
def test_what_is_out_of_line(found: dict[str, Any], expected: type[Step]) -> None:
    """One step mends it."""
    assert isinstance(step(good(**found)), expected)


def test_an_owner_of_before_is_replaced() -> None:
    """A Service that was made anew has another uid; without one nothing is changed."""
    before = [{"apiVersion": "v1", "kind": "Service", "name": "hook", "uid": "of-before"}]
    found = good(serving=changed(serving(OLD_LEAF, OLD), metadata={"ownerReferences": before}))
    request = write(Publish(bundle=(OLD.certificate,)), found, MAKING, NOW)

    assert step(found) == Publish(bundle=(OLD.certificate,))
    assert isinstance(request, Replace)
    assert [one["uid"] for one in request.obj["metadata"]["ownerReferences"]] == ["service-uid"]
    assert step(dataclasses.replace(found, owner=None)) == Done()


def data(request: Create | Replace) -> dict[str, bytes]:
    """What a Secret will hold."""
    return {key: base64.b64decode(value) for key, value in request.obj["data"].items()}


def test_a_new_ca_is_written_beside_the_others() -> None:
    """Created where there is none, else replaced with the version that was seen; its key is new."""
    change = StoreAuthority(reason="", beside=(OLD.certificate,))
    created = write(change, good(authority=None), MAKING, NOW)
    replaced = write(change, good(), MAKING, NOW)

    assert isinstance(created, Create)
    assert (created.path, created.obj["type"]) == ("/api/v1/namespaces/ns/secrets", "Opaque")
    assert isinstance(replaced, Replace)
    assert replaced.path == "/api/v1/namespaces/ns/secrets/certs-ca"
    assert replaced.obj["metadata"]["resourceVersion"] == "5"
    for request in (created, replaced):
        made, old = x509.load_pem_x509_certificates(data(request)[CA_CERT])
        assert (made.serial_number, old) == (0xEE, OLD.certificate)
        assert made.not_valid_after_utc == NOW + 900 * DAY
    assert data(replaced)[CA_KEY] != data(Replace(path="", obj=authority(OLD)))[CA_KEY]


def test_a_leaf_is_written_with_its_key_and_the_bundle() -> None:
    """In a Secret of type kubernetes.io/tls, by the CA in use; a type that is there stays."""
    change = IssueLeaf(reason="", bundle=BOTH)
    found = good(authority=authority(NEW, OLD))
    created = write(change, dataclasses.replace(found, serving=None), MAKING, NOW)
    replaced = write(
        change, dataclasses.replace(found, serving=found.serving and found.serving | {"type": "Opaque"}), MAKING, NOW
    )

    assert isinstance(created, Create)
    assert created.obj["type"] == "kubernetes.io/tls"
    assert isinstance(replaced, Replace)
    assert replaced.obj["type"] == "Opaque"
    assert data(created).keys() == {TLS_CERT, TLS_KEY, CA_CERT}
    assert data(created)[CA_CERT] == certificates_pem(*BOTH)
    x509.load_pem_x509_certificate(data(created)[TLS_CERT]).verify_directly_issued_by(NEW.certificate)


def test_a_patch_touches_our_entries_only() -> None:
    """Of a configuration with others: ours is set, the version is asked for, the rest is as it was."""
    before = trusting(OLD)
    found = good(configured=before)
    request = write(Trust(bundle=BOTH), found, MAKING, NOW)

    assert isinstance(request, Patch)
    assert request.path == "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/hooks"
    assert request.operations == trust_patch(found.configuration, BOTH)
    assert request.operations[0] == {"op": "replace", "path": "/metadata/resourceVersion", "value": "7"}
    after = jsonpatch.apply_patch(before, request.operations)
    assert after["webhooks"][::2] == before["webhooks"][::2]
    assert base64.b64decode(after["webhooks"][1]["clientConfig"]["caBundle"]) == certificates_pem(*BOTH)


def test_no_repr_holds_a_secret() -> None:
    """Neither a look nor a request shows what a Secret holds."""
    found = good()
    shown = repr(
        [
            found,
            *(
                write(one, found, MAKING, NOW)
                for one in (StoreAuthority(reason="", beside=()), IssueLeaf(reason="", bundle=ALONE))
            ),
        ]
    )
    assert "data" not in shown
    assert Endpoint.__name__ in shown
    assert TARGET.secret in shown
