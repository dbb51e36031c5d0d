"""What check finds, each with the object that it is about."""

import dataclasses
from datetime import timedelta
from typing import Any

import pytest

from certjob.cluster.findings import findings
from certjob.cluster.observed import Silent
from certjob.cluster.report import inspection_json, inspection_text
from certjob.names import serving_names
from tests.certjob.cluster.building import (
    NEW,
    NEW_LEAF,
    NOW,
    OLD,
    OLD_LEAF,
    REPLICA,
    changed,
    good,
    new_leaf,
    serves,
    serving,
    trusting,
)
from tests.certjob.cluster.foreign import FOREIGN

DAY = timedelta(days=1)
MIXED = serving(OLD_LEAF, OLD)
MIXED["data"]["tls.key"] = serving(NEW_LEAF)["data"]["tls.key"]
CERTS, HOOKS = "Secret ns/certs", "MutatingWebhookConfiguration hooks: the caBundle of pods.example"


@pytest.mark.parametrize(
    ("found", "days", "says"),
    [
        ({}, 0, []),
        ({"authority": None}, 0, []),
        ({"answers": ()}, 0, []),
        ({"serving": serving(OLD_LEAF, OLD, NEW), "configured": trusting(OLD, NEW)}, 0, []),
        ({"serving": None, "answers": ()}, 0, [f"{CERTS} does not exist"]),
        ({"serving": changed(serving(OLD_LEAF, OLD), data={})}, 0, [f"{CERTS} has no tls.crt"]),
        ({"serving": MIXED}, 0, [f"{CERTS}: tls.crt and tls.key do not belong together"]),
        ({}, 340, [f"{CERTS}: tls.crt has used two thirds", f"{CERTS}: tls.crt ends in 25 days"]),
        ({}, 366, [f"{CERTS}: tls.crt expired"]),
        ({}, 3640, [f"{CERTS}: tls.crt expired", f"{HOOKS}: token-injector CA 2026-06-01 000000c0 ends in 10 days"]),
        ({}, 3651, [f"{CERTS}: tls.crt expired", f"{HOOKS}: token-injector CA 2026-06-01 000000c0 expired"]),
        ({"configured": trusting()}, 0, [f"{HOOKS} holds no certificate"]),
        ({"configured": trusting(NEW)}, 0, [f"{HOOKS} does not trust tls.crt: no CA of it has issued serial a0"]),
        (
            {"configured": trusting(FOREIGN)},
            0,
            [f"{HOOKS} is not ours (it holds kubernetes", f"{HOOKS} does not trust tls.crt"],
        ),
        (
            {"answers": ((REPLICA, serves(NEW_LEAF, "unable to get issuer")),)},
            0,
            [
                "10.0.0.1:8443 (pod hook-1) serves serial a1, which the configuration does not trust: unable",
                "10.0.0.1:8443 (pod hook-1) serves serial a1, not the Secret's a0",
            ],
        ),
        (
            {"answers": ((REPLICA, Silent(reason="refused")),)},
            0,
            ["10.0.0.1:8443 (pod hook-1) does not answer: refused"],
        ),
        ({"answers": ((dataclasses.replace(REPLICA, serving=False), Silent(reason="refused")),)}, 0, []),
        ({"answers": ((dataclasses.replace(REPLICA, terminating=True), serves(NEW_LEAF, "untrusted")),)}, 0, []),
        (
            {"serving": changed(serving(OLD_LEAF, OLD), metadata={"labels": {}})},
            0,
            [f"{CERTS} is not ours (it has no label"],
        ),
        (
            {"configured": trusting(OLD, annotations={"cert-manager.io/inject-ca-from": "a/b"})},
            0,
            ["MutatingWebhookConfiguration hooks is cert-manager's"],
        ),
    ],
)
def test_findings(found: dict[str, Any], days: int, says: list[str]) -> None:
    """Each is one line that begins with its object; none where all is well or a rotation is under way."""
    looked = good(**found)
    lines = findings(looked, now=NOW + days * DAY, warn_days=30)

    assert [line[: len(text)] for line, text in zip(lines, says, strict=True)] == says
    told = inspection_text(looked, lines, now=NOW)
    assert [line.removeprefix("PROBLEM: ") for line in told.splitlines() if line.startswith("PROBLEM")] == list(lines)
    assert told.endswith("OK\n") is not bool(lines)
    assert inspection_json(looked, lines, now=NOW)["ok"] is not bool(lines)
    assert "PRIVATE" not in told


def test_a_leaf_for_another_name() -> None:
    """The API server calls SERVICE.NAMESPACE.svc."""
    leaf = new_leaf(OLD, 0xA2, names=serving_names(service="other", namespace="ns"))
    found = good(serving=serving(leaf, OLD), answers=())

    assert findings(found, now=NOW, warn_days=30) == (f"{CERTS}: tls.crt does not name hook.ns.svc",)
