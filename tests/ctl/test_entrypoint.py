"""`entrypoint`: annotations from registries, with this machine's Docker configuration."""

import base64
import json
import os
from pathlib import Path

import pytest
import yaml

from tests.ctl.commands import golden, run
from tests.entrypoint.conftest import fake
from tests.entrypoint.fake_registry import FakeRegistry, Reply
from tests.entrypoint.images import Image

__all__ = ["fake"]

WEB = Image(entrypoint=["/app", "it's", "ä"], cmd=["--port", "80"])
ARM = Image(entrypoint=["/arm"], architecture="arm64")


@pytest.fixture
def registry(fake: FakeRegistry) -> FakeRegistry:
    """With two images."""
    fake.serve("shop/web", "1", WEB)
    fake.serve("shop/my_worker", "1", ARM)
    return fake


def test_annotations(registry: FakeRegistry) -> None:
    """YAML lines to standard output, progress and the next step to standard error."""
    images = (f"{registry.host}/shop/web:1", f"{registry.host}/shop/my_worker:1")

    finished = run("entrypoint", "--registry-insecure", registry.host, *images)

    assert finished.code == 0
    assert finished.out == golden("entrypoint.yaml", finished.out)
    assert finished.err == (
        f"{images[0]}: asking its registry\n{images[1]}: asking its registry\n"
        "next: put this under metadata.annotations of the pod, or of the workload's template\n"
    )
    key = "admission.token-injector/entrypoint.web"
    assert json.loads(yaml.safe_load(finished.out)[key]) == {"entrypoint": WEB.entrypoint, "cmd": WEB.cmd}


def test_json_and_names(registry: FakeRegistry) -> None:
    """The same as one JSON object, for the containers that are named."""
    image = f"{registry.host}/shop/web:1"

    finished = run("entrypoint", "-o", "json", "--container", "app", "--registry-insecure", registry.host, image)

    assert finished.code == 0
    assert finished.out == golden("entrypoint.json", finished.out)


def test_settings_come_from_the_webhooks_variables(registry: FakeRegistry) -> None:
    """Its flags and variables mean the same here."""
    image = f"{registry.host}/shop/web:1"

    assert run("entrypoint", image, environ={"TOKEN_INJECTOR_REGISTRY_INSECURE": registry.host}).code == 0
    assert run("entrypoint", image, environ={"TOKEN_INJECTOR_REGISTRY_INSECURE": "a b"}).code == 2


def test_architecture(registry: FakeRegistry) -> None:
    """Where platforms differ, the command wants to know which."""
    registry.serve_index("shop/many", "1", Image(entrypoint=["/amd"]), ARM)
    image = f"{registry.host}/shop/many:1"

    unsaid = run("entrypoint", "--registry-insecure", registry.host, image)
    said = run("entrypoint", "--registry-insecure", registry.host, "--architecture", "arm64", image)

    assert (unsaid.code, unsaid.out) == (1, "")
    assert "its platforms start different programs (linux/amd64 and linux/arm64)" in unsaid.err
    assert "/arm" in said.out


def test_all_or_nothing(registry: FakeRegistry) -> None:
    """One that is not known: exit code 1, nothing on standard output, and what to do."""
    registry.serve("shop/empty", "1", Image())
    images = [f"{registry.host}/shop/{name}:1" for name in ("web", "none", "empty")]

    finished = run("entrypoint", "--registry-insecure", registry.host, *images)

    assert (finished.code, finished.out) == (1, "")
    assert "answers 404 to HEAD shop/none manifests/1 (is the tag right?): docker login to it, or give" in finished.err
    assert f"{images[2]}: it has neither ENTRYPOINT nor CMD: say command in the container\n" in finished.err
    assert finished.err.endswith("nothing was written: 2 of 3 are not known\n")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("a", "b", "--container", "x"), "--container: 1 names for 2 images: give one for each, in their order"),
        (("a", "--container", "X"), "--container: 'X' is no container's name: expected lower case letters"),
        (("a/x", "b/x"), "--container: two images for the container x: give a name for each"),
        (("A:1",), "'A:1': the repository has to be lower case"),
        (("a", "--registry-mirror", "x"), "--registry-mirror: 'x' is not valid: expected HOST[:PORT]=MIRROR"),
    ],
)
def test_what_cannot_be_used(argv: tuple[str, ...], message: str) -> None:
    """Exit code 2, and nobody is asked."""
    finished = run("entrypoint", *argv)

    assert (finished.code, finished.out) == (2, "")
    assert finished.err.startswith(f"kubectl token-injector: {message}")


BASIC = "Basic " + base64.b64encode(b"me:hunter2").decode()


@pytest.fixture
def private(registry: FakeRegistry) -> str:
    """An image for `me`, who is known by a password: the registry's HEAD is answered when that was sent."""
    path = "HEAD /v2/shop/web/manifests/1"
    served = registry.routes[path]
    refused = Reply(status=401, headers={"WWW-Authenticate": 'Basic realm="x"'})

    def look() -> None:
        registry.routes[path] = served if registry.seen[-1].authorization is None else refused

    # The first request asks how; the second one has to be the right one.
    refused.before = look
    registry.routes[path] = refused
    return f"{registry.host}/shop/web:1"


def docker_folder(path: Path, **config: object) -> dict[str, str]:
    """A Docker configuration, and the environment that names it."""
    (path / "config.json").write_text(json.dumps(config))
    return {"DOCKER_CONFIG": str(path), "PATH": f"{path}:{os.environ['PATH']}"}


def helper(path: Path, name: str, body: str) -> None:
    """A credential helper that is a shell script."""
    program = path / f"docker-credential-{name}"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)


def test_docker_login(registry: FakeRegistry, private: str, tmp_path: Path) -> None:
    """A password of the configuration is used; ~/.docker is where it stands without DOCKER_CONFIG."""
    folder = tmp_path / ".docker"
    folder.mkdir()
    docker_folder(folder, auths={registry.host: {"auth": base64.b64encode(b"me:hunter2").decode()}})

    finished = run("entrypoint", "--registry-insecure", registry.host, private, environ={"HOME": str(tmp_path)})

    assert finished.code == 0, finished.err
    assert registry.seen[1].authorization == BASIC


@pytest.mark.parametrize("named", ["credHelpers", "credsStore"])
def test_credential_helpers(registry: FakeRegistry, private: str, tmp_path: Path, named: str) -> None:
    """A helper gets the registry on standard input and answers with a user and a secret."""
    helper(
        tmp_path,
        "test",
        f'read host; echo "$1 $host" > {tmp_path}/asked; echo \'{{"Username":"me","Secret":"hunter2"}}\'',
    )
    value = {registry.host: "test"} if named == "credHelpers" else "test"

    environ = docker_folder(tmp_path, **{named: value})
    finished = run("entrypoint", "--registry-insecure", registry.host, private, environ=environ)

    assert finished.code == 0, finished.err
    assert registry.seen[1].authorization == BASIC
    assert (tmp_path / "asked").read_text() == f"get {registry.host}\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("echo hunter2; exit 1", "docker-credential-test get: it has nothing for HOST: docker login HOST"),
        ("echo hunter2", "docker-credential-test get: expected JSON with Username and Secret"),
        ("exec sleep 30", "docker-credential-test get: no answer in time"),
        (None, "docker-credential-test: not on the PATH, but named in"),
    ],
)
def test_helpers_that_do_not_help(registry: FakeRegistry, tmp_path: Path, body: str | None, message: str) -> None:
    """Each has its words; what a helper prints is never repeated, and its time is bounded."""
    registry.routes["HEAD /v2/shop/web/manifests/1"] = Reply(status=403)
    if body:
        helper(tmp_path, "test", body)

    environ = docker_folder(tmp_path, credsStore="test")
    argv = ("entrypoint", "--entrypoint-timeout=1", "--registry-insecure", registry.host)
    finished = run(*argv, f"{registry.host}/shop/web:1", environ=environ)

    assert finished.code == 1
    assert message.replace("HOST", registry.host) in finished.err
    assert "hunter2" not in finished.err


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("hunter2", "expected JSON"),
        ('{"credHelpers": {"a": "../../bin/hunter2"}}', "credHelpers, credsStore: expected names of helpers"),
        ('{"credsStore": ["hunter2"]}', "credHelpers, credsStore: expected names of helpers"),
    ],
)
def test_a_broken_configuration(tmp_path: Path, config: str, message: str) -> None:
    """Exit code 2: docker would not work with it either. A helper is a name, never a path."""
    (tmp_path / "config.json").write_text(config)

    finished = run("entrypoint", "registry.example/web", environ={"DOCKER_CONFIG": str(tmp_path)})

    assert (finished.code, finished.out) == (2, "")
    assert message in finished.err
    assert "hunter2" not in finished.err
