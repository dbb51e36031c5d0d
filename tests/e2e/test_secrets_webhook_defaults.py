"""Pods that say nothing of piggy: the webhook's environment names the secret, for the namespaces that the chart names.

A release of its own, after the other tests of secrets.
"""

from collections.abc import Iterator

import pytest

from demo.cluster import cloud
from demo.cluster.kubectl import apply, get, kubectl
from demo.cluster.release import Images, Release, injector_env
from demo.cluster.workload import ROLE_ARN, pod, revealing, service_account, unlabelled
from tests.e2e import vault
from tests.e2e.conftest import ROLE, Installed
from tests.e2e.pods import ended, lines
from tests.e2e.silence import silent_namespace

LABEL = "relies-on-piggy"
WANTED = {"FOO": "piggy:password"}


@pytest.fixture(scope="module")
def place(installed: Installed, images: Images) -> Iterator[str]:
    """A namespace with the label, a pod without one of ours, and one that has the federation too."""
    cloud.metadata(lifetime=3600)
    cloud.aws(session_scale=1)
    values = {
        "secrets": {"piggyDefaultNamespaces": [{"key": LABEL, "operator": "In", "values": ["true"]}]},
        "webhook": {
            "settings": {"injector-env": injector_env(), "region": "eu-west-1"},
            "extraEnv": [{"name": "AWS_SECRET_NAME", "value": "shop/db"}],
        },
    }
    installed.as_wanted(Release(images=images, values=values))
    with silent_namespace("defaults") as name:
        kubectl("label", "namespace", name, f"{LABEL}=true")
        apply(service_account(name, "app", {ROLE_ARN: ROLE}))
        data = {"FOO": WANTED["FOO"]}
        apply({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "map", "namespace": name}, "data": data})
        of_map = revealing(images.application, {}, watched=["FOO"])
        of_map["envFrom"] = [{"configMapRef": {"name": "map"}}]
        apply(
            unlabelled(pod(name, "written", [revealing(images.application, WANTED)])),
            unlabelled(pod(name, "map", [of_map])),
            pod(name, "labelled-map", [of_map]),
        )
        yield name


@pytest.mark.parametrize("name", ["written", "map", "labelled-map"])
def test_the_value_is_in_the_variable(name: str, place: str) -> None:
    """Wherever the pod has the text from, with our label or without."""
    ended(place, name)
    (said,) = lines(place, name)
    assert said["variables"] == vault.revealed({"FOO": vault.DATABASE["password"]})


def test_another_namespace_is_left_alone(place: str, images: Images) -> None:
    """Its pods are not sent: what they say is text."""
    del place  # its release is what counts
    with silent_namespace("others") as other:
        apply(service_account(other, "app", {ROLE_ARN: ROLE}))
        apply(unlabelled(pod(other, "written", [revealing(images.application, WANTED)])))
        ended(other, "written")
        (said,) = lines(other, "written")
        assert said["variables"] == vault.revealed(WANTED)
        assert "initContainers" not in get("pod", "written", other)["spec"]
