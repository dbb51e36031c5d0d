"""What an image holds, and what it must not."""

import stat
import sys
from pathlib import PurePosixPath

import pytest

from contract.environ import REFRESHER_COMMAND
from contract.pod import LAUNCHER, PYTHON_REFRESHER, USER_ID
from tests.images.archive import Image, largest

pytestmark = pytest.mark.images

MEGABYTE = 1_000_000
GOALS = {"injector": 80 * MEGABYTE, "webhook": 260 * MEGABYTE}
# Beside the interpreter.
PROGRAMS = {
    "injector": {LAUNCHER},
    "webhook": {
        "/opt/token-injector/bin/token-injector-webhook",
        "/opt/token-injector/bin/token-injector-certs",
        "/opt/token-injector/bin/token-injector-broker",
        "/opt/token-injector/bin/kubectl-token_injector",
    },
}
LABELS = ("title", "description", "version", "revision", "source", "licenses")
UNUSED = ("pip", "setuptools", "ensurepip", "idlelib", "tkinter", "lib2to3", "unittest", "test", "tests", "__tests__")


def test_size(product: Image, capsys: pytest.CaptureFixture[str]) -> None:
    """Unpacked it is within its goal; the five largest paths are printed."""
    shown = [(product.size, f"{product.name}, goal {GOALS[product.name] / MEGABYTE:.0f} MB"), *largest(product, 5)]
    with capsys.disabled():
        sys.stdout.writelines(f"\n  {size / MEGABYTE:6.1f} MB  {what}" for size, what in shown)
    assert product.size <= GOALS[product.name]


def test_programs(product: Image) -> None:
    """The interpreter and our own are the only programs: no shell, no package manager, nothing to fetch more with."""
    executable = {str(path) for path, member in product.members.items() if member.isfile() and member.mode & 0o111}
    programs = {path for path in executable if ".so" not in path}
    assert programs == {f"/usr/bin/{product.interpreter}", *PROGRAMS[product.name]}


def test_nothing_for_other_uses(product: Image) -> None:
    """No installer, no tests, no window system, no leftovers of a build."""
    assert {path for path in product.members if path.name in UNUSED} == set()
    assert {path for path in product.members if path.parts[1] in {"tmp", "root", "build", "tools", "wheels"}} == set()


def test_owner_and_modes(product: Image) -> None:
    """Everything is root's, only root may write, nothing is setuid, and every user can read."""
    for path, member in product.members.items():
        assert (member.uid, member.gid) == (0, 0), path
        if member.issym():
            continue
        assert member.isfile() or member.isdir(), path
        assert not member.mode & (stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX | stat.S_IWGRP | stat.S_IWOTH), path
        assert member.mode & stat.S_IROTH, path


def test_user(product: Image) -> None:
    """The user is numeric, as runAsNonRoot asks for, and has a name and no home."""
    assert product.config["User"] == f"{USER_ID}:{USER_ID}"
    assert f"nonroot:x:{USER_ID}:{USER_ID}:" in product.read(PurePosixPath("/etc/passwd")).decode()


def test_labels(product: Image) -> None:
    """Every OCI label that tells where it comes from is there, and the version is the package's."""
    labels = product.config["Labels"]
    for name in LABELS:
        assert labels.get(f"org.opencontainers.image.{name}"), name
    assert labels["org.opencontainers.image.version"][0].isdigit()
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.revision"] != "unknown"


def test_licences_and_packages(product: Image) -> None:
    """A scanner finds which packages of Debian and of PyPI it holds, and a lawyer their copyright."""
    packages = {path.name for path in product.files("/var/lib/dpkg/status.d/*")}
    assert {"libc6", f"{product.interpreter}-minimal", "ca-certificates"} <= packages
    assert {path.parent.name for path in product.files("/usr/share/doc/*/copyright")} == packages
    assert product.read(PurePosixPath("/var/lib/dpkg/status.d/libc6")).startswith(b"Package: libc6\n")
    assert product.files("cryptography-*.dist-info/METADATA")


def test_entrypoint_of_the_injector(injector_image: Image) -> None:
    """The launcher starts, and knows the Python tool that the webhook's pods may start instead."""
    assert injector_image.config["Entrypoint"] == [LAUNCHER]
    assert not injector_image.config.get("Cmd")
    assert f"{REFRESHER_COMMAND}={' '.join(PYTHON_REFRESHER)}" in injector_image.config["Env"]


def test_entrypoint_of_the_webhook(webhook_image: Image) -> None:
    """No shell and no script is between the kubelet and Python, and our commands are found first."""
    program, *rest = webhook_image.config["Entrypoint"]
    assert program == "/opt/token-injector/bin/python3"
    assert rest == ["-I", "/opt/token-injector/entrypoint"]
    path = next(pair for pair in webhook_image.config["Env"] if pair.startswith("PATH="))
    assert path.removeprefix("PATH=").split(":")[0] == "/opt/token-injector/bin"


def test_e2e(e2e_image: Image) -> None:
    """The tests' own image runs as the same user and holds the fakes and the application."""
    assert e2e_image.config["User"] == f"{USER_ID}:{USER_ID}"
    for name in ("demo/application.py", "demo/fakes/metadata/__main__.py", "demo/fakes/sts/__main__.py"):
        assert PurePosixPath("/opt/e2e", name) in e2e_image.members
