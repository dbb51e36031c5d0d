"""Everything is compiled, and no start compiles or compares again.

Measured: without byte code a start takes 2.5 times the instructions, in every pod, on a root that cannot keep it.
"""

import dataclasses
import shutil
from pathlib import Path, PurePosixPath

import pytest

from contract import pod
from contract.pod import PYTHON_REFRESHER
from tests.images.archive import Image
from tests.images.container import Container

pytestmark = pytest.mark.images

# https://peps.python.org/pep-0552/: bit 0 says that a hash stands in place of the time, bit 1 that it is compared.
UNCHECKED_HASH = (1).to_bytes(4, "little")


def compiled(source: PurePosixPath, image: Image) -> PurePosixPath:
    """The place of a module's byte code."""
    tag = image.interpreter.replace("python", "cpython-").replace(".", "")
    return source.parent / "__pycache__" / f"{source.stem}.{tag}.pyc"


def test_all_is_compiled(product: Image, tmp_path: Path) -> None:
    """Each module has byte code that is never compared with its source, and no byte code is without a source."""
    sources = [path for path in product.members if path.suffix == ".py"]
    assert len(sources) > 500
    assert {compiled(path, product) for path in sources} == set(product.files("*.pyc"))
    product.unpack(tmp_path)
    for path in sources:
        with (tmp_path / str(compiled(path, product)).lstrip("/")).open("rb") as file:
            assert file.read(8)[4:] == UNCHECKED_HASH, path


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("injector", (*PYTHON_REFRESHER, f"--file={pod.VOLUME_PATH}/token", "--refresh=false")),
        ("webhook", ("/opt/token-injector/bin/python3", "-I", "/opt/token-injector/entrypoint", "server", "--help")),
        ("webhook", ("/opt/token-injector/bin/python3", "-I", "/opt/token-injector/entrypoint", "check", "--help")),
    ],
    ids=["token", "server", "check"],
)
def test_nothing_is_compiled_at_start(name: str, line: tuple[str, ...], request: pytest.FixtureRequest) -> None:
    """Python's own account of a start names the byte code of every module, and never a source."""
    container: Container = request.getfixturevalue(name)
    python, *rest = line

    done = container.run(command=[python, "-v", *rest])

    assert done.returncode == 0, done.stderr[-2000:]
    told = [text for text in done.stderr.splitlines() if text.startswith("# code object from")]
    assert len(told) > 10
    assert [text for text in told if ".pyc" not in text] == []
    assert "# wrote" not in done.stderr


def test_sources_are_for_people(injector: Container, tmp_path: Path) -> None:
    """With every source replaced by what is no Python at all, a token is still fetched: nothing reads them."""
    broken = tmp_path / "broken"
    shutil.copytree(injector.root, broken, symlinks=True)
    for path in broken.rglob("*.py"):
        path.write_text("this is no Python (\n")
    container = dataclasses.replace(injector, root=broken)

    done = container.run(f"--file={pod.VOLUME_PATH}/token")

    assert done.returncode == 0, done.stderr
    assert (injector.volume / "token").read_text().count(".") == 2
