"""The launcher's builds and their sidecars.

Every test of behaviour runs the program for this machine, the other architecture's under qemu, and a sanitized one.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.launcher import building
from tests.launcher.application import Application
from tests.launcher.building import BINARIES, Program
from tests.launcher.sidecar import Sidecar
from tests.launcher.supervised import Container


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever comes first builds, and zig's first build takes longer than a test may."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(400))


@pytest.fixture(scope="session")
def binaries() -> dict[str, Path]:
    """The programs that the image gets, by architecture."""
    building.native()
    return BINARIES


@pytest.fixture(
    scope="session", params=[building.native, building.foreign, building.sanitized], ids=lambda p: p.__name__
)
def program(request: pytest.FixtureRequest) -> Program:
    """Each build of the launcher."""
    built = request.param()
    assert isinstance(built, Program)
    return built


@pytest.fixture
def sidecar(program: Program, tmp_path: Path) -> Iterator[Sidecar]:
    """Each build of the launcher, with a folder and a refresher."""
    yield from _sidecar(program, tmp_path)


@pytest.fixture
def native_sidecar(tmp_path: Path) -> Iterator[Sidecar]:
    """Only the program for this machine: what is measured would be qemu's or the sanitizers'."""
    yield from _sidecar(building.native(), tmp_path)


@pytest.fixture
def application(program: Program, tmp_path: Path) -> Iterator[Application]:
    """Each build of the launcher, with an application's folder."""
    yield from _application(program, tmp_path)


@pytest.fixture
def native_application(tmp_path: Path) -> Iterator[Application]:
    """Only the program for this machine."""
    yield from _application(building.native(), tmp_path)


@pytest.fixture
def container(application: Application) -> Container:
    """Of each build."""
    return Container(application)


@pytest.fixture
def native_container(native_application: Application) -> Container:
    """Of the program for this machine."""
    return Container(native_application)


def _application(program: Program, folder: Path) -> Iterator[Application]:
    made = Application(program=program, folder=folder, show=building.show("static"))
    made.log.touch()  # as the kubelet does
    yield made
    made.end()


def _sidecar(program: Program, folder: Path) -> Iterator[Sidecar]:
    made = Sidecar(program=program, folder=folder)
    made.log.touch()  # as the kubelet does
    yield made
    made.end()


@pytest.fixture(scope="session")
def unshare() -> tuple[str, ...]:
    """A command that makes the next one PID 1 of a namespace."""
    found = shutil.which("unshare")
    if found is None:
        pytest.skip("needs unshare: apt-get install util-linux")
    line = (found, *(() if os.geteuid() == 0 else ("-U", "-r")), "--pid", "--fork", "--kill-child")
    if subprocess.run([*line, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("needs a PID namespace: run as root, or allow user namespaces (kernel.unprivileged_userns_clone=1)")
    return line
