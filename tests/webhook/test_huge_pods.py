"""A pod must not cost the webhook its memory or its time: nobody else's pods would start."""

import time
import tracemalloc
from typing import Any

import pytest
from jsonpatch import apply_patch

from contract.secrets import VARIABLE_LIMIT
from tests.webhook.cases import IMAGE, NAMESPACE, UID, CaseConfigMaps
from webhook.decision import Deny
from webhook.mutate import mutate
from webhook.secrets.look_ups import OFFLINE, LookUps
from webhook.settings import parse_settings

# Without a bound they take minutes and gigabytes.
MOST_SECONDS = 5.0
MOST_BYTES = 256 << 20
LARGE = "x:" + "a" * 500_000
REFERENCE = {"name": "C", "value": "sm://prod/db"}


def container(name: str = "app", **fields: Any) -> dict[str, Any]:
    """One that needs no look-up."""
    return {"name": name, "image": "registry.example/orders:1", "command": ["/app"], **fields}


DOUBLED = [{"name": "A0", "value": "12345678"}] + [
    {"name": f"A{index}", "value": f"$(A{index - 1})$(A{index - 1})"} for index in range(1, 14)
]
HUGE = {
    "one text, very often": [
        container(env=[{"name": "A", "value": LARGE}, {"name": "B", "value": "$(A)" * 100_000}, REFERENCE])
    ],
    "doubled in many containers": [container(f"app-{index}", env=[*DOUBLED, REFERENCE]) for index in range(1000)],
    "a ConfigMap under many prefixes": [
        container(envFrom=[{"prefix": f"P{index}_", "configMapRef": {"name": "many"}} for index in range(10_000)])
    ],
    "one key under many names": [
        container(
            env=[
                {"name": f"A{index}", "valueFrom": {"configMapKeyRef": {"name": "large", "key": "key"}}}
                for index in range(10_000)
            ]
        )
    ],
}


@pytest.mark.parametrize("containers", [pytest.param(value, id=key) for key, value in HUGE.items()])
def test_too_much_is_refused_before_it_is_there(containers: list[dict[str, Any]]) -> None:
    """Whatever is multiplied; the message says what to do."""
    config_maps = CaseConfigMaps(
        [
            {"metadata": {"name": "many"}, "data": {f"key{index}": "" for index in range(10_000)}},
            {"metadata": {"name": "large"}, "data": {"key": LARGE}},
        ]
    )
    pod = {
        "metadata": {"annotations": {"admission.token-injector/secrets": "true"}},
        "spec": {"containers": containers},
    }
    settings = parse_settings({"image": [IMAGE]}, {})[0]

    tracemalloc.start()
    start = time.process_time()
    look_ups = LookUps(config_maps=config_maps, entrypoints=OFFLINE.entrypoints)
    decision = mutate(pod, NAMESPACE, {}, settings, seed=UID, look_ups=look_ups).decision
    seconds, (_, peak) = time.process_time() - start, tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert isinstance(decision, Deny)
    assert "too much to be looked through for references: take fewer variables" in decision.message
    assert seconds < MOST_SECONDS
    assert peak < MOST_BYTES


def seconds_of(env: list[Any], role: dict[str, str] | None = None) -> float:
    """Of CPU, for the review of a pod that asks for secrets and has one container with these variables."""
    pod = {
        "metadata": {"annotations": {"admission.token-injector/secrets": "true"}},
        "spec": {"containers": [container(env=env)]},
    }
    settings = parse_settings({"image": [IMAGE], "kubelet-version-floor": ["1.35"]}, {})[0]
    start = time.process_time()
    mutate(pod, NAMESPACE, role or {}, settings, seed=UID)
    return time.process_time() - start


def test_a_reference_that_many_texts_mean_is_read_once() -> None:
    """A long one, in many variables."""
    meant = [{"name": f"B{index}", "value": "x-$(A)"} for index in range(20_000)]
    env = [{"name": "A", "value": "sm://prod/" + "a" * 500_000}, *meant]
    assert seconds_of(env) < MOST_SECONDS


def test_a_text_of_many_names_that_is_meant_often() -> None:
    """Each of which only the container will have."""
    hidden = {"name": "X", "valueFrom": {"secretKeyRef": {"name": "s", "key": "x"}}}
    often = [{"name": "A", "value": "$(X)" * 100_000}, {"name": "B", "value": "$(A)" * 100_000}]
    role = {"amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/orders"}
    assert seconds_of([hidden, *often, {"name": "U", "value": "$(" * 200_000}], role) < MOST_SECONDS


@pytest.mark.parametrize(
    "values", [["$(F)" + "${" * 500_000], ["$(F)${x" * 2_000] * 100, ["-$(F)", *["$(V)$(V)"] * 60]]
)
def test_pieces_of_which_a_reference_may_come(values: list[str]) -> None:
    """Many places at which one may begin, many fields of the pod, and each text twice in the next."""
    field = {"name": "F", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    env = [field, *({"name": "V", "value": value} for value in values)]
    assert seconds_of(env) < MOST_SECONDS


@pytest.mark.parametrize("place", ["args", "value"])
def test_names_that_any_of_many_secrets_may_hold(place: str) -> None:
    """Thousands of Secrets, and tens of thousands of names that none of them has."""
    secrets = [{"prefix": f"P{index}_", "secretRef": {"name": "many"}} for index in range(5_000)]
    names = "".join(f"$(A{index})" for index in range(40_000))
    where: dict[str, Any] = {"args": [names]} if place == "args" else {"env": [{"name": "B", "value": names}]}
    pod = {
        "metadata": {"annotations": {"admission.token-injector/secrets": "true"}},
        "spec": {"containers": [container(envFrom=secrets, **where)]},
    }
    role = {"amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/orders"}
    settings = parse_settings({"image": [IMAGE], "kubelet-version-floor": ["1.35"]}, {})[0]

    start = time.process_time()
    mutate(pod, NAMESPACE, role, settings, seed=UID)

    assert time.process_time() - start < MOST_SECONDS


def test_mounts_in_another_order_are_found() -> None:
    """Of a pod with many containers, which comes back with thousands more in the one that we injected."""
    settings = parse_settings({"image": [IMAGE], "region": ["eu-west-1"], "kubelet-version-floor": ["1.35"]}, {})[0]
    pod = {
        "metadata": {"annotations": {"admission.token-injector/secrets": "true"}},
        "spec": {"containers": [container(f"app-{index}", env=[REFERENCE]) for index in range(500)]},
    }
    role = {"amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/orders"}
    injected = apply_patch(pod, mutate(pod, NAMESPACE, role, settings, seed=UID).patch)
    mounts = injected["spec"]["initContainers"][0]["volumeMounts"]
    mounts += [{"name": "others", "mountPath": f"/others/{index}"} for index in range(30_000)]
    mounts.reverse()
    injected["spec"]["volumes"].append({"name": "others", "emptyDir": {}})

    start = time.process_time()
    patch = mutate(injected, NAMESPACE, role, settings, seed=UID).patch

    assert patch == []
    assert time.process_time() - start < MOST_SECONDS


def test_a_plan_that_no_process_can_be_given_is_refused() -> None:
    """Linux' limit is of one variable; the pod would never start."""
    settings = parse_settings({"image": [IMAGE], "region": ["eu-west-1"], "kubelet-version-floor": ["1.35"]}, {})[0]
    pod = {
        "metadata": {"annotations": {"admission.token-injector/secrets": "true"}},
        "spec": {"containers": [container(env=[{"name": "A", "value": "${sm://prod/db}" + "a" * VARIABLE_LIMIT}])]},
    }
    role = {"amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/orders"}

    decision = mutate(pod, NAMESPACE, role, settings, seed=UID).decision

    assert isinstance(decision, Deny)
    assert f"and Linux takes {VARIABLE_LIMIT}: shorten them, or make two pods of it" in decision.message
