"""Golden pods: each folder of golden/ is a fact about what the webhook does to one pod.

`make golden` rewrites what is expected (REWRITE_GOLDEN=1); read the diff before you commit it.
"""

import base64
import copy
import json
import os
from typing import Any

import jsonpatch
import pytest
import yaml

from contract.secrets import PLAN
from tests.webhook.cases import UID, GoldenCase, golden_cases
from webhook.app import create_app
from webhook.decision import Deny
from webhook.review import review

CASES = [pytest.param(case, id=case.folder.name) for case in golden_cases()]
WARNINGS = "warnings.txt"


class OneAccount:
    """Service accounts with the annotations of one."""

    def __init__(self, annotations: dict[str, str]) -> None:
        self._annotations = annotations

    def annotations(self, namespace: str, name: str) -> dict[str, str]:
        """Whatever the name."""
        assert namespace
        assert name
        return self._annotations


def outcome(case: GoldenCase) -> dict[str, str]:
    """The files that the case ought to hold, by name."""
    mutation = case.mutate()
    if isinstance(mutation.decision, Deny):
        return {"denied.txt": mutation.decision.message + "\n"}
    patch = json.loads(json.dumps(mutation.patch))  # as it goes over the wire
    files = {"expected.yaml": _dump(jsonpatch.apply_patch(case.pod, patch))}
    if mutation.warnings:
        files[WARNINGS] = "".join(f"{warning}\n" for warning in mutation.warnings)
    return files


def _dump(pod: dict[str, Any]) -> str:
    return str(yaml.safe_dump(pod, sort_keys=False, width=200))


@pytest.mark.parametrize("case", CASES)
def test_mutation_is_as_expected(case: GoldenCase) -> None:
    """The decision, the pod and the warnings are those that the folder holds."""
    actual = outcome(case)
    if os.environ.get("REWRITE_GOLDEN"):
        for name in ("expected.yaml", "denied.txt", WARNINGS):
            (case.folder / name).unlink(missing_ok=True)
        for name, text in actual.items():
            (case.folder / name).write_text(text)
    expected = {
        path.name: path.read_text()
        for path in case.folder.iterdir()
        if path.name in {"expected.yaml", "denied.txt", WARNINGS}
    }

    assert expected == actual


@pytest.mark.parametrize("case", CASES)
def test_the_server_says_the_same(case: GoldenCase) -> None:
    """Over HTTP and JSON Patch the pod, the warnings and the denial are the same."""
    accounts = OneAccount({} if case.old else case.annotations)
    settings, look_ups = case.settings, case.look_ups
    app = create_app(lambda body: review(body, accounts=accounts, settings=settings, look_ups=look_ups))

    body = json.dumps(case.review())
    response = app.test_client().post("/pods", data=body, content_type="application/json").get_json()["response"]

    assert response["uid"] == UID
    denied = case.folder / "denied.txt"
    assert response["allowed"] is not denied.exists()
    if denied.exists():
        assert response["status"]["message"] == denied.read_text().rstrip("\n")
        return
    patch = json.loads(base64.b64decode(response["patch"])) if "patch" in response else []
    assert _dump(jsonpatch.apply_patch(case.pod, patch)) == (case.folder / "expected.yaml").read_text()
    warnings = case.folder / WARNINGS
    assert response.get("warnings", []) == (warnings.read_text().splitlines() if warnings.exists() else [])


@pytest.mark.parametrize("case", CASES)
def test_mutating_twice_is_mutating_once(case: GoldenCase) -> None:
    """A mutated pod under review again, with another uid, gets no operation; the input is never touched."""
    pod = case.pod
    before = copy.deepcopy(pod)
    once = case.mutate(pod)
    mutated = jsonpatch.apply_patch(pod, once.patch)

    twice = case.mutate(mutated, seed="another uid")

    assert twice.patch == []
    assert type(twice.decision) is type(once.decision)
    assert pod == before


@pytest.mark.parametrize("case", CASES)
def test_a_plan_of_another_version_is_read(case: GoldenCase) -> None:
    """Replicas of two releases review one pod, and specs live longer: what this version does not know is nothing."""
    mutated = jsonpatch.apply_patch(case.pod, case.mutate().patch)
    other = copy.deepcopy(mutated)
    for container in other["spec"].get("initContainers") or ():
        for entry in container.get("env") or ():
            if entry["name"] == PLAN:
                plan = json.loads(entry["value"].replace("$$", "$"))
                added = plan | {
                    "of_another_version": True,
                    "containers": [{"new": 1, **one} for one in plan["containers"]],
                }
                entry["value"] = json.dumps(added).replace("$", "$$")

    again = case.mutate(other, seed="another uid")

    assert jsonpatch.apply_patch(other, again.patch) == mutated


@pytest.mark.parametrize("case", CASES)
def test_cases_are_complete(case: GoldenCase) -> None:
    """A case says in pod.yaml's first line why it exists, and holds either a pod or a denial."""
    names = {path.name for path in case.folder.iterdir()}

    assert (case.folder / "pod.yaml").read_text().startswith("# ")
    given = {"pod.yaml", "service-account.yaml", "old.yaml"}
    outside = {"settings.yaml", "role-policy.yaml", "environ.yaml", "config-maps.yaml", "images.yaml"}
    assert names <= {*given, *outside, "expected.yaml", "denied.txt", WARNINGS}
    assert len(names & {"expected.yaml", "denied.txt"}) == 1
    assert len(names & {"service-account.yaml", "old.yaml"}) == 1
