"""A secret's new version: in the file, told by a signal, or by a new process; never as a reference's own text."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from contract.secrets import EXEC_ROTATED
from demo.cluster import cloud
from demo.cluster.kubectl import apply, get, kubectl, until
from demo.cluster.release import Images, Release
from demo.cluster.reveal import fingerprint
from demo.cluster.workload import ROLE_ARN, pod, revealing, service_account
from tests.e2e import vault
from tests.e2e.conftest import ROLE
from tests.e2e.pods import PATIENCE, lines, told
from tests.e2e.silence import silent_namespace

PREFIX = "admission.token-injector/"
FILE = "/var/run/secrets/token-injector/password"
# As often as may be.
ASKS = {PREFIX + "secrets": "true", PREFIX + "secret-rotation-interval": "30"}
ROTATIONS = {"none": "none", "file": "file", "signal": "signal:HUP", "restart": "restart"}
OLD, NEW = f"old {vault.CANARY}", f"new {vault.CANARY}"
METRICS_PORT = "9464"


def secret(name: str) -> str:
    """Of one pod."""
    return f"rotating/{name}"


@pytest.fixture(scope="module")
def place(secrets_release: Release, images: Images) -> Iterator[str]:
    """Pods that run with the first version, after the second one was put."""
    with silent_namespace("rotation") as name:
        apply(service_account(name, "app", {ROLE_ARN: ROLE}))
        cloud.aws(secrets={secret(each): OLD for each in ROTATIONS})
        for each, rotation in ROTATIONS.items():
            text = f"sm://{secret(each)}"
            container = revealing(images.application, {"PASSWORD": text}, options=["--stay", f"--files={FILE}"])
            asks = ASKS | {PREFIX + "secret-rotation": rotation, PREFIX + "secret-file.password": text}
            asks[PREFIX + "secret-metrics-port"] = METRICS_PORT
            apply(pod(name, each, [container], annotations=asks, restartPolicy="Always"))
        for each in ROTATIONS:
            told(name, each)
        cloud.aws(secrets={secret(each): NEW for each in ROTATIONS})
        yield name


def _told(place: str, name: str, why: str) -> dict[str, Any]:
    """The first line that was told for this reason."""
    return until(
        f"{name}: a line because of {why}",
        lambda: next((line for line in told(place, name) if line["why"] == why), None),
        seconds=PATIENCE,
    )


def _ended(place: str, name: str) -> dict[str, Any] | None:
    """How the application's process before this one ended."""
    (status,) = get("pod", name, place)["status"]["containerStatuses"]
    before: dict[str, Any] | None = status["lastState"].get("terminated")
    return before


def restarts(place: str, name: str) -> int:
    """Of the application."""
    return int(get("pod", name, place)["status"]["containerStatuses"][0]["restartCount"])


def test_a_file_has_the_new_value(place: str) -> None:
    """The running application reads it; its environment is what it was, and nobody says otherwise."""
    line = _told(place, "file", "file")

    assert line["files"] == {FILE: fingerprint(NEW)}
    assert line["variables"] == {"PASSWORD": fingerprint(OLD)}
    assert restarts(place, "file") == 0


def test_a_signal_tells_the_application(place: str) -> None:
    """SIGHUP comes after the file is new; the process is the same."""
    line = _told(place, "signal", "signal")

    assert line["files"] == {FILE: fingerprint(NEW)}
    assert line["pid"] == lines(place, "signal")[0]["pid"]
    assert restarts(place, "signal") == 0


def test_a_restart_brings_a_process_with_the_new_value(place: str) -> None:
    """Once; the container's last state says why it ended."""
    ended = until("the restart", lambda: _ended(place, "restart"), seconds=PATIENCE)
    over = datetime.fromisoformat(ended["finishedAt"]).timestamp()
    line = until(
        "the new process's line",
        lambda: next((line for line in told(place, "restart") if line["at"] > over), None),
        seconds=PATIENCE,
    )

    assert line["variables"] == {"PASSWORD": fingerprint(NEW)}
    assert line["files"] == {FILE: fingerprint(NEW)}
    assert restarts(place, "restart") == 1
    assert ended["exitCode"] == EXEC_ROTATED
    assert ended["message"].strip() == "a secret has changed; the container starts again"
    before = kubectl("logs", "-n", place, "restart", "-c", "app", "--previous")
    assert fingerprint(OLD) in before
    assert fingerprint(f"sm://{secret('restart')}") not in before


def test_a_scraper_is_told(place: str) -> None:
    """At the port that the pod names: what was rotated, and that nothing is stale."""
    _told(place, "file", "file")
    page = kubectl("get", "--raw", f"/api/v1/namespaces/{place}/pods/file:{METRICS_PORT}/proxy/metrics")

    assert "token_injector_secrets_stale 0\n" in page
    assert 'token_injector_secrets_rotations_total{taker="file password"} 1\n' in page
    assert secret("file") not in page


def test_without_rotation_nothing_changes(place: str) -> None:
    """The others have changed by now."""
    (line,) = lines(place, "none")
    assert line["files"] == {FILE: fingerprint(OLD)}
    assert restarts(place, "none") == 0
