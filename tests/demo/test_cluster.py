"""The demo on a cluster, where no cluster is needed: kubectl and helm are stand-ins."""

import os
import stat
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
HELM = """\
#!/bin/sh
case " $* " in *" --ignore-not-found "*) exit 0 ;; esac
echo "Error: uninstall: Release not loaded: token-injector: release: not found" >&2
exit 1
"""
KUBECTL = """\
#!/bin/sh
echo "$*" >> "$CALLS"
"""


def demo(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it with these programs."""
    for name, text in (("helm", HELM), ("kubectl", KUBECTL)):
        path = folder / name
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    environ = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "CALLS": str(folder / "calls")}
    command = [sys.executable, "-m", "demo.cluster", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=False)


def test_down_goes_on_where_the_release_is_gone(tmp_path: Path) -> None:
    """Who has uninstalled it by hand still gets rid of the namespaces, and is not told of a failure."""
    done = demo(tmp_path, "down")

    assert (done.returncode, done.stdout, done.stderr) == (0, "removed\n", "")
    deleted = [line for line in (tmp_path / "calls").read_text().splitlines() if line.startswith("delete namespace")]
    assert [name for name in ("token-injector-demo", "token-injector ", "e2e-cloud") if name in " ".join(deleted)] == [
        "token-injector-demo",
        "token-injector ",
        "e2e-cloud",
    ]


def test_help_names_what_it_reads(tmp_path: Path) -> None:
    """The variables that say which images the cluster pulls."""
    done = demo(tmp_path, "--help")

    assert done.returncode == 0
    assert [name for name in ("KUBECONFIG", "IMAGES", "TAG") if name not in done.stdout] == []
