"""The parsers that face other processes are fuzzed, and the fuzzing itself is proven: it finds a bug put there."""

import shutil
import subprocess

import pytest

from tests.launcher.building import SOURCES

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("argument", ["2", "--planted"])
def test_fuzz(argument: str) -> None:
    """Two seconds from the committed corpus find nothing; a planted bug is found from one harmless input."""
    if shutil.which("clang") is None:
        pytest.skip("needs clang: apt-get install clang libclang-rt-dev")
    line = ["bash", str(SOURCES / "fuzz" / "fuzz.sh"), argument]
    done = subprocess.run(line, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
