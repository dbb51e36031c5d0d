"""Does CI notice a test that did not run?"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SKIPPED = """
import pytest

def test_without_its_tool():
    pytest.skip("needs X: apt-get install x")

@pytest.mark.skipif(True, reason="not here")
def test_not_here():
    pass

def test_that_runs():
    pass
"""


@pytest.mark.slow
@pytest.mark.parametrize(("required", "code"), [("", 0), ("1", 1)])
def test_a_skip_fails_where_every_tool_must_be_there(required: str, code: int, tmp_path: Path) -> None:
    """With REQUIRE_ALL_TESTS each skipped test fails with its reason, and the others still run."""
    (tmp_path / "conftest.py").write_text((Path(__file__).parent / "conftest.py").read_text())
    (tmp_path / "test_skipped.py").write_text(SKIPPED)
    line = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", "--rootdir=.", "-q"]
    environment = {**os.environ, "REQUIRE_ALL_TESTS": required, "PYTEST_ADDOPTS": ""}

    finished = subprocess.run(
        line, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )

    assert finished.returncode == code, finished.stdout + finished.stderr
    assert "1 passed" in finished.stdout
    for reason in ("needs X: apt-get install x", "not here"):
        assert (reason in finished.stdout) is bool(required)
