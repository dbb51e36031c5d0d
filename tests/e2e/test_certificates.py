"""The certificate in the cluster: made, renewed and rotated while pods are created, and nobody notices."""

import os

import pytest

from demo.cluster.kubectl import apply, get, kubectl
from demo.cluster.load import load
from demo.cluster.release import NAME, NAMESPACE
from demo.cluster.replicas import SECRET, ca_bundle, leaf, run_cert_job
from demo.cluster.workload import ROLE_ARN, service_account
from kube.config import from_kubeconfig
from tests.e2e.conftest import ROLE

pytestmark = pytest.mark.usefixtures("release")
RATE = 10.0


@pytest.fixture
def account(place: str) -> str:
    """A namespace with a service account that has a role."""
    apply(service_account(place, "app", {ROLE_ARN: ROLE}))
    return place


def test_one_run_makes_what_is_needed() -> None:
    """After the install the API server trusts the CA that signed the leaf, and the CA's key lies apart."""
    (authority,) = ca_bundle()
    leaf().verify_directly_issued_by(authority)
    assert set(get("secret", SECRET, NAMESPACE)["data"]) == {"tls.crt", "tls.key", "ca.crt"}


def test_another_run_changes_nothing() -> None:
    """Idempotent: the same leaf, the same CA."""
    before = (leaf(), ca_bundle())
    run_cert_job()
    assert (leaf(), ca_bundle()) == before


def test_a_renewal_refuses_no_pod(account: str) -> None:
    """A new leaf of the same CA reaches both replicas while pods come."""
    before, trusted = leaf(), ca_bundle()
    with load(from_kubeconfig(os.environ["KUBECONFIG"]), account, rate=RATE) as outcome:
        run_cert_job("--renew")
    assert leaf().serial_number != before.serial_number
    assert ca_bundle() == trusted
    assert outcome.created > RATE
    assert (outcome.unmutated, outcome.refused, outcome.unreachable) == (0, 0, 0), outcome


def test_a_rotation_refuses_no_pod(account: str) -> None:
    """A new CA: both are trusted until every replica serves the new leaf, then only the new one."""
    (before,) = ca_bundle()
    with load(from_kubeconfig(os.environ["KUBECONFIG"]), account, rate=RATE) as outcome:
        run_cert_job("--rotate-ca")
    (after,) = ca_bundle()
    assert after != before
    leaf().verify_directly_issued_by(after)
    assert outcome.created > RATE
    assert (outcome.unmutated, outcome.refused, outcome.unreachable) == (0, 0, 0), outcome


def test_a_bundle_that_was_lost_is_mended(account: str) -> None:
    """Somebody applied the configuration without its caBundle: the next run puts it back."""
    kubectl(
        "patch", "mutatingwebhookconfiguration", NAME, "--type=json",
        '-p=[{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}]',
    )  # fmt: skip
    run_cert_job()
    (authority,) = ca_bundle()
    leaf().verify_directly_issued_by(authority)


def test_check_says_that_all_is_well() -> None:
    """What is served, what is trusted, days left."""
    said = run_cert_job(command=("check",))
    assert "OK" in said
    assert "days left" in said
