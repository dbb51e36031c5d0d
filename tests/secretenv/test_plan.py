"""The plan as the webhook writes it and the injected container reads it."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secretenv.piggy import PiggySource
from secretenv.plan import Broker, ContainerPlan, FilePlan, Joined, Plan, PlanError, Variable, from_json, to_json
from secretenv.references import Syntax
from tests.secretenv.strategies import PLANS

SYNTAX = {"ours": True, "arns": False, "piggy": None}
APP = {"name": "app", "delivery": "socket", "directory": "/d", "variables": []}


def test_what_it_looks_like() -> None:
    """Fields are keys, defaults are left out; one line."""
    plan = Plan(
        syntax=Syntax(ours=True, arns=False, piggy=PiggySource(secret_name="shop/orders")),
        containers=(
            ContainerPlan(
                name="app",
                delivery="env",
                directory="/var/run/token-injector/token-injector-secrets-app",
                variables=(Variable(name="DB", text="${sm://db#user}\n"),),
                copied="TOKEN_INJECTOR_COPIED_0_",
                joined=(Joined(name="DSN", of=("USER", "PASSWORD")),),
            ),
        ),
        files=(FilePlan(name="tls.key", text="sm://tls"),),
        broker=Broker(address="https://broker", ca="PEM", token_file="/token"),
        initial_delay=1.5,
    )

    assert to_json(plan) == (
        '{"syntax":{"ours":true,"arns":false,"piggy":{"secret_name":"shop/orders"}},"containers":[{"name":"app",'
        '"delivery":"env","directory":"/var/run/token-injector/token-injector-secrets-app","variables":[{"name":"DB",'
        '"text":"${sm://db#user}\\n"}],"copied":"TOKEN_INJECTOR_COPIED_0_","joined":[{"name":"DSN","of":["USER","PASSWORD"]}]}],'
        '"files":[{"name":"tls.key","text":"sm://tls"}],"broker":{"address":"https://broker","ca":"PEM",'
        '"token_file":"/token"},"initial_delay":1.5}'
    )


@given(plan=PLANS)
def test_round_trip(plan: Plan) -> None:
    """What was written is read; as one line of ASCII, which every environment holds."""
    text = to_json(plan)

    assert from_json(text) == plan
    assert text.isascii()
    assert text.isprintable()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sintax": 1}, "the plan has an unknown key 'sintax'"),
        ({"syntax": {"ours": True, "arns": False}}, "the plan.syntax has no key 'piggy'"),
        ({"syntax": None}, "the plan.syntax must be an object"),
        ({"syntax": SYNTAX | {"ours": 1}}, "the plan.syntax.ours must be true or false"),
        ({"syntax": SYNTAX | {"piggy": []}}, "the plan.syntax.piggy must be an object"),
        ({"syntax": SYNTAX | {"piggy": {"stage": 1}}}, "the plan.syntax.piggy.stage must be a string"),
        ({"containers": {}}, "the plan.containers must be a list"),
        ({"containers": [APP, 1]}, "the plan.containers[1] must be an object"),
        ({"containers": [APP | {"delivery": "file"}]}, "containers[0].delivery must be one of envfile, env, socket"),
        ({"containers": [APP | {"delivery": []}]}, "containers[0].delivery must be one of"),
        ({"containers": [APP | {"variables": [{"name": "A"}]}]}, "containers[0].variables[0] has no key 'text'"),
        ({"rotation_interval": True}, "the plan.rotation_interval must be a whole number"),
        ({"rotation_interval": 1.5}, "the plan.rotation_interval must be a whole number"),
        ({"initial_delay": "1s"}, "the plan.initial_delay must be a number"),
        ({"initial_delay": float("nan")}, "the plan.initial_delay must be a number"),
        ({"broker": "https://broker"}, "the plan.broker must be an object"),
        ({"files_directory": None}, "the plan.files_directory must be a string"),
    ],
)
def test_what_is_no_plan(change: dict[str, Any], message: str) -> None:
    """An unknown or missing key and a wrong type are told with their place."""
    with pytest.raises(PlanError, match=re.escape(message)):
        from_json(json.dumps({"syntax": SYNTAX, "containers": [APP]} | change))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "1", '"x"', "{}", "[" * 100_000, "9" * 10_000])
def test_what_is_no_object(text: str) -> None:
    """Any other text is an error too."""
    with pytest.raises(PlanError, match=r"^the plan "):
        from_json(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["syntax", "containers", "x"]), inner),
)


@given(value=JSON)
def test_any_json(value: Any) -> None:
    """Whatever JSON it is: no plan without a syntax and containers."""
    with pytest.raises(PlanError, match=r"^the plan"):
        from_json(json.dumps({"containers": [], "syntax": value} if value != SYNTAX else []))
