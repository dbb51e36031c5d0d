"""Operations' procedures, run as they stand there.

kubectl is a stand-in where it would ask an API server; its `patch --local` is the real one, where it is installed.
"""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import certjob.flags
import webhook.cli
from tests.docs.documents import ROOT, Block, blocks_of, heredocs
from webhook.settings import parse_settings

OPERATIONS = ROOT / "docs/operations.md"
TROUBLESHOOTING = (ROOT / "docs/troubleshooting.md").read_text()
MANIFESTS = list(yaml.safe_load_all((ROOT / "deploy/token-injector.yaml").read_text()))
STAND_IN = f"""\
#!{sys.executable}
import json, os, subprocess, sys
arguments, text = sys.argv[1:], ""
if arguments[0] == "patch":
    sys.exit(subprocess.run(["/usr/bin/env", "KUBECONFIG=/dev/null", os.environ["KUBECTL"], *arguments]).returncode)
if arguments[:3] == ["create", "-f", "-"]:
    text = sys.stdin.read()
with open(os.environ["CALLS"], "a") as calls:
    calls.write(json.dumps([arguments, text]) + "\\n")
if "--dry-run=client" in arguments:
    job = json.loads(os.environ["CRON_JOB"])
    print(json.dumps({{**job, "metadata": {{"name": arguments[2]}}}}))
"""
DATE = f"""\
#!{sys.executable}
import os, sys
assert sys.argv[1:] == ["+%s"], sys.argv
with open(os.environ["CALLS"] + ".date", "a+") as ticks:
    ticks.write("x")
    print(1800000000 + ticks.tell())
"""


def script_with(word: str) -> Block:
    """The only script of the page with this word."""
    [block] = [block for block in blocks_of(OPERATIONS) if block.language == "sh" and word in block.text]
    return block


def manifest(kind: str) -> Any:
    """The only plain manifest of this kind."""
    [found] = [document for document in MANIFESTS if document["kind"] == kind]
    return found


def run_twice(script: str, folder: Path) -> list[tuple[list[str], str]]:
    """Each call of kubectl with what it was given as input, of two runs one after the other."""
    for name, text in (("kubectl", STAND_IN), ("date", DATE)):
        path = folder / name
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    job = {"apiVersion": "batch/v1", "kind": "Job", "spec": manifest("CronJob")["spec"]["jobTemplate"]["spec"]}
    environ = {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "CALLS": f"{folder}/calls",
        "CRON_JOB": json.dumps(job),
        "KUBECTL": shutil.which("kubectl") or "",
    }
    for _ in range(2):
        command = ["bash", "-c", f"set -euo pipefail\n{script}"]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
    return [tuple(json.loads(line)) for line in (folder / "calls").read_text().splitlines()]


@pytest.mark.slow
def test_the_cert_job_is_run_now_as_often_as_wanted(tmp_path: Path) -> None:
    """Each run has a name of its own, and it is this one that is waited for and whose log is shown."""
    calls = [arguments for arguments, _ in run_twice(script_with("certs-now").text, tmp_path)]
    created = [arguments[2] for arguments in calls if arguments[0] == "create"]

    assert len(set(created)) == len(created) == 2
    assert [call[1] for call in calls if call[0] == "wait"] == [f"job/{name}" for name in created]
    assert [call[2] for call in calls if call[0] == "logs"] == [f"job-name={name}" for name in created]


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl is not on PATH")
def test_renewing_now_gives_the_job_one_argument_more(tmp_path: Path) -> None:
    """The job that is created is the CronJob's, with `--renew`, one try only and a new name each time."""
    made = [json.loads(text) for _, text in run_twice(script_with("certs-renew").text, tmp_path) if text]
    template = manifest("CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["args"]

    assert len({job["metadata"]["name"] for job in made}) == len(made) == 2
    for job in made:
        [container] = job["spec"]["template"]["spec"]["containers"]
        assert container["args"] == [*template, "--renew"]
        assert certjob.flags.build_parser().parse_args(container["args"]).renew
        assert job["spec"]["backoffLimit"] == 0


def test_jobs_are_waited_for_until_they_end_either_way() -> None:
    """No script waits for a job to be complete only: one that has failed would be waited for until the time is over."""
    scripts = [block.text for block in blocks_of(OPERATIONS) if block.language == "sh"]
    waits = [text for text in scripts if "kubectl wait" in text]

    assert len(waits) == 2
    assert [text for text in waits if "condition=Complete" in text] == []


def test_the_overlay_names_our_images_everywhere() -> None:
    """Kustomize's `images` and the patch leave no image that is not published, and the webhook takes the variable."""
    [text] = heredocs(script_with("overlay/kustomization.yaml").text)
    overlay = yaml.safe_load(text.replace("$IMAGES", "eu.example/x").replace("$TAG", "7"))
    renamed = {image["name"]: f"{image['newName']}:{image['newTag']}" for image in overlay["images"]}
    used = set(re.findall(r"image: (\S+):\S+$", (ROOT / "deploy/token-injector.yaml").read_text(), re.MULTILINE))
    patch = yaml.safe_load(overlay["patches"][0]["patch"])
    deployment = manifest(patch["kind"])
    [changed] = patch["spec"]["template"]["spec"]["containers"]
    [present] = deployment["spec"]["template"]["spec"]["containers"]
    variables = {entry["name"]: entry["value"] for entry in (*present["env"], *changed["env"])}
    arguments = webhook.cli.build_parser().parse_args(present["args"])
    given = {name.replace("_", "-"): value for name, value in vars(arguments).items() if isinstance(value, list)}

    assert used == renamed.keys()
    assert set(renamed.values()) == {"eu.example/x/webhook:7"}
    assert patch["metadata"] == {key: deployment["metadata"][key] for key in ("name", "namespace")}
    assert changed["name"] == present["name"]
    assert parse_settings(given, variables)[0].image == "eu.example/x/injector:7"


def test_wherever_the_cert_job_is_to_be_run_it_says_how() -> None:
    """Each "run the cert job" of the troubleshooting page is a link, and no job is named by a release's revision."""
    assert re.findall(r"(?<!\[)run the \[?cert job", TROUBLESHOOTING) == []
    assert "run-the-cert-job-now" in TROUBLESHOOTING
    assert re.findall(r"job/token-injector-certs-\d", TROUBLESHOOTING) == []
