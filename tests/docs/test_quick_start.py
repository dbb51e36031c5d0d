"""The README's steps on GKE, run as they stand there: our own commands are real, the clouds' and Helm's are stand-ins.

The stand-ins note how they were called and print what the next step reads. What comes out of the middle, the trust
policy that `aws` gets, is the generator's.
"""

import json
import os
import stat
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from policy.trust import google_trust_policy
from tests.docs.documents import ROOT, Block, blocks_of

UNIQUE_ID = "112233445566778899001"
ROLE_ARN = "arn:aws:iam::123456789012:role/orders"
STAND_IN = f"""\
#!{sys.executable}
import json, os, subprocess, sys
arguments = [os.path.basename(sys.argv[0]), *sys.argv[1:]]
if arguments[:2] == ["kubectl", "token-injector"]:
    sys.exit(subprocess.run([sys.executable, "-m", "ctl", *arguments[2:]], cwd={str(ROOT)!r}).returncode)
text = ""
if "file:///dev/stdin" in arguments or arguments[-2:] == ["-f", "-"]:
    text = sys.stdin.read()
with open(os.environ["CALLS"], "a") as calls:
    calls.write(json.dumps({{"arguments": arguments, "text": text}}) + "\\n")
joined = " ".join(arguments)
if "--format=value(uniqueId)" in joined:
    print({UNIQUE_ID!r})
if "--query Role.Arn" in joined:
    print({ROLE_ARN!r})
if arguments[:3] == ["python3", "-m", "venv"]:
    os.makedirs(arguments[3] + "/bin")
    os.link(os.path.dirname(__file__) + "/pip", arguments[3] + "/bin/pip")
"""
PROGRAMS = ("gcloud", "aws", "docker", "helm", "kubectl", "make", "python3", "pip")


def steps() -> list[Block]:
    """The scripts between the heading and the check that the pod has its role."""
    found = [block for block in blocks_of(ROOT / "README.md") if block.language == "sh"]
    last = next(index for index, block in enumerate(found) if "get-caller-identity" in block.text)
    return found[: last + 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a stand-in."""

    arguments: list[str]
    text: str
    """What it was given as input."""


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> list[Call]:
    """Every call, in the order of the steps."""
    folder = tmp_path_factory.mktemp("quick-start")
    for name in PROGRAMS:
        path = folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(STAND_IN)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    environ = {
        "PATH": f"{folder}/bin:{os.environ['PATH']}",
        "HOME": str(folder),
        "CALLS": f"{folder}/calls",
        "PYTHONPATH": str(ROOT),
    }
    script = "set -euo pipefail\n" + "\n".join(block.text for block in steps())
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environ, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    return [Call(**json.loads(line)) for line in (folder / "calls").read_text().splitlines()]


def call(calls: list[Call], *words: str) -> Call:
    """The one that begins with these words."""
    [found] = [each for each in calls if each.arguments[: len(words)] == list(words)]
    return found


@pytest.mark.slow
def test_the_role_trusts_the_google_service_account(calls: list[Call]) -> None:
    """What is piped into `aws iam create-role` is the generator's policy for the ID that gcloud told."""
    created = call(calls, "aws", "iam", "create-role")

    assert json.loads(created.text) == google_trust_policy(service_account_id=UNIQUE_ID)


@pytest.mark.slow
def test_the_binding_is_of_the_pods_service_account(calls: list[Call]) -> None:
    """Namespace and name are those that the pod is created with."""
    binding = call(calls, "gcloud", "iam", "service-accounts", "add-iam-policy-binding")
    created = call(calls, "kubectl", "create", "serviceaccount")

    assert "--member=serviceAccount:my-project.svc.id.goog[shop/orders]" in binding.arguments
    assert created.arguments[3:] == ["orders", "--namespace", "shop"]


@pytest.mark.slow
def test_the_images_that_are_pushed_are_those_that_are_installed(calls: list[Call]) -> None:
    """Name and tag, of both."""
    pushed = {each.arguments[2] for each in calls if each.arguments[:2] == ["docker", "push"]}
    arguments = call(calls, "helm", "install").arguments
    flags = [arguments[index + 1] for index, argument in enumerate(arguments) if argument == "--set"]
    values = dict(flag.split("=", 1) for flag in flags)

    assert pushed == {
        f"{values['image.repository']}:{values['image.tag']}",
        f"{values['injector.image.repository']}:{values['injector.image.tag']}",
    }
    built = call(calls, "make", "images").arguments
    assert f"IMAGES={values['image.repository'].removesuffix('/webhook')}" in built


@pytest.mark.slow
def test_the_pod_is_injected_without_a_warning(calls: list[Call], tmp_path: Path) -> None:
    """The annotated service account and the applied pod, given to `inject`, are an injected pod of that role."""
    applied = call(calls, "kubectl", "apply")
    annotated = call(calls, "kubectl", "annotate", "serviceaccount")
    annotations = dict(word.split("=", 1) for word in annotated.arguments if "=" in word)
    metadata = {"name": "orders", "namespace": "shop", "annotations": annotations}
    accounts = tmp_path / "service-accounts.yaml"
    accounts.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}))
    inject = [sys.executable, "-m", "ctl", "inject", "-f", "-", "-n", "shop", "--image=example/injector:1"]

    done = subprocess.run(
        [*inject, "--service-accounts", str(accounts)],
        cwd=ROOT,
        input=applied.text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    [container] = yaml.safe_load(done.stdout)["spec"]["containers"]
    environment = {entry["name"]: entry["value"] for entry in container["env"]}
    assert (environment["AWS_ROLE_ARN"], environment["AWS_REGION"]) == (ROLE_ARN, "eu-west-1")


@pytest.mark.slow
def test_the_plugin_is_installed_with_what_it_imports(calls: list[Call]) -> None:
    """An environment of its own, with an extra that the project has: not every tool of the development."""
    made = call(calls, "python3", "-m", "venv").arguments[3]
    installed = call(calls, "pip", "install").arguments[2:]
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]

    assert made.endswith("/.token-injector")
    assert installed == [".[ctl]"]
    assert "ctl" in extras
    assert [each.arguments for each in calls if each.arguments[:2] == ["make", "venv"]] == []
