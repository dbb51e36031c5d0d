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
from demo.cluster.release import NAME, NAMESPACE, TIME_DIVISOR, TOKEN_LIFETIME, Images, Release, injector_env
from demo.cluster.workload import namespace
from tests.e2e import vault
from tests.e2e.bare_image import registry_host

ROLE = "arn:aws:iam::123456789012:role/orders"
SHARED_ROLE = "arn:aws:iam::123456789012:role/of-the-broker"


# Modules that leave another release behind, or none: after those that want the defaults, so that few are installed.
LAST = ("test_floor", "test_upgrade", "test_secrets")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of them need a cluster, and none of them a look at the clock of a unit test."""
    for item in items:
        if "/tests/e2e/" in str(item.path):
            item.add_marker(pytest.mark.cluster)
            item.add_marker(pytest.mark.timeout(600))
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    name = item.path.name if "/tests/e2e/" in str(item.path) else ""
    return next((place for place, start in enumerate(LAST, 1) if name.startswith(start)), 0)


class Installed:
    """What is installed now: modules that want the same follow each other without an upgrade."""

    def __init__(self) -> None:
        self._now: Release | None = None

    def as_wanted(self, release: Release) -> Release:
        """The release, installed."""
        if release != self._now:
            self._now = None
            release.install()
            self._now = release
        return release

    def uninstall(self) -> None:
        """Remove it; the next one is installed anew."""
        if self._now is not None:
            self._now.uninstall()
        self._now = None


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
    """Google and AWS, with one role that trusts the pods' Google service account."""
    cloud.start_cloud(images.application)
    cloud.metadata(bound=True, standing=None)
    cloud.google_role(ROLE)
    vault.fill()
    yield
    delete_namespaces(cloud.NAMESPACE)


@pytest.fixture(scope="session")
def installed(clouds: None) -> Iterator[Installed]:
    """The release, in a namespace that admits nothing but restricted pods."""
    make_namespaces(namespace(NAMESPACE, enforce="restricted"))
    installed = Installed()
    yield installed
    installed.uninstall()
    delete_namespaces(NAMESPACE)


@pytest.fixture(scope="module")
def release(installed: Installed, images: Images) -> Release:
    """The chart with its defaults. An hour is a minute."""
    cloud.metadata(lifetime=TOKEN_LIFETIME)
    cloud.aws(session_scale=1 / TIME_DIVISOR)
    return installed.as_wanted(Release(images=images))


@pytest.fixture(scope="module")
def secrets_release(installed: Installed, images: Images, registry: dict[str, list[str]]) -> Release:
    """With what secrets need beyond the defaults. An hour is an hour: reading takes as long as it does for users."""
    cloud.metadata(lifetime=3600)
    cloud.aws(session_scale=1)
    cloud.cluster_role(SHARED_ROLE, issuer=cloud.trust_cluster(), namespace=NAMESPACE, account=f"{NAME}-broker")
    grants = [{"name": "tests", "serviceAccounts": ["e2e-*:granted"], "secrets": ["sm://shop/db"]}]
    broker = {
        "enabled": True,
        "replicas": 1,
        "settings": {"json": True, "legacy-piggy": True, "region": "eu-west-1"},
        "sharedRole": {"arn": SHARED_ROLE, "mode": "cluster", "grants": grants},
        "extraEnv": [{"name": "AWS_ENDPOINT_URL", "value": cloud.AWS_URL}],
    }
    settings = {**registry, "injector-env": injector_env()}
    return installed.as_wanted(Release(images=images, settings=settings, values={"broker": broker}))


@pytest.fixture(scope="session")
def registry(images: Images, clouds: None) -> dict[str, list[str]]:
    """How the webhook reaches the registry of the tests, which is at an address of the node."""
    host = images.prefix.partition("/")[0]
    where = registry_host(images.prefix)
    if not where:
        return {}
    relay = cloud.relay(images.application, where)
    return {"registry-mirror": [f"{host}={relay}"], "registry-insecure": [relay]}


@pytest.fixture
def place() -> Iterator[str]:
    """A namespace of one test."""
    name = f"e2e-{uuid.uuid4().hex[:8]}"
    apply(namespace(name))
    yield name
    kubectl("delete", "namespace", name, "--wait=false")
