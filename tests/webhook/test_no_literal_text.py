"""No application starts with the text of a reference, whoever wrote it and wherever Kubernetes puts it.

The mutated pod is run by a kubelet, an injected container and a launcher of a few lines, which know the Secrets.
"""

import json
from typing import Any

import jsonpatch
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from contract import annotations as keys
from contract import secrets
from secretenv.plan import ContainerPlan, Plan, from_json
from secretenv.references import parse
from tests.webhook import strategies
from tests.webhook.cases import IMAGE
from webhook.decision import Deny
from webhook.mutate import Mutation, mutate
from webhook.settings import parse_settings

pytestmark = pytest.mark.slow

SECRET = {"A": "sm://secret#a", "B": "plain", "C": "${sm://secret#c}", "REF": "u:${sm://s}"}
CONFIG_MAP = {"A": "sm://prod/db#a", "REF": "plain", "P": "piggy:p", "D": "$$(A) $(A) ${sm://prod/d}"}
ANNOTATED = "sm://prod/db#note"
VALUE = "VALUE"
NAMES = ("A", "B", "C", "E", "A(B")
TEXTS = (
    "plain",
    "sm://x#k",
    "p-$(A)",
    "$(B)",
    "u:$(C)@${sm://y}",
    "sm",
    "$(A)://x",
    "$$(A)",
    "$${sm://e} $$(B)",
    "$(E)",
    "$(A(B)",
    "$(x$(B)${sm://z}",
)
WORDS = ("$(A)", "-$(B)-", "$$(A)", "$(E)", "$(A(B)")
WARNED = ("stays one", "stay as they are")
FLOORS = ("1.28", "1.30", "1.36")


@st.composite
def containers(draw: st.DrawFn) -> dict[str, Any]:
    """A container whose variables refer to each other, to Secrets, to a ConfigMap and to an annotation."""
    texts = st.sampled_from(TEXTS).map(lambda text: {"value": text})
    keys_of = st.sampled_from(NAMES)
    of_secrets = keys_of.map(lambda key: {"valueFrom": {"secretKeyRef": {"name": "s", "key": key, "optional": True}}})
    others = st.sampled_from(
        (
            {"valueFrom": {"configMapKeyRef": {"name": "settings", "key": "D"}}},
            {"valueFrom": {"configMapKeyRef": {"name": "settings", "key": "D", "optional": True}}},
            {"valueFrom": {"configMapKeyRef": {"name": "settings", "key": "NONE", "optional": True}}},
            {"valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['example.org/db']"}}},
        )
    )
    entry = st.builds(
        lambda name, source: {"name": name, **source}, st.sampled_from(NAMES), texts | of_secrets | others
    )
    whole = st.sampled_from(({"secretRef": {"name": "s"}}, {"configMapRef": {"name": "settings"}}))
    return {
        "name": "app",
        "image": "registry.example/orders:1",
        "command": [
            "/app",
            *draw(st.lists(st.sampled_from(("$(A)", "-$(B)-", "$$(A)", "$(E)", "$(A(B)")), max_size=2)),
        ],
        "env": draw(st.lists(entry, min_size=1, max_size=5)),
        "envFrom": draw(st.lists(whole, max_size=2)),
    }


def expanded(text: str, known: dict[str, str]) -> str:
    """As Kubernetes does it: k8s.io/kubernetes/third_party/forked/golang/expansion."""
    made, at = "", 0
    while at < len(text):
        two, close = text[at : at + 2], text.find(")", at + 2)
        if two == "$(" and close >= 0:
            name = text[at + 2 : close]
            made, at = made + known.get(name, f"$({name})"), close + 1
        elif len(two) == len("$$") and two[0] == "$":
            made, at = made + ("$" if two == "$$" else two), at + 2
        else:
            made, at = made + text[at], at + 1
    return made


def kubelets(container: dict[str, Any], values: dict[str, str], *, is_gone: bool) -> dict[str, str]:
    """The environment that the kubelet makes; `values` are those of env files. Optional keys may be gone by now."""
    known: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        data = SECRET if "secretRef" in source else CONFIG_MAP
        known |= {(source.get("prefix") or "") + key: text for key, text in data.items()}
    for entry in container.get("env") or ():
        match entry.get("valueFrom"):
            case {"fileKeyRef": _}:
                known[entry["name"]] = values[entry["name"]]
            case {"secretKeyRef": {"key": key}}:
                known |= {entry["name"]: SECRET[key]} if key in SECRET else {}
            case {"configMapKeyRef": {"key": key} as reference}:
                if key in CONFIG_MAP and not (is_gone and reference.get("optional")):
                    known[entry["name"]] = CONFIG_MAP[key]
            case {"fieldRef": _}:
                known[entry["name"]] = ANNOTATED
            case _:
                known[entry["name"]] = expanded(entry.get("value") or "", known)
    return known


def resolved(text: str, plan: Plan) -> str | None:
    """What the injected container makes of a text; None: it refers to nothing."""
    template = parse(text, plan.syntax)
    if template is None:
        return None
    return "".join(part if isinstance(part, str) else VALUE for part in template.parts)


def answered(one: ContainerPlan, plan: Plan, own: dict[str, str], injected: dict[str, str]) -> dict[str, str]:
    """What the launcher is told to set."""
    found: dict[str, str | None] = {}
    for copied in sorted(one.copied, key=lambda copied: not copied.whole):
        for name, text in injected.items():
            if name == copied.environ or (copied.whole and name.startswith(copied.environ)):
                found[copied.name + name.removeprefix(copied.environ)] = resolved(text, plan)
    if one.own_environment:
        found |= {name: resolved(text, plan) for name, text in own.items()}
    found |= {variable.name: resolved(variable.text, plan) for variable in one.variables}
    return {name: text for name, text in found.items() if text is not None}


def started(mutated: dict[str, Any], *, is_gone: bool) -> tuple[list[str], dict[str, str]] | None:
    """The application's command and environment; None: the launcher refuses."""
    [container] = mutated["spec"]["containers"][:1]
    injected: dict[str, Any] = next(iter(mutated["spec"].get("initContainers") or ()), {})
    own_text = {entry["name"]: entry.get("value") or "" for entry in injected.get("env") or ()}
    if secrets.PLAN not in own_text:
        known = kubelets(container, {}, is_gone=is_gone)
        return [expanded(word, known) for word in container["command"]], known
    plan = from_json(own_text[secrets.PLAN].replace("$$", "$"))
    one = next((each for each in plan.containers if each.name == "app"), None)
    values = {each.name: resolved(each.text, plan) or "" for each in (one.variables if one else ())}
    known = kubelets(container, values, is_gone=is_gone)
    command = [expanded(word, known) for word in container["command"]]
    if one is None or one.delivery == "envfile":
        return command, known
    flags, command = command[: command.index("--")], command[command.index("--") + 1 :]
    env = known | answered(one, plan, known, kubelets(injected, {}, is_gone=is_gone))
    for flag in flags:
        kind, _, name = flag.partition("=")
        text = known.get(name)
        if kind != secrets.EXPANDED_FLAG or not text or env.get(name) == text:
            continue
        if any(text in word for word in [*command, *(value for each, value in env.items() if each != name)]):
            return None
    return command, env


@settings(max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(
    container=containers(),
    floor=st.sampled_from(FLOORS),
    delivery=st.sampled_from(("auto", "launcher")),
    is_gone=st.booleans(),
)
def test_no_application_starts_with_the_text_of_a_reference(
    *, container: dict[str, Any], floor: str, delivery: str, is_gone: bool
) -> None:
    """The pod is denied, the launcher refuses, its author is warned, or every reference has become its value."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "orders",
            "annotations": {
                keys.SECRETS: "true",
                keys.SECRET_DELIVERY: delivery,
                keys.REGION: "eu-west-1",
                "example.org/db": ANNOTATED,
            },
        },
        "spec": {"serviceAccountName": "orders", "containers": [container]},
    }
    options, _ = parse_settings({"image": [IMAGE], "kubelet-version-floor": [floor]}, {})
    mutation: Mutation = mutate(
        pod,
        strategies.NAMESPACE,
        {keys.ROLE_ARN: strategies.ROLES[0]},
        options,
        seed="one",
        look_ups=strategies.LOOK_UPS,
    )
    assume(not isinstance(mutation.decision, Deny))
    assume(not any(word in warning for warning in mutation.warnings for word in WARNED))
    found = started(jsonpatch.apply_patch(pod, json.loads(json.dumps(mutation.patch))), is_gone=is_gone)
    assume(found is not None)
    assert found is not None
    command, env = found
    escaped = "${sm://e}"
    for text in [*command, *(env[name] for name in (*NAMES, "REF", "D") if name in env)]:
        assert "sm://" not in text.replace(escaped, "")
