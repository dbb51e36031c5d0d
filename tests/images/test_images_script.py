"""`make images` builds with whatever builder is there, and calls each of them alike."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def program(folder: Path, name: str, text: str) -> Path:
    """A program that is found first."""
    path = folder / name
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)
    return path


def images(*arguments: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the script with the folder's programs before this machine's, and no others of their kind."""
    for name in ("docker", "podman", "buildah", "skopeo"):
        if not (folder / name).exists():
            program(folder, name, "exit 1")
    environment = {"PATH": f"{folder}:{os.environ['PATH']}", **variables}
    line = ["bash", str(ROOT / "images/images.sh"), *arguments]
    return subprocess.run(line, env=environment, capture_output=True, text=True, timeout=30, check=False)


def recorder(folder: Path) -> str:
    """Shell text that writes its arguments down, one call a line."""
    return f'echo "$@" >>{folder}/calls'


def calls(folder: Path) -> list[str]:
    """What was written down."""
    return (folder / "calls").read_text().splitlines()


def test_another_builder(tmp_path: Path) -> None:
    """The command in IMAGE_BUILD, words and all, gets tag, context, Dockerfile and options for each image."""
    command = program(tmp_path, "kit", recorder(tmp_path))

    done = images("build", "r.example/x", "1.0", folder=tmp_path, IMAGE_BUILD=f"{command} image", BASE="debian:sid")

    assert done.returncode == 0, done.stderr
    assert [call.split()[:5] for call in calls(tmp_path)] == [
        ["image", f"r.example/x/{name}:1.0", ".", "-f", file]
        for name, file in (
            ("injector", "Dockerfile.injector"),
            ("webhook", "Dockerfile.webhook"),
            ("e2e", "tests/e2e/Dockerfile"),
        )
    ]
    assert all("--build-arg VERSION=0." in call and "--build-arg BASE=debian:sid" in call for call in calls(tmp_path))
    assert "r.example/x/webhook:1.0: built in" in done.stdout


def test_a_client_without_its_daemon_is_passed_over(tmp_path: Path) -> None:
    """Docker is installed and its daemon is not there: podman builds."""
    program(tmp_path, "docker", "[[ $1 != info ]] || exit 1; touch /nowhere/docker-was-asked")
    program(tmp_path, "podman", f"[[ $1 == info ]] || {recorder(tmp_path)}")

    done = images("build", "r.example/x", "1.0", "webhook", folder=tmp_path)

    assert done.returncode == 0, done.stderr
    (call,) = calls(tmp_path)
    assert call.startswith("build --tag r.example/x/webhook:1.0 --file Dockerfile.webhook ")
    assert call.endswith(" .")


def test_a_failed_build_fails(tmp_path: Path) -> None:
    """The first image that cannot be built ends the run."""
    command = program(tmp_path, "kit", f"{recorder(tmp_path)}; exit 3")
    assert images("build", "r.example/x", "1.0", folder=tmp_path, IMAGE_BUILD=str(command)).returncode == 3
    assert len(calls(tmp_path)) == 1


def test_saving_from_a_registry(tmp_path: Path) -> None:
    """With IMAGE_SOURCE skopeo copies from there."""
    program(tmp_path, "skopeo", recorder(tmp_path))

    done = images("save", "r.example/x", "1", f"{tmp_path}/out", "e2e", folder=tmp_path, IMAGE_SOURCE="docker://h:1/y")

    assert done.returncode == 0, done.stderr
    assert calls(tmp_path) == [
        f"copy --quiet --src-tls-verify=false docker://h:1/y/e2e:1 docker-archive:{tmp_path}/out/e2e.tar"
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "images.sh build PREFIX TAG"),
        (("build", "r.example/x"), "images.sh build PREFIX TAG"),
        (("build", "r.example/x", "1.0", "broker"), "there is no image broker"),
        (("build", "r.example/x", "1.0"), "none of docker, podman and buildah works here"),
    ],
)
def test_what_it_cannot_do(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    """A wrong call and a machine without a builder are answered with what to do."""
    done = images(*arguments, folder=tmp_path)
    assert done.returncode != 0
    assert said in done.stderr
