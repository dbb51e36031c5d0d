"""A release in a real cluster beside the fake clouds: KUBECONFIG names the cluster, `make images` made the images.

Every test gets a namespace of its own. What changes the release puts it back.
"""

import os
import shutil
import uuid
from collections.abc import Iterator

import pytest

from demo.cluster import cloud
from demo.cluster.kubectl import apply, delete_namespaces, kubectl, make_namespaces
from demo.cluster.release import NAMESPACE, TOKEN_LIFETIME, Images, Release
from demo.cluster.workload import namespace

ROLE = "arn:aws:iam::123456789012:role/orders"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of them need a cluster, and none of them a look at the clock of a unit test."""
    for item in items:
        if "/tests/e2e/" in str(item.path):
            item.add_marker(pytest.mark.cluster)
            item.add_marker(pytest.mark.timeout(300))


@pytest.fixture(scope="session", autouse=True)
def _loopback_only() -> None:
    """Not here: the cluster is where KUBECONFIG says, and nothing else is talked to."""


@pytest.fixture(scope="session", autouse=True)
def _cluster() -> None:
    """Where there is no cluster, say what is missing."""
    if not os.environ.get("KUBECONFIG"):
        pytest.skip("needs a cluster: KUBECONFIG names none")
    missing = [tool for tool in ("kubectl", "helm") if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"needs {' and '.join(missing)} on PATH")


@pytest.fixture(scope="session")
def images() -> Images:
    """What `make images` made."""
    return Images.from_environ()


@pytest.fixture(scope="session")
def clouds(images: Images) -> Iterator[None]:
    """Google and AWS, with one role that trusts the pods' Google service account. An hour is a minute."""
    cloud.start_cloud(images.application)
    cloud.metadata(lifetime=TOKEN_LIFETIME, bound=True, standing=None)
    cloud.aws(session_scale=1 / 60)
    cloud.google_role(ROLE)
    yield
    delete_namespaces(cloud.NAMESPACE)


@pytest.fixture(scope="session")
def release(images: Images, clouds: None) -> Iterator[Release]:
    """The chart with its defaults, in a namespace that admits nothing but restricted pods."""
    make_namespaces(namespace(NAMESPACE, enforce="restricted"))
    release = Release(images=images)
    release.install()
    yield release
    release.uninstall()
    delete_namespaces(NAMESPACE)


@pytest.fixture
def place() -> Iterator[str]:
    """A namespace of one test."""
    name = f"e2e-{uuid.uuid4().hex[:8]}"
    apply(namespace(name))
    yield name
    kubectl("delete", "namespace", name, "--wait=false")
