"""What the migration page says of two webhooks on one pod: ours has the last word, and nothing stands twice.

The API server calls both in the order of their names, and ours again if the other one has changed the pod after it.
"""

import copy
from typing import Any

import jsonpatch

from contract.annotations import ROLE_ARN
from tests.webhook.cases import golden_cases
from webhook.mutate import mutate

Pod = dict[str, Any]
CASES = {each.folder.name: each for each in golden_cases()}
CASE = CASES["native-sidecar"]
FOLDER = "/var/run/secrets/aws/token"
MOUNT = {"name": "token-injector-volume", "mountPath": FOLDER}


def by_the_seed(pod: Pod) -> Pod:
    """What the seed makes of a pod: it appends, whatever is there."""
    changed = copy.deepcopy(pod)
    spec = changed["spec"]
    for container in (*spec.get("initContainers", []), *spec["containers"]):
        container.setdefault("env", []).extend(
            {"name": name, "value": value}
            for name, value in (
                ("AWS_WEB_IDENTITY_TOKEN_FILE", f"{FOLDER}/token"),
                ("AWS_ROLE_ARN", CASE.annotations[ROLE_ARN]),
                ("AWS_ROLE_SESSION_NAME", "token-injector-webhook-abcdefghijklmnop"),
            )
        )
        container.setdefault("volumeMounts", []).append(dict(MOUNT))
    spec.setdefault("initContainers", []).insert(0, _container("generate-gcp-id-token", refresh="false"))
    spec["containers"].append(_container("update-gcp-id-token", refresh="true"))
    spec.setdefault("volumes", []).append({"name": MOUNT["name"], "emptyDir": {"medium": "Memory"}})
    return changed


def _container(name: str, *, refresh: str) -> Pod:
    command = ["/token-injector", f"--file={FOLDER}/token", f"--refresh={refresh}"]
    return {"name": name, "image": "ealebed/token-injector:latest", "command": command, "volumeMounts": [dict(MOUNT)]}


def by_ours(pod: Pod, *, seed: str) -> Pod:
    """What ours makes of it, without a warning."""
    mutation = mutate(pod, "shop", CASE.annotations, CASE.settings, seed=seed)
    assert mutation.warnings == ()
    patched: Pod = jsonpatch.apply_patch(pod, mutation.patch)
    return patched


def test_the_seed_before_ours() -> None:
    """Names and shape are ours; the session names that the seed drew stay."""
    both = by_ours(by_the_seed(CASE.pod), seed="1")
    alone = by_ours(CASE.pod, seed="2")

    assert _without_session_names(both) == _without_session_names(alone)


def test_the_seed_after_ours() -> None:
    """The reinvocation puts everything back as it was."""
    ours = by_ours(CASE.pod, seed="1")

    assert by_ours(by_the_seed(ours), seed="2") == ours


def test_gtoken_and_ours_are_kept_apart() -> None:
    """A pod that both change is denied, which is why a namespace is switched from one to the other at once."""
    assert "gtoken-volume" in (CASES["copied-from-gtoken"].folder / "denied.txt").read_text()


def test_eks_before_ours_keeps_its_token() -> None:
    """The pod goes on with EKS's token and is told so."""
    warnings = (CASES["copied-from-eks"].folder / "warnings.txt").read_text()

    assert "sets AWS_WEB_IDENTITY_TOKEN_FILE itself: its value is kept" in warnings


def _without_session_names(pod: Pod) -> Pod:
    kept = copy.deepcopy(pod)
    for container in (*kept["spec"]["initContainers"], *kept["spec"]["containers"]):
        container["env"] = [each for each in container.get("env", []) if each["name"] != "AWS_ROLE_SESSION_NAME"]
    return kept
