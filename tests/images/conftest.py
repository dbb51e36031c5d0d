"""The images under test: what `make images-check` saved."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract import pod
from demo.fakes.metadata import MetadataServer
from tests.images import archive, container
from tests.images.archive import Image
from tests.images.container import Container

CERTIFICATES = "/etc/webhook/certs"


def image(name: str) -> Image:
    """One of the saved images."""
    folder = os.environ.get("IMAGES_ROOT")
    if not folder:
        pytest.skip("needs built images: make images images-check")
    return archive.load(Path(folder, f"{name}.tar"))


@pytest.fixture(scope="session")
def injector_image() -> Image:
    """What is injected into pods."""
    return image("injector")


@pytest.fixture(scope="session")
def webhook_image() -> Image:
    """Webhook, cert job and operator's command."""
    return image("webhook")


@pytest.fixture(scope="session")
def e2e_image() -> Image:
    """The end-to-end tests' fakes and application."""
    return image("e2e")


@pytest.fixture(scope="session", params=["injector", "webhook"])
def product(request: pytest.FixtureRequest) -> Image:
    """Each image that users run."""
    found = request.getfixturevalue(f"{request.param}_image")
    assert isinstance(found, Image)
    return found


@pytest.fixture(scope="session")
def injector_root(injector_image: Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The injector's image, unpacked."""
    return container.unpacked(injector_image, tmp_path_factory.mktemp("injector"), mount=pod.VOLUME_PATH)


@pytest.fixture(scope="session")
def webhook_root(webhook_image: Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The webhook's image, unpacked."""
    return container.unpacked(webhook_image, tmp_path_factory.mktemp("webhook"), mount=CERTIFICATES)


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """A folder that everybody may write to, as an emptyDir is."""
    folder = tmp_path / "volume"
    folder.mkdir()
    folder.chmod(0o777)
    return folder


@pytest.fixture
def metadata() -> Iterator[MetadataServer]:
    """A GKE metadata server on loopback."""
    with MetadataServer() as server:
        yield server


@pytest.fixture
def injector(injector_image: Image, injector_root: Path, volume: Path, metadata: MetadataServer) -> Container:
    """An injected container of a pod."""
    return Container(
        image=injector_image,
        root=injector_root,
        volume=volume,
        mount=pod.VOLUME_PATH,
        environment={"GCE_METADATA_HOST": metadata.host},
    )


@pytest.fixture
def webhook(webhook_image: Image, webhook_root: Path, volume: Path) -> Container:
    """A container of the webhook's image."""
    return Container(image=webhook_image, root=webhook_root, volume=volume, mount=CERTIFICATES)
