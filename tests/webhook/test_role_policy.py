"""The role policy: what its patterns match, what its errors name, and a file that a ConfigMap brings."""

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import exit_codes
from contract.annotations import ENABLED_LABEL, ROLE_ARN
from serving.rules import RulesError
from tests.webhook.cases import IMAGE, admission_review
from webhook.decide import decide
from webhook.decision import Deny
from webhook.reviews import prepare_reviews
from webhook.role_policy import parse_role_policy
from webhook.role_policy_file import FileRolePolicy, RolePolicyFileError, load_role_policy
from webhook.settings import Settings, parse_settings

ROOT = Path(__file__).parents[2]
ACCOUNT = "arn:aws:iam::123456789012:role"
SHOP = f"rules: [{{name: shop, namespaces: [shop, shop-*], roles: ['{ACCOUNT}/shop/*']}}]\n"
PAYMENTS = f"rules: [{{name: payments, namespaces: [payments], roles: ['{ACCOUNT}/payments/*']}}]\n"


def rule(**members: Any) -> dict[str, Any]:
    """A rule with other members; None leaves one out."""
    whole = {"name": "shop", "namespaces": ["shop"], "roles": [f"{ACCOUNT}/*"], **members}
    return {key: value for key, value in whole.items() if value is not None}


def refusal(namespaces: list[str], roles: list[str], namespace: str, role_arn: str) -> str | None:
    """The verdict of a policy of one rule."""
    document = {"rules": [{"name": "one", "namespaces": namespaces, "roles": roles}]}
    return parse_role_policy(document).refusal(namespace, role_arn)


@pytest.mark.parametrize(
    ("pattern", "namespace", "covered"),
    [
        ("shop", "shop", True),
        ("shop", "shop-eu", False),
        ("shop", "my-shop", False),
        ("shop-*", "shop-eu", True),
        ("shop-*", "shop-", True),
        ("shop-*", "shop", False),
        ("team-?", "team-a", True),
        ("team-?", "team-ab", False),
        ("*", "anything", True),
        ("*-prod", "shop-prod", True),
        ("*-prod", "shop-prod-2", False),
    ],
)
def test_namespace_patterns(pattern: str, namespace: str, covered: bool) -> None:  # noqa: FBT001 - a table's column
    """The whole name has to match."""
    assert (refusal([pattern], ["*"], namespace, f"{ACCOUNT}/a") is None) is covered


@pytest.mark.parametrize(
    ("pattern", "role_arn", "allowed"),
    [
        (f"{ACCOUNT}/shop/*", f"{ACCOUNT}/shop/orders", True),
        (f"{ACCOUNT}/shop/*", f"{ACCOUNT}/shop/eu/orders", True),
        (f"{ACCOUNT}/shop/*", f"{ACCOUNT}/shopping", False),
        (f"{ACCOUNT}/shop/*", "arn:aws:iam::210987654321:role/shop/orders", False),
        (f"{ACCOUNT}/orders", f"{ACCOUNT}/Orders", False),
        (f"{ACCOUNT}/orders", f"{ACCOUNT}/orders-admin", False),
        (f"{ACCOUNT}/order?", f"{ACCOUNT}/orders", True),
        (f"{ACCOUNT}/order?", f"{ACCOUNT}/order/s", False),
        ("arn:aws*:iam::*:role/guest", "arn:aws-cn:iam::210987654321:role/guest", True),
        ("*", f"{ACCOUNT}/anything", True),
        (f"{ACCOUNT}/[ab]", f"{ACCOUNT}/a", False),
        (f"{ACCOUNT}/[ab]", f"{ACCOUNT}/[ab]", True),
        (f"{ACCOUNT}/a.c", f"{ACCOUNT}/abc", False),
    ],
)
def test_role_patterns(pattern: str, role_arn: str, allowed: bool) -> None:  # noqa: FBT001 - a table's column
    """Case counts, a star crosses slashes, and nothing but * and ? is special."""
    assert (refusal(["shop"], [pattern], "shop", role_arn) is None) is allowed


@given(st.from_regex(r"[a-z/]{1,8}", fullmatch=True), st.from_regex(r"[a-z/]{1,8}", fullmatch=True))
def test_a_pattern_without_stars_is_equality(pattern: str, role: str) -> None:
    """What holds no * and no ? matches itself alone."""
    allowed = refusal(["*"], [f"{ACCOUNT}/{pattern}"], "shop", f"{ACCOUNT}/{role}") is None
    assert allowed is (pattern == role)


def test_many_stars_cost_little() -> None:
    """A pattern of many stars against a long ARN is decided at once."""
    assert refusal(["*"], ["arn:" + "*a" * 200 + "b"], "shop", f"{ACCOUNT}/{'a' * 574}") is not None


def test_rules_add_up() -> None:
    """A role needs one rule that allows it, of all that cover the namespace."""
    policy = parse_role_policy(
        {"rules": [rule(roles=[f"{ACCOUNT}/a"]), rule(name="all", namespaces=["*"], roles=[f"{ACCOUNT}/b"])]}
    )
    assert policy.refusal("shop", f"{ACCOUNT}/a") is None
    assert policy.refusal("shop", f"{ACCOUNT}/b") is None
    assert policy.refusal("other", f"{ACCOUNT}/b") is None
    said = policy.refusal("other", f"{ACCOUNT}/a")
    assert said == f"rule 'all' allows {ACCOUNT}/b: use such a role, or ask the webhook's operator to allow this one"


def test_a_long_policy_is_cut() -> None:
    """A denial names three rules and three patterns of each, and counts the rest."""
    roles = [f"{ACCOUNT}/{number}" for number in range(5)]
    policy = parse_role_policy({"rules": [rule(name=f"r{number}", roles=roles) for number in range(7)]})

    said = policy.refusal("shop", f"{ACCOUNT}/none") or ""

    assert said.count("rule 'r") == 3
    assert f"rule 'r2' allows {ACCOUNT}/0, {ACCOUNT}/1, {ACCOUNT}/2, and 2 more; and 4 more: use" in said


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (None, "expected a mapping with the key rules"),
        ([], "expected a mapping with the key rules"),
        ({}, "rules: expected a list of rules, and it is absent or null"),
        ({"rules": None}, "rules: expected a list of rules, and it is absent or null"),
        ({"rules": {}}, "rules: expected a list of rules, and it is a mapping"),
        ({"rules": []}, "rules: the list is empty: "),
        ({"rules": [rule()], "rule": []}, "the policy: there is no key 'rule': expected rules"),
        ({"rules": ["shop"]}, "rules[0]: expected a mapping with name, namespaces, roles"),
        ({"rules": [rule(), rule(name="b", role=[])]}, "rules[1]: there is no key 'role': expected name, namespaces,"),
        ({"rules": [rule(name=None)]}, "rules[0].name: expected 1 to 63 characters of A-Z a-z 0-9 . _ -, and it is"),
        ({"rules": [rule(name=7)]}, "and it is a number: put it in quotes"),
        ({"rules": [rule(name="two words")]}, "rules[0].name: 'two words' is not valid: expected 1 to 63"),
        ({"rules": [rule(), rule()]}, "rules[1].name: 'shop' is already the name of rules[0]: choose another"),
        ({"rules": [rule(namespaces=None)]}, "rules[0].namespaces: expected a list of patterns, and it is absent or"),
        ({"rules": [rule(namespaces=[])]}, "rules[0].namespaces: the list is empty"),
        ({"rules": [rule(namespaces="shop")]}, "rules[0].namespaces: expected a list of patterns, and it is a string"),
        ({"rules": [rule(namespaces=["a", True])]}, "rules[0].namespaces[1]: expected a namespace's name in which"),
        ({"rules": [rule(namespaces=["Shop"])]}, "rules[0].namespaces[0]: 'Shop' is not valid: expected a namespace's"),
        ({"rules": [rule(namespaces=["a/b"])]}, "rules[0].namespaces[0]: 'a/b' is not valid"),
        ({"rules": [rule(roles=[])]}, "rules[0].roles: the list is empty"),
        ({"rules": [rule(roles=["role/shop/*"])]}, "rules[0].roles[0]: 'role/shop/*' is not valid: expected a role's"),
        ({"rules": [rule(roles=[[]])]}, "rules[0].roles[0]: expected a role's ARN in which * and ? may stand"),
        ({"rules": [rule(roles=["arn:a b"])]}, "rules[0].roles[0]: 'arn:a b' is not valid"),
    ],
)
def test_errors_name_the_place(document: object, said: str) -> None:
    """Each names the place in the policy and what is expected there."""
    with pytest.raises(RulesError) as caught:
        parse_role_policy(document)
    assert said in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(JSON | st.fixed_dictionaries({"rules": st.lists(JSON | st.builds(rule, name=JSON, roles=JSON), max_size=3)}))
def test_any_document_is_a_policy_or_an_error(document: Any) -> None:
    """Whatever the YAML says, nothing else than a policy or our error comes of it."""
    try:
        policy = parse_role_policy(document)
    except RulesError:
        return
    assert policy.rules


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rules: [", "f: line 1: "),
        ("a: 1\n---\nb: 2\n", "f: line 2: "),
        ("", "f: expected a mapping with the key rules"),
        ("rules:\n- {name: a, namespaces: [a], roles: ['*'], roles: ['*']}", "f: line 2: the key 'roles' stands twice"),
        ("rules: []\nrules: []\n", "f: line 2: the key 'rules' stands twice"),
        ("!!python/object/apply:os.system [x]", "f: line 1: could not determine a constructor"),
        ("[" * 5000, "f: nested too deeply"),
        ("rules: &a [*a]", "f: rules[0]: expected a mapping"),
        ("? [a]\n: b\n", "f: line 1: "),
        ("rules: 2026-13-01", "f: a value is none of its type"),
        ("rules: !!int seven", "f: a value is none of its type"),
        ("rules: !!bool maybe", "f: a value is none of its type"),
        ("rules: !!timestamp soon", "f: a value is none of its type"),
        ("!!map [rules]", "f: a value is none of its type"),
        ("rules: " + "9" * 5000, "f: a value is none of its type"),
    ],
)
def test_broken_yaml(text: str, said: str) -> None:
    """What is no YAML, or YAML that would drop half of itself, is named with its line."""
    with pytest.raises(RolePolicyFileError) as caught:
        load_role_policy(text, "f")
    assert str(caught.value).startswith(said)


class ConfigMapVolume:
    """A file as the kubelet mounts a ConfigMap: a link through `..data`, which is moved in one step."""

    def __init__(self, folder: Path, text: str) -> None:
        self._folder = folder
        self._versions = 0
        self.file = folder / "role-policy.yaml"
        self.write(text)
        self.file.symlink_to("..data/role-policy.yaml")

    def write(self, text: str) -> None:
        """Put a new version in force; the old one's folder goes."""
        before = self._folder / f"..version-{self._versions}"
        self._versions += 1
        version = self._folder / f"..version-{self._versions}"
        version.mkdir()
        (version / "role-policy.yaml").write_text(text)
        link = self._folder / "..data_tmp"
        link.symlink_to(version.name)
        link.replace(self._folder / "..data")
        if before.exists():
            (before / "role-policy.yaml").unlink()
            before.rmdir()


@pytest.fixture
def volume(tmp_path: Path) -> ConfigMapVolume:
    """The shop's policy."""
    return ConfigMapVolume(tmp_path, SHOP)


def names(policy: FileRolePolicy) -> list[str]:
    """The rules in force."""
    return [rule.name for rule in policy.policy.rules]


def test_configmap_is_swapped(volume: ConfigMapVolume) -> None:
    """A new version of the ConfigMap is in force at the next review; without one nothing is read or made anew."""
    times = iter([10.0, 20.0])
    policy = FileRolePolicy(volume.file, clock=lambda: next(times))
    assert names(policy) == ["shop"]
    assert policy.policy is policy.policy
    assert (policy.loaded_at, policy.text) == (10.0, f"1 rule of {volume.file}")

    volume.write(PAYMENTS)

    assert names(policy) == ["payments"]
    assert (policy.loaded_at, policy.failures, policy.problem) == (20.0, 0, None)


def test_broken_later_keeps_the_last_good_one(volume: ConfigMapVolume, caplog: pytest.LogCaptureFixture) -> None:
    """A broken or vanished file leaves the last good policy in force; said once, counted, and over when mended."""
    policy = FileRolePolicy(volume.file, clock=iter([10.0, 20.0]).__next__)
    with caplog.at_level(logging.INFO):
        volume.write("rules: []\n")
        assert [names(policy) for _ in range(5)] == [["shop"]] * 5
        volume.write("rules: []\n")
        assert names(policy) == ["shop"]
    assert policy.problem == f"{volume.file}: rules: the list is empty: name at least one, or remove what it belongs to"
    assert (policy.failures, policy.loaded_at) == (2, 10.0)
    assert caplog.text.count("the changed file is not used") == 1

    volume.write("rules: 2026-13-01\n")
    assert names(policy) == ["shop"]
    assert (policy.failures, policy.problem) == (
        3,
        f"{volume.file}: a value is none of its type, such as a date in a thirteenth month: put it in quotes",
    )

    volume.file.unlink()
    assert names(policy) == ["shop"]
    assert "No such file" in (policy.problem or "")

    volume.file.symlink_to("..data/role-policy.yaml")
    volume.write(PAYMENTS)
    assert names(policy) == ["payments"]
    assert (policy.failures, policy.loaded_at) == (4, 20.0)
    assert not policy.problem


def test_many_threads(volume: ConfigMapVolume) -> None:
    """Reviews on many threads see one policy or the other while it is swapped, never a part or an error."""
    policy = FileRolePolicy(volume.file)
    ended, wrong = threading.Event(), []

    def read() -> None:
        while not ended.is_set():
            if names(policy) not in (["shop"], ["payments"]):
                wrong.append(names(policy))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(50):
        volume.write(PAYMENTS if number % 2 else SHOP)
    ended.set()
    for thread in threads:
        thread.join(10)
    assert wrong == []
    assert names(policy) == ["payments"]


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"rules: []"])
def test_broken_at_the_start(content: bytes | None, tmp_path: Path) -> None:
    """A policy that can't be read must not become no policy."""
    path = tmp_path / "policy.yaml"
    if content is not None:
        path.write_bytes(content)
    settings, server = parse_settings({"role-policy": [str(path)]}, {})
    with pytest.raises(RolePolicyFileError, match=str(path)):
        prepare_reviews(settings, server, {})


@pytest.mark.slow
def test_the_start_stops(tmp_path: Path) -> None:
    """The server ends with the code of a wrong setting, and names flag, file, place and what is expected."""
    (tmp_path / "accounts.yaml").write_text("")
    path = tmp_path / "policy.yaml"
    path.write_text("rules:\n- {name: shop, namespaces: [shop], roles: [role/shop]}\n")
    flags = ["--insecure-http", f"--image={IMAGE}", f"--service-accounts={tmp_path / 'accounts.yaml'}"]
    line = [sys.executable, "-m", "webhook", "server", *flags, f"--role-policy={path}"]

    finished = subprocess.run(line, cwd=ROOT, env={**os.environ}, capture_output=True, timeout=60, check=False)

    assert finished.returncode == exit_codes.USAGE
    said = finished.stderr.decode()
    assert f"--role-policy: {path}: rules[0].roles[0]: 'role/shop' is not valid: expected a role's ARN" in said
    assert "Traceback" not in said


def labelled_pod(**container: Any) -> dict[str, Any]:
    """A pod of the account orders."""
    return {
        "metadata": {"name": "orders", "labels": {ENABLED_LABEL: "true"}},
        "spec": {"serviceAccountName": "orders", "containers": [{"name": "app", **container}]},
    }


def test_reviews_follow_the_file(volume: ConfigMapVolume, tmp_path: Path) -> None:
    """Allowed, then denied, then by the last good policy, with the problem in readiness and the gauges."""
    accounts = tmp_path / "accounts.yaml"
    accounts.write_text(
        f"{{kind: ServiceAccount, metadata: {{name: orders, namespace: shop, annotations: "
        f"{{{ROLE_ARN}: '{ACCOUNT}/shop/orders'}}}}}}"
    )
    flags = {"image": [IMAGE], "service-accounts": [str(accounts)], "role-policy": [str(volume.file)]}
    reviews = prepare_reviews(*parse_settings(flags, {}), {})()
    assert reviews.readiness().details["role policy"] == f"1 rule of {volume.file}"
    assert reviews.review(admission_review(labelled_pod())).outcome == "injected"
    loaded_at = reviews.gauges().role_policy_loaded_at

    volume.write(PAYMENTS)
    answer = reviews.review(admission_review(labelled_pod()))
    assert (answer.outcome, answer.reason) == ("denied", "role_not_allowed")
    assert answer.body["response"]["status"]["code"] == 403

    volume.write("rules: 7")
    gauges = reviews.gauges()  # nobody asks for a review
    assert gauges.role_policy_failures == 1
    assert gauges.role_policy_loaded_at is not None
    assert loaded_at is not None
    assert gauges.role_policy_loaded_at > loaded_at
    readiness = reviews.readiness()
    assert readiness.is_ready
    assert "rules: expected a list" in readiness.problems["role policy"]
    assert reviews.review(admission_review(labelled_pod())).reason == "role_not_allowed"


def test_without_a_policy_any_role_goes(tmp_path: Path) -> None:
    """It is optional: nothing is said about what is not there."""
    (tmp_path / "accounts.yaml").write_text("")
    settings, server = parse_settings({"service-accounts": [str(tmp_path / "accounts.yaml")]}, {})
    reviews = prepare_reviews(settings, server, {})()
    assert settings.role_policy is None
    assert "role policy" not in reviews.readiness().details
    assert reviews.gauges().role_policy_loaded_at is None


@pytest.mark.parametrize(
    ("container", "denied"),
    [
        ({"env": [{"name": "AWS_ROLE_ARN", "value": f"{ACCOUNT}/shop/other"}]}, False),
        ({"env": [{"name": "AWS_ROLE_ARN", "value": f"{ACCOUNT}/payments/admin"}]}, True),
        ({"env": [{"name": "AWS_ROLE_ARN", "value": "$(ROLE)"}]}, True),
        ({"env": [{"name": "AWS_ROLE_ARN", "value": ""}]}, False),
        ({"env": [{"name": "AWS_ROLE_ARN", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "b"}}}]}, False),
    ],
)
def test_own_variables(container: dict[str, Any], denied: bool, make_settings: Callable[..., Settings]) -> None:  # noqa: FBT001 - a table's column
    """A role that a container names itself is held to the policy where it can be read, and never repeated."""
    settings = replace(make_settings(), role_policy=load_role_policy(SHOP, "f"))
    account = {ROLE_ARN: f"{ACCOUNT}/shop/orders"}

    decision = decide(labelled_pod(**container), "shop", account, settings, seed="uid")

    assert isinstance(decision, Deny) is denied
    if isinstance(decision, Deny):
        assert decision.reason == "role_not_allowed"
        assert "payments" not in decision.message
