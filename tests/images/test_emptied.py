"""Modules that stand empty in an image: the libraries around them do without, and are imported sooner."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import botocore
import pytest
import urllib3

from images.emptied import EmptiedError, empty

LIBRARIES = [Path(str(library.__file__)).parent for library in (botocore, urllib3)]
HTTP2, DOCS = "urllib3/http2/__init__.py", "botocore/docs/__init__.py"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def application(tmp_path: Path) -> Path:
    """A folder of libraries, as they are installed."""
    for library in LIBRARIES:
        ignored = shutil.ignore_patterns("__pycache__", "data")
        shutil.copytree(library, tmp_path / "lib" / library.name, ignore=ignored)
    (tmp_path / "lib/botocore/data").symlink_to(LIBRARIES[0] / "data")
    return tmp_path


def test_what_reads_secrets_imports_less(application: Path) -> None:
    """Nothing looks through the installed packages, and nothing writes documentation of services."""
    program = "import sys; sys.path[:0] = sys.argv[1:]; import secretenv.stores.aws; print(*sys.modules)"
    empty(application)
    line = [sys.executable, "-c", program, str(application / "lib"), str(ROOT)]
    done = subprocess.run(line, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": ""})
    modules = set(done.stdout.split())
    assert {"botocore.docs", "urllib3.http2", "urllib3.http2.probe", "botocore.client"} <= modules
    assert not {"importlib.metadata", "botocore.docs.service"} & modules


@pytest.mark.parametrize(
    ("file", "more"), [(HTTP2, "def new(): ...\n"), (DOCS, "from .a import ANSWER\n"), (DOCS, "if 1: ...\n")]
)
def test_another_library_is_refused(application: Path, file: str, more: str) -> None:
    """Where a release puts more there than what is known, nothing is emptied."""
    with (application / "lib" / file).open("a") as opened:
        opened.write(more)
    with pytest.raises(EmptiedError, match=r"new|ANSWER|If"):
        empty(application)
    assert all((application / "lib" / each).stat().st_size for each in (HTTP2, DOCS))


def test_a_library_without_it_is_refused(application: Path) -> None:
    """The step has nothing to do there any more: it says so, and is taken out."""
    shutil.rmtree(application / "lib/urllib3/http2")
    with pytest.raises(EmptiedError, match="found 0"):
        empty(application)
