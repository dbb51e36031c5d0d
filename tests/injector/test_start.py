"""What a start weighs: in every pod, whenever a token is fetched."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import injector
from bench.token import instructions
from demo.fakes.metadata import MetadataServer

# None of them is needed for a token from the metadata server; each costs memory and time in every pod.
HEAVY = {
    "ssl",
    "logging",
    "google",
    "dataclasses",
    "typing",
    "argparse",
    "http",
    "email",
    "urllib",
    "pathlib",
    "random",
}
HEAVY |= {"subprocess", "tempfile", "base64", "encodings.idna", "traceback", "injector.loop", "injector.sources.adc"}
BOUND = 6


def environ(metadata: MetadataServer) -> dict[str, str]:
    """The environment of the injected container."""
    return {"GCE_METADATA_HOST": metadata.host, "PATH": os.environ["PATH"]}


@pytest.mark.slow
def test_isolated_start(metadata: MetadataServer, image_folder: Path, tmp_path: Path) -> None:
    """`python -I -S FOLDER`, as in the image, fetches a token: no site-packages, no environment."""
    file = tmp_path / "token"
    command = [sys.executable, "-I", "-S", str(image_folder), f"--file={file}", "--refresh=false"]
    subprocess.run(command, env=environ(metadata), check=True, timeout=30)
    assert file.read_text().count(".") == 2


@pytest.mark.slow
def test_nothing_heavy_is_imported(metadata: MetadataServer, image_folder: Path, tmp_path: Path) -> None:
    """After a first token none of the heavy modules is there."""
    program = (
        f"import sys; sys.path.insert(0, {str(image_folder)!r}); from injector.cli import run; "
        f"code = run(['--file={tmp_path / 'token'}']); modules = list(sys.modules); "
        "import json; print(json.dumps([code, modules]))"
    )
    found = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program],
        env=environ(metadata),
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    code, modules = json.loads(found.stdout)
    assert code == 0
    assert HEAVY & set(modules) == set()


@pytest.mark.slow
def test_first_token_weighs_little(metadata: MetadataServer, image_folder: Path, tmp_path: Path) -> None:
    """A first token, whole process, takes at most 6 times the instructions of a bare start of the interpreter."""
    if not shutil.which("valgrind"):
        pytest.skip("needs valgrind: apt-get install valgrind")
    python = [sys.executable, "-I", "-S"]
    first = [*python, str(image_folder), f"--file={tmp_path / 'token'}"]
    subprocess.run(first, env=environ(metadata), check=True, timeout=30)  # compiles what is not compiled yet
    (tmp_path / "token").unlink()
    bare = instructions([*python, "-c", "pass"], environ(metadata))
    assert instructions(first, environ(metadata)) <= BOUND * bare


def test_version_is_the_packages() -> None:
    """--version is pyproject's; the image has no metadata to read it from."""
    pyproject = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert f'\nversion = "{injector.__version__}"\n' in pyproject
