"""Releases come and go under load, and every pod that is created is mutated."""

import os

import pytest

from demo.cluster.kubectl import apply, kubectl, listed, until
from demo.cluster.load import load
from demo.cluster.release import NAME, NAMESPACE, Images, Release, webhook_pods
from demo.cluster.replicas import SECRET
from demo.cluster.workload import ROLE_ARN, application, pod, service_account
from kube.config import from_kubeconfig
from tests.e2e.conftest import ROLE, Installed

RATE = 10.0


@pytest.fixture
def account(place: str) -> str:
    """A namespace with a service account that has a role."""
    apply(service_account(place, "app", {ROLE_ARN: ROLE}))
    return place


def test_an_upgrade_and_a_rollback_miss_no_pod(release: Release, account: str, images: Images) -> None:
    """N to N+1 and back, pods being created all the time: none unmutated, none refused."""
    with load(from_kubeconfig(os.environ["KUBECONFIG"]), account, rate=RATE) as outcome:
        release.install(tag=images.next_tag)
        assert running_tags() == {images.next_tag}
        release.rollback()
        assert running_tags() == {images.tag}

    assert outcome.created > RATE
    assert (outcome.unmutated, outcome.refused, outcome.unreachable) == (0, 0, 0), outcome


def running_tags() -> set[str]:
    """Of the replicas' images."""
    return {each["spec"]["containers"][0]["image"].rpartition(":")[2] for each in webhook_pods()}


@pytest.mark.usefixtures("release")
def test_uninstalling_leaves_a_cluster_that_creates_pods(installed: Installed, account: str, images: Images) -> None:
    """No pod is refused on the way, and nothing of the release remains, its Secrets neither."""
    with load(from_kubeconfig(os.environ["KUBECONFIG"]), account, rate=RATE) as outcome:
        installed.uninstall()
        until("the end of everything", lambda: not remains(), seconds=120)
    apply(pod(account, "without", [application(images.application)]))
    assert (outcome.refused, outcome.unreachable) == (0, 0), outcome


def remains() -> list[str]:
    """Names of what the release or its cert job has left."""
    kinds = "deployment,service,serviceaccount,configmap,job,cronjob,role,rolebinding,networkpolicy,pdb,pod"
    selector = f"app.kubernetes.io/instance={NAME}"
    there = kubectl("get", kinds, "-n", NAMESPACE, "-l", selector, "-o", "name").split()
    cluster_wide = "clusterrole,clusterrolebinding,mutatingwebhookconfiguration"
    there += kubectl("get", cluster_wide, "-l", selector, "-o", "name").split()
    secrets = [each["metadata"]["name"] for each in listed("secrets", NAMESPACE)]
    return there + [name for name in secrets if name in {SECRET, f"{NAME}-webhook-ca"}]
