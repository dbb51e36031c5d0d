"""The demo proves what it says, and says so when it does not."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from demo import acts
from demo.acts import processes_of
from demo.kubelet import HookFailedError, Image, Kubelet
from demo.show import Show

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_everything_is_proven_and_nothing_is_left(tmp_path: Path) -> None:
    """With the refresher in Python, as on macOS, it ends with 0 and leaves no file; `make demo` runs the launcher's."""
    line = [sys.executable, "-m", "demo", "--refresher-program=python"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}

    finished = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False)

    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "0 not proven" in finished.stdout
    assert "NOT PROVEN" not in finished.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_demo_that_is_ended_leaves_nothing(tmp_path: Path) -> None:
    """SIGTERM, or a terminal that is closed, is no reason to leave a webhook running."""
    if not Path("/proc/self/environ").exists():
        pytest.skip("needs /proc: Linux")
    line = [sys.executable, "-m", "demo", "--refresher-program=python"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(line, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as demo:
        try:
            deadline = time.monotonic() + 60
            while not any(map(processes_of, tmp_path.iterdir())) and time.monotonic() < deadline:
                time.sleep(0.05)
            demo.terminate()
            code = demo.wait(40)
        finally:
            demo.kill()

    assert (code, list(tmp_path.iterdir()), processes_of(tmp_path)) == (128 + signal.SIGTERM, [], [])


def test_what_was_not_proven_decides_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    """One claim that does not hold makes the summary name it and end with 1."""
    show = Show(colour=False)
    show.proof("water is wet", holds=True, detail="")
    show.twin("fire is not", holds=False, detail="it was")

    code = show.summary()

    assert code == 1
    assert "NOT PROVEN  fire is not" in capsys.readouterr().out


def test_a_process_that_is_left_behind_is_seen(tmp_path: Path) -> None:
    """Whoever was told of the demo's folder is found, by the command line or by the environment."""
    if not Path("/proc/self/environ").exists():
        pytest.skip("needs /proc: Linux")
    assert processes_of(tmp_path) == []

    with subprocess.Popen(["sleep", "60"], env={"TMPDIR": str(tmp_path)}) as left:
        try:
            deadline = time.monotonic() + 10
            while not (found := processes_of(tmp_path)) and time.monotonic() < deadline:
                time.sleep(0.01)  # until the child has become sleep
        finally:
            left.kill()

    assert [entry.partition(" ")[0] for entry in found] == [str(left.pid)]


@pytest.mark.parametrize(
    ("response", "holds"),
    [({"allowed": True}, True), ({"allowed": False}, False), ({"allowed": True, "patch": ""}, False)],
)
def test_a_denied_pod_is_not_unchanged(response: dict[str, object], holds: bool) -> None:  # noqa: FBT001 - a table's column
    """A webhook that denies everything sends no patch, and must not prove anything."""
    assert acts._unchanged(response) is holds


def container(command: list[str], **more: object) -> dict[str, object]:
    """A container of the only image."""
    return {"name": "one", "image": "image", "command": command, **more}


def kubelet(folder: Path) -> Kubelet:
    """One image with a shell."""
    return Kubelet(folder=folder, images={"image": Image(programs={"/bin/sh": ["/bin/sh"]}, env={"OF": "image"})})


def test_a_container_gets_its_own_environment_and_no_more(tmp_path: Path) -> None:
    """Neither this process's variables nor another container's are there."""
    with kubelet(tmp_path) as node:
        said = node.run(container(["/bin/sh", "-c", "env"], env=[{"name": "MINE", "value": "1"}]))

    names = {line.partition("=")[0] for line in said.splitlines()} - {"PWD", "SHLVL", "_"}
    assert names == {"PATH", "OF", "MINE", "TOKEN_INJECTOR_TERMINATION_LOG"}


def test_a_failed_post_start_hook_ends_the_container(tmp_path: Path) -> None:
    """The error carries the container's last words, and its process is gone."""
    hook = {"postStart": {"exec": {"command": ["/bin/sh", "-c", "sleep 0.2; exit 1"]}}}
    script = 'echo sorry > "$TOKEN_INJECTOR_TERMINATION_LOG"; exec sleep 30'
    pod = {"spec": {"initContainers": [container(["/bin/sh", "-c", script], restartPolicy="Always", lifecycle=hook)]}}

    with kubelet(tmp_path) as node:
        with pytest.raises(HookFailedError, match="sorry"):
            node.start_init_containers(pod)
        assert not node.is_running("one")


def test_a_program_that_the_image_lacks_is_an_error(tmp_path: Path) -> None:
    """Nothing of this machine is found by accident."""
    with kubelet(tmp_path) as node, pytest.raises(FileNotFoundError, match="no program /bin/true"):
        node.run(container(["/bin/true"]))
