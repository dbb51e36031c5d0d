"""No application starts with the text of a reference, whoever wrote it and wherever Kubernetes puts it.

The mutated pod is run by a kubelet, an injected container and a launcher of a few lines, which know the Secrets.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jsonpatch
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from contract import annotations as keys
from contract import secrets
from injector.wanted import of_container, of_request
from secretenv.plan import ContainerPlan, Plan, from_json
from secretenv.references import Template, canonical, parse
from secretenv.stores import Refusal
from tests.webhook import strategies
from tests.webhook.cases import IMAGE
from webhook.decision import Deny
from webhook.mutate import Mutation, mutate
from webhook.secrets.look_ups import LookUps
from webhook.settings import parse_settings

pytestmark = pytest.mark.slow

SECRET = {"A": "sm://secret#a", "B": "plain", "C": "${sm://secret#c}", "REF": "u:${sm://s}", "E": "sm", "X": "//secret"}
CONFIG_MAP = {"A": "sm://prod/db#a", "REF": "plain", "P": "piggy:p", "D": "$$(A) $(A) ${sm://prod/d}", "X": "x"}
OVERRIDES = {"A": "plain", "E": "http", "X": "x"}
CONFIG_MAPS = {"settings": CONFIG_MAP, "overrides": OVERRIDES}
ANNOTATIONS = {"example.org/db": "sm://prod/db#note", "example.org/scheme": "sm", "example.org/open": "${sm:"}
NAMES = ("A", "B", "C", "E", "X", "A(B")
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
    "http",
    "sm:$(X)",
    "$(E)://x",
    "$(A)-y",
    "${$(A)|trim}",
    "$(C)//x}",
    "http://$(E)/",
)
ESCAPED = "${sm://e}"
# No name is read that a text beside $(NAME) has changed.
MEANT = {"secret#a", "secret#c", "s", "prod/db#a", "prod/d", "prod/db#note", "x#k", "x", "y", "z", "secret"}
WORDS = ("$(A)", "-$(B)-", "$$(A)", "$(E)", "$(A(B)", "$(X)", "$(C)")
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
            {"valueFrom": {"configMapKeyRef": {"name": "overrides", "key": "E", "optional": True}}},
            {"valueFrom": {"configMapKeyRef": {"name": "overrides", "key": "A", "optional": True}}},
            {"valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
            *({"valueFrom": {"fieldRef": {"fieldPath": f"metadata.annotations['{key}']"}}} for key in ANNOTATIONS),
        )
    )
    entry = st.builds(
        lambda name, source: {"name": name, **source}, st.sampled_from(NAMES), texts | of_secrets | others
    )
    whole = st.sampled_from(
        (
            {"secretRef": {"name": "s"}},
            {"configMapRef": {"name": "settings"}},
            {"configMapRef": {"name": "overrides", "optional": True}},
        )
    )
    return {
        "name": "app",
        "image": "registry.example/orders:1",
        "command": [
            "/app",
            *draw(st.lists(st.sampled_from(WORDS), max_size=2)),
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
        reference = source.get("configMapRef") or {}
        data = CONFIG_MAPS[reference["name"]] if reference else SECRET
        if not (is_gone and reference.get("optional")):
            known |= {(source.get("prefix") or "") + key: text for key, text in data.items()}
    for entry in container.get("env") or ():
        match entry.get("valueFrom"):
            case {"fileKeyRef": _}:
                known[entry["name"]] = values[entry["name"]]
            case {"secretKeyRef": {"key": key}}:
                known |= {entry["name"]: SECRET[key]} if key in SECRET else {}
            case {"configMapKeyRef": {"name": name, "key": key} as reference}:
                if key in CONFIG_MAPS[name] and not (is_gone and reference.get("optional")):
                    known[entry["name"]] = CONFIG_MAPS[name][key]
            case {"fieldRef": {"fieldPath": path}}:
                quoted = path.partition("'")[2].removesuffix("']")
                known[entry["name"]] = ANNOTATIONS[quoted] if quoted else "sm"
            case _:
                known[entry["name"]] = expanded(entry.get("value") or "", known)
    return known


def resolved(template: Template) -> str:
    """What the injected container makes of it: a secret's value is its name in brackets."""
    return "".join(
        part if isinstance(part, str) else f"<{canonical(replace(part, filters=())).removeprefix('sm://')}>"
        for part in template.parts
    )


def answered(one: ContainerPlan, plan: Plan, own: dict[str, str], injected: dict[str, str]) -> dict[str, str] | None:
    """What the launcher is told to set; None: nothing, and not to start."""
    found = [*of_container(one, plan, injected, lambda each: each), *of_request(one, plan, own, lambda each: each)]
    if any(isinstance(each.template, Refusal) for each in found) and not plan.keeps_unresolved:
        return None
    return {each.name: resolved(each.template) for each in found if isinstance(each.template, Template)}


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
    templates = {each.name: parse(each.text, plan.syntax) for each in (one.variables if one else ())}
    values = {name: resolved(template) for name, template in templates.items() if template}
    known = kubelets(container, values, is_gone=is_gone)
    command = [expanded(word, known) for word in container["command"]]
    if one is None or one.delivery == "envfile":
        return command, known
    flags, command = command[: command.index("--")], command[command.index("--") + 1 :]
    told = answered(one, plan, known, kubelets(injected, {}, is_gone=is_gone))
    if told is None:
        return None
    env = known | told
    for flag in flags:
        kind, _, name = flag.partition("=")
        text = known.get(name)
        if kind != secrets.EXPANDED_FLAG or not text or env.get(name) == text:
            continue
        if any(text in word for word in [*command, *(value for each, value in env.items() if each != name)]):
            return None
    return command, env


class ConfigMaps:
    """Those that are there when the pod comes."""

    def data(self, namespace: str, name: str) -> Mapping[str, str]:
        """The texts of one."""
        assert namespace == strategies.NAMESPACE
        return CONFIG_MAPS[name]


def reviewed(pod: dict[str, Any], floor: str) -> Mutation:
    """What the webhook says; such that nothing is left to warn of."""
    options, _ = parse_settings({"image": [IMAGE], "kubelet-version-floor": [floor]}, {})
    mutation = mutate(
        pod,
        strategies.NAMESPACE,
        {keys.ROLE_ARN: strategies.ROLES[0]},
        options,
        seed="one",
        look_ups=LookUps(config_maps=ConfigMaps(), entrypoints=strategies.LOOK_UPS.entrypoints),
    )
    assume(not isinstance(mutation.decision, Deny))
    assume(not any(word in warning for warning in mutation.warnings for word in WARNED))
    return mutation


def pod_of(container: dict[str, Any], delivery: str, unresolved: str) -> dict[str, Any]:
    """A pod that asks for its secrets."""
    asked = {keys.SECRETS: "true", keys.SECRET_DELIVERY: delivery, keys.SECRET_UNRESOLVED: unresolved}
    annotations = {**asked, keys.REGION: "eu-west-1", **ANNOTATIONS}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "orders", "annotations": annotations},
        "spec": {"serviceAccountName": "orders", "containers": [container]},
    }


relaxed = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
shapes = given(
    container=containers(),
    floor=st.sampled_from(FLOORS),
    delivery=st.sampled_from(("auto", "launcher")),
    is_gone=st.booleans(),
)


@settings(relaxed, max_examples=1500)
@shapes
def test_no_application_starts_with_the_text_of_a_reference(
    *, container: dict[str, Any], floor: str, delivery: str, is_gone: bool
) -> None:
    """The pod is denied, the launcher refuses, its author is warned, or every reference has become its value."""
    pod = pod_of(container, delivery, "fail")
    mutation = reviewed(pod, floor)
    found = started(jsonpatch.apply_patch(pod, json.loads(json.dumps(mutation.patch))), is_gone=is_gone)
    assume(found is not None)
    assert found is not None
    command, env = found
    for text in [*command, *(env[name] for name in (*NAMES, "REF", "D") if name in env)]:
        assert "sm://" not in text.replace(ESCAPED, "")
        assert set(re.findall("<(.*?)>", text)) <= MEANT


@settings(relaxed, max_examples=200)
@shapes
def test_what_stays_by_its_author_s_wish_starts(
    *, container: dict[str, Any], floor: str, delivery: str, is_gone: bool
) -> None:
    """Where what cannot be resolved is kept, no application is refused because such a text stands somewhere."""
    pod = pod_of(container, delivery, "keep")
    mutation = reviewed(pod, floor)
    assert started(jsonpatch.apply_patch(pod, json.loads(json.dumps(mutation.patch))), is_gone=is_gone) is not None


@settings(relaxed, max_examples=300)
@shapes
def test_a_second_review_changes_nothing(
    *, container: dict[str, Any], floor: str, delivery: str, is_gone: bool
) -> None:
    """What is put together of pieces is found again as it was, and so is what was warned of."""
    del is_gone
    pod = pod_of(container, delivery, "fail")
    once = reviewed(pod, floor)
    again = reviewed(jsonpatch.apply_patch(pod, json.loads(json.dumps(once.patch))), floor)
    assert (again.patch, again.warnings) == ([], once.warnings)
