"""Debug containers: whose identity each of them gets."""

import copy
from dataclasses import replace
from typing import Any

import jsonpatch
import pytest

from contract.annotations import ENABLED_LABEL, ROLE_ARN, SKIP_CONTAINERS
from webhook.decision import Deny, EphemeralInjection, Skip
from webhook.mutate import mutate, mutate_ephemeral
from webhook.role_policy import parse_role_policy
from webhook.settings import Settings

ROLE = "arn:aws:iam::123456789012:role/"


def running(settings: Settings, **annotations: str) -> dict[str, Any]:
    """An injected pod of three containers; app has a role of its own."""
    own = [{"name": "AWS_ROLE_ARN", "value": f"{ROLE}own"}]
    pod = {
        "metadata": {"name": "orders", "labels": {ENABLED_LABEL: "true"}, "annotations": annotations},
        "spec": {
            "initContainers": [{"name": "migrate"}],
            "containers": [{"name": "app", "env": own}, {"name": "worker"}, {"name": "proxy"}],
        },
    }
    patch = mutate(pod, "shop", {ROLE_ARN: f"{ROLE}orders"}, settings, seed="uid").patch
    return dict(jsonpatch.apply_patch(pod, copy.deepcopy(patch)))


def debugged(old: dict[str, Any], settings: Settings, **container: Any) -> dict[str, Any]:
    """The variables of a debug container, by name."""
    now = {**old, "spec": {**old["spec"], "ephemeralContainers": [{"name": "debugger", **container}]}}
    mutation = mutate_ephemeral(now, old, "shop", settings)
    [after] = jsonpatch.apply_patch(now, copy.deepcopy(mutation.patch))["spec"]["ephemeralContainers"]
    return {entry["name"]: entry.get("value") for entry in after.get("env") or ()}


@pytest.mark.parametrize(
    ("target", "role"),
    [("app", "own"), ("worker", "orders"), ("migrate", "orders"), (None, "own"), ("", "own"), ("none-of-them", "own")],
)
def test_the_target_decides(target: str | None, role: str, settings: Settings) -> None:
    """`--target` names the container whose identity it is; without one it is the first ordinary container's."""
    env = debugged(running(settings), settings, targetContainerName=target)

    assert env["AWS_ROLE_ARN"] == f"{ROLE}{role}"
    assert env["AWS_WEB_IDENTITY_TOKEN_FILE"] == "/var/run/secrets/aws/token/token"


def test_a_target_without_identity(settings: Settings) -> None:
    """A skipped container has none to give: the first one that has any does."""
    old = running(settings, **{SKIP_CONTAINERS: "app,proxy"})

    assert debugged(old, settings, targetContainerName="proxy")["AWS_ROLE_ARN"] == f"{ROLE}orders"


def test_sources_are_copied_as_they_are(settings: Settings) -> None:
    """A role that the application takes from a ConfigMap is taken from there by the debug container too."""
    old = running(settings)
    source = {"configMapKeyRef": {"name": "roles", "key": "app"}}
    old["spec"]["containers"][0]["env"][0] = {"name": "AWS_ROLE_ARN", "valueFrom": source}
    now = {**old, "spec": {**old["spec"], "ephemeralContainers": [{"name": "debugger"}]}}

    mutation = mutate_ephemeral(now, old, "shop", settings)

    assert isinstance(mutation.decision, EphemeralInjection)
    [one] = mutation.decision.containers
    assert {"name": "AWS_ROLE_ARN", "valueFrom": source} in one.env
    assert "roles" not in repr(mutation.decision)


def test_nothing_new(settings: Settings) -> None:
    """An update that adds no container, and a pod whose containers are all skipped, are told apart."""
    old = running(settings)
    assert mutate_ephemeral(old, old, "shop", settings).decision == Skip(reason="no_new_container")

    old = running(settings, **{SKIP_CONTAINERS: "migrate,app,worker,proxy"})
    now = {**old, "spec": {**old["spec"], "ephemeralContainers": [{"name": "debugger"}]}}
    mutation = mutate_ephemeral(now, old, "shop", settings)
    assert isinstance(mutation.decision, Skip)
    assert mutation.decision.reason == "not_injected"


def test_an_update_changes_nobodys_identity(settings: Settings) -> None:
    """Of an update the API server keeps the ephemeral containers only, so what else stands in it decides nothing."""
    old = running(settings)
    now = copy.deepcopy(old)
    now["spec"]["containers"][0]["env"][0]["value"] = f"{ROLE}admin"
    now["metadata"] = {"name": "orders", "labels": {}, "annotations": {SKIP_CONTAINERS: "debugger"}}
    now["spec"]["ephemeralContainers"] = [{"name": "debugger"}]

    decision = mutate_ephemeral(now, old, "shop", settings).decision

    assert isinstance(decision, EphemeralInjection)
    assert {"name": "AWS_ROLE_ARN", "value": f"{ROLE}own"} in decision.containers[0].env


@pytest.mark.parametrize(
    ("env", "denied"),
    [
        ([{"name": "AWS_ROLE_ARN", "value": f"{ROLE}admin"}], True),
        ([{"name": "AWS_ROLE_ARN", "value": f"{ROLE}orders"}], False),
        ([], False),
    ],
)
def test_a_debug_containers_own_role_is_held_to_the_policy(
    env: list[dict[str, str]],
    denied: bool,  # noqa: FBT001 - a table's column
    settings: Settings,
) -> None:
    """Its value would be kept over the pod's; the role of the running pod is not judged again."""
    rules = [{"name": "shop", "namespaces": ["shop"], "roles": [f"{ROLE}orders"]}]
    held = replace(settings, role_policy=parse_role_policy({"rules": rules}))
    old = running(settings)
    now = {**old, "spec": {**old["spec"], "ephemeralContainers": [{"name": "debugger", "env": env}]}}

    decision = mutate_ephemeral(now, old, "shop", held).decision

    assert isinstance(decision, Deny) is denied
    if isinstance(decision, Deny):
        assert decision.reason == "role_not_allowed"
        assert decision.message.startswith("pod shop/orders: container 'debugger', variable AWS_ROLE_ARN: ")
        assert "admin" not in decision.message
