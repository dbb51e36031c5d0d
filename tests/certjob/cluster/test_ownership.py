"""Whose is it? What is left alone, what --adopt takes over, and that each reason says what to do."""

from typing import Any

import pytest

from certjob.cluster.configuration import read_configuration
from certjob.cluster.ownership import reasons_to_leave_alone
from certjob.errors import ConfigurationError
from tests.certjob.cluster.building import (
    NEW,
    OLD,
    OLD_LEAF,
    TARGET,
    authority,
    changed,
    good,
    serving,
    trusting,
)
from tests.certjob.cluster.foreign import FOREIGN

SERVING, AUTHORITY = serving(OLD_LEAF, OLD), authority(OLD)
BY_HELM = {"labels": {"app.kubernetes.io/managed-by": "Helm"}}
BY_CERT_MANAGER = {"annotations": {"cert-manager.io/certificate-name": "hook"}}


@pytest.mark.parametrize(
    ("found", "says", "adopts"),
    [
        (
            {"serving": changed(SERVING, metadata={"labels": None})},
            "it has no label app.kubernetes.io/managed-by",
            True,
        ),
        ({"serving": changed(SERVING, metadata=BY_HELM)}, "app.kubernetes.io/managed-by is Helm", True),
        ({"authority": changed(AUTHORITY, metadata=BY_HELM)}, "Secret ns/certs-ca is not ours", True),
        ({"serving": changed(SERVING, metadata=BY_CERT_MANAGER)}, "is cert-manager's", False),
        ({"authority": changed(AUTHORITY, metadata=BY_CERT_MANAGER)}, "give another --ca-secret", False),
        ({"serving": changed(SERVING, type="bootstrap.kubernetes.io/token")}, "which cannot change", False),
        ({"serving": changed(SERVING, immutable=True)}, "Secret ns/certs is immutable", False),
        ({"configured": trusting(FOREIGN)}, "caBundle of pods.example is not ours (it holds kubernetes", True),
        ({"configured": trusting(OLD, FOREIGN)}, "which no cert job has made", True),
        ({"configured": trusting(raw=b"not a certificate")}, "it holds no PEM certificate", True),
        (
            {"configured": trusting(annotations={"cert-manager.io/inject-ca-from": "ns/hook"})},
            "hooks is cert-manager's, by its annotation cert-manager.io/inject-ca-from",
            False,
        ),
        (
            {"configured": trusting(OLD, annotations={"cert-manager.io/inject-apiserver-ca": "true"})},
            "let it be",
            False,
        ),
    ],
)
def test_what_is_left_alone(found: dict[str, Any], says: str, *, adopts: bool) -> None:
    """One reason; --adopt overrules it where that is what it is for."""
    (reason,) = reasons_to_leave_alone(good(**found), adopt=False)

    assert says in reason
    assert bool(reasons_to_leave_alone(good(**found), adopt=True)) is not adopts
    assert ("--adopt" in reason) is adopts


@pytest.mark.parametrize(
    "found",
    [
        {},
        {"serving": None, "authority": None},
        {"configured": trusting()},
        {"configured": trusting(raw=b"\n")},
        {"configured": trusting(NEW)},
        {"configured": trusting(FOREIGN), "authority": authority(OLD, FOREIGN)},
        {"configured": trusting(FOREIGN), "serving": serving(OLD_LEAF, OLD, FOREIGN)},
    ],
)
def test_what_is_ours(found: dict[str, Any]) -> None:
    """Nothing at all, an empty caBundle, a CA of any cert job, and a foreign one that was taken over before."""
    assert reasons_to_leave_alone(good(**found), adopt=False) == ()


def test_a_configuration_that_calls_somebody_else() -> None:
    """The error names what it calls and the flags."""
    obj = trusting()
    obj["webhooks"] = obj["webhooks"][::2]
    with pytest.raises(
        ConfigurationError, match=r"hooks: no webhook of it calls the Service ns/hook; it calls ns/other"
    ):
        read_configuration(obj, TARGET)
    obj["webhooks"] = None
    with pytest.raises(ConfigurationError, match="it calls none: check --service, --namespace and --webhook-config"):
        read_configuration(obj, TARGET)


def test_every_entry_that_calls_us_counts() -> None:
    """Two entries, of which one trusts a stranger."""
    obj = trusting(OLD)
    obj["webhooks"].append(trusting(FOREIGN)["webhooks"][1] | {"name": "second.example"})
    (reason,) = reasons_to_leave_alone(good(configured=obj), adopt=False)

    assert "second.example" in reason
    assert [entry.index for entry in read_configuration(obj, TARGET).entries] == [1, 3]
