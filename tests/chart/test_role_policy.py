"""rolePolicy: what Helm lets through is what the webhook reads; a broken policy never reaches a pod.

A running webhook keeps the policy that it has when a new one is broken, and its next start fails: too late to be told.
"""

import copy
from typing import Any

import pytest

from serving.rules import RulesError
from tests.chart.charts import CHART, template, with_values
from webhook.role_policy import parse_role_policy

GOOD: dict[str, Any] = {
    "rules": [
        {"name": "shop", "namespaces": ["shop-*"], "roles": ["arn:aws:iam::123456789012:role/shop/*"]},
        {"name": "ops", "namespaces": ["ops", "?"], "roles": ["*", "*role/x", "arn:" + "x" * 1000]},
    ]
}
WRONG: dict[str, tuple[str, Any]] = {
    "no name": ("name", None),
    "an empty name": ("name", ""),
    "a name with a blank": ("name", "a b"),
    "a long name": ("name", "a" * 64),
    "no namespaces": ("namespaces", []),
    "a namespace in capitals": ("namespaces", ["Shop"]),
    "a namespace that is a number": ("namespaces", [1]),
    "a namespace of two lines": ("namespaces", ["shop\n"]),
    "a long namespace": ("namespaces", ["a" * 64]),
    "no roles": ("roles", []),
    "one role": ("roles", "*"),
    "a role's name": ("roles", ["reader"]),
    "a role with a blank": ("roles", ["arn:aws:iam::123456789012:role/a b"]),
    "a long role": ("roles", ["arn:" + "x" * 1001]),
    "an unknown key": ("role", "*"),
}


def refused(policy: dict[str, Any]) -> str:
    """What Helm says."""
    finished = with_values({"rolePolicy": policy}, "template", "token-injector", str(CHART))
    assert finished.returncode != 0
    return finished.stderr


def test_a_good_policy_passes_both() -> None:
    """Every form that the webhook reads is one that Helm takes."""
    assert len(parse_role_policy(GOOD).rules) == 2
    assert template({"rolePolicy": GOOD})


@pytest.mark.parametrize(("key", "value"), WRONG.values(), ids=WRONG)
def test_what_the_webhook_refuses_helm_refuses(key: str, value: object) -> None:
    """Neither of them takes it, and Helm names the rule."""
    policy = copy.deepcopy(GOOD)
    policy["rules"][1][key] = value

    with pytest.raises(RulesError):
        parse_role_policy(policy)
    assert "/rolePolicy/rules/1" in refused(policy)


def test_two_rules_of_one_name_are_refused() -> None:
    """What a schema cannot say, the template does, and it names both places."""
    policy = {"rules": [GOOD["rules"][0], GOOD["rules"][1], GOOD["rules"][0]]}

    with pytest.raises(RulesError):
        parse_role_policy(policy)
    assert 'rolePolicy.rules[2].name: "shop" is already the name of rules[0]: choose another' in refused(policy)
