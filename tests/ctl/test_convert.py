"""`convert`, the command: forms, exit codes, what is kept of the text, the values of piggy's chart."""

import json
from typing import Any

import pytest
import yaml

from ctl.piggy_shapes import SHAPES, wrong_shapes
from ctl.piggy_values import DIFFERENT, SAME, convert_values
from secretenv.piggy import read
from tests.chart.charts import CHART, of_kind, template, with_values
from tests.ctl.commands import GOLDEN, golden, run

MANIFESTS = GOLDEN / "piggy.yaml"


@pytest.mark.parametrize("form", ["yaml", "json", "diff", "report"])
def test_each_form(form: str) -> None:
    """One stream, four forms; what differs goes to standard error in each."""
    finished = run("convert", "-f", str(MANIFESTS), "-o", form)

    assert finished.code == 0
    assert finished.out == golden(f"converted.{'report.json' if form == 'report' else form}", finished.out)
    assert finished.err == golden("converted.err", finished.err)


def test_twice_is_once() -> None:
    """The output is an input that is left as it is, to the letter."""
    once = run("convert", "-f", str(MANIFESTS)).out

    again = run("convert", "-f", "-", stdin=once)

    assert again.out == once


def test_nothing_to_convert() -> None:
    """A manifest without a word of piggy's comes out as it is, and it is said."""
    text = "# keep\nkind: ConfigMap # me\napiVersion: v1\nmetadata: {name: 'a'}\n"

    finished = run("convert", "-f", "-", stdin=text)

    assert (finished.code, finished.out) == (0, text)
    assert finished.err.startswith("nothing was converted: nothing here says piggy:NAME")


BLOCKED = """\
apiVersion: v1
kind: Pod
metadata:
  name: a
  namespace: shop
  annotations: {piggysec.com/aws-secret-name: a, piggysec.com/standalone: maybe}
spec: {containers: [{name: app, env: [{name: A, value: "piggy:hunter2"}]}]}
"""


def test_what_has_to_be_mended_stops_it() -> None:
    """Nothing is written but the report that was asked for; no value is repeated."""
    finished = run("convert", "-f", "-", stdin=BLOCKED)
    report = run("convert", "-f", "-", "-o", "report", stdin=BLOCKED)

    assert (finished.code, finished.out) == (1, "")
    assert "Pod/shop/a: error: annotation piggysec.com/standalone: 'maybe' is not valid: expected true" in finished.err
    assert finished.err.endswith("nothing was written: mend what is marked with error, then convert again\n")
    assert [each["blocks"] for each in json.loads(report.out)[0]["differences"]] == [True]
    assert "hunter2" not in finished.err + report.out + report.err


@pytest.mark.parametrize(
    ("argv", "stdin", "message"),
    [
        ((), "", "convert: give manifests with -f, or piggy's chart values with --chart-values"),
        (("-f", "-", "--chart-values", "-"), "", "-f -, --chart-values -: standard input can be read once"),
        (("--chart-values", "-"), "kind: Pod", "--chart-values: -: expected the values of piggy's chart"),
        (
            ("--chart-values", "-"),
            "env: [{name: A, value: hunter2}]\nport: true",
            "--chart-values: -: env is a list: expected a map, NAME: value; port is true or false: expected a whole",
        ),
        (("--chart-values", "-"), "env: {A: [hunter2]}", "--chart-values: -: env.A is a list: expected a text\n"),
        (("--chart-values", "-"), "mutate: off", "--chart-values: -: mutate is true or false: expected a map\n"),
        (("--chart-values", "-", "-o", "diff"), "", "-o diff: of values there is yaml and json"),
        (("-f", "-", "--piggy-env", "HOME=x"), "", "--piggy-env: expected NAME=VALUE, and NAME one of AWS_REGION, "),
        (("-f", "-", "--piggy-env", "DEBUG"), "", "--piggy-env: expected NAME=VALUE"),
        (("-f", "-"), BLOCKED.replace("{name: app,", "{name: 1,"), "standard input: Pod/shop/a: spec.containers is "),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_said(argv: tuple[str, ...], stdin: str, message: str) -> None:
    """Exit code 2, nothing on standard output, and what was expected."""
    finished = run("convert", *argv, stdin=stdin)

    assert (finished.code, finished.out) == (2, "")
    assert finished.err.startswith(f"kubectl token-injector: {message}")


def test_the_variables_of_piggys_webhook() -> None:
    """A pod without annotations has the source of the webhook's variables: by flag, by chart values, a flag wins."""
    pod = BLOCKED.replace("{piggysec.com/aws-secret-name: a, piggysec.com/standalone: maybe}", "{}")
    values = str(GOLDEN / "piggy-values.yaml")

    by_flag = run("convert", "-f", "-", "--piggy-env", "AWS_SECRET_NAME=flag", stdin=pod)
    by_values = run("convert", "-f", "-", "--chart-values", values, stdin=pod)
    both = run("convert", "-f", "-", "--chart-values", values, "--piggy-env", "AWS_SECRET_NAME=flag", stdin=pod)

    assert "sm://flag#hunter2" in by_flag.out
    assert "sm://prod/all#hunter2" in by_values.out
    assert "admission.token-injector/secret-identity: broker" in by_values.out
    assert "sm://flag#hunter2" in both.out


def test_chart_values() -> None:
    """Piggy's values become ours; what has nothing like it is told with what to do."""
    finished = run("convert", "--chart-values", str(GOLDEN / "piggy-values.yaml"))

    assert finished.code == 0
    assert finished.out == golden("piggy-values-converted.yaml", finished.out)
    assert finished.err == golden("piggy-values-converted.err", finished.err)
    as_json = run("convert", "--chart-values", str(GOLDEN / "piggy-values.yaml"), "-o", "json")
    assert json.loads(as_json.out) == yaml.safe_load(finished.out)


@pytest.mark.parametrize(
    ("environ", "is_sent"),
    [
        ({"AWS_REGION": "eu-west-1"}, False),
        ({"AWS_SECRET_NAME": "a"}, True),
        ({"AWS_SSM_PARAMETER_PATH": "/a"}, True),
        ({"PIGGY_ADDRESS": "https://piggy"}, True),
        ({"STANDALONE": "true"}, False),
        ({"STANDALONE": True, "PIGGY_DEFAULT_SECRET_NAME_PREFIX": "prod/"}, True),
        ({"PIGGY_DEFAULT_SECRET_NAME_PREFIX": "prod/"}, False),
        ({"AWS_SSM_PARAMETER_PATH": "a"}, True),
    ],
)
def test_pods_without_annotations_are_sent(environ: dict[str, Any], *, is_sent: bool) -> None:
    """Where the variables alone make piggy:NAME a reference, as piggy's webhook sees every pod; else not."""
    converted = convert_values({"env": environ})

    namespaces = converted.values.get("secrets", {}).get("piggyDefaultNamespaces", [])
    assert bool(namespaces) is is_sent
    assert ("secrets.piggyDefaultNamespaces" in [each.place for each in converted.differences]) is is_sent


def test_what_the_broker_heeds_is_not_lost() -> None:
    """The webhook does not know it, and the broker does not start with it without its shared role: it is told."""
    converted = convert_values({"env": {"piggy_enforce_service_account": "true", "PIGGY_ENFORCE_INTEGRITY": False}})

    assert "webhook" not in converted.values
    assert [each.place for each in converted.differences] == [
        "env.piggy_enforce_service_account",
        "env.PIGGY_ENFORCE_INTEGRITY",
    ]
    assert "broker.settings.enforce-service-account" in converted.differences[0].text


ROLE = "arn:aws:iam::123456789012:role/piggy"


def test_pods_of_piggys_that_run_on_are_answered() -> None:
    """By piggy's role, with the variables that its proxy has for pods without an annotation; what is denied is told."""
    environ = {
        "AWS_REGION": "eu-west-1",
        "PIGGY_DEFAULT_SECRET_NAME_PREFIX": "prod/",
        "PIGGY_ENFORCE_INTEGRITY": False,
        "PIGGY_ENFORCE_SERVICE_ACCOUNT": "true",
        "PIGGY_ADDRESS": "https://piggy",
        "PIGGY_IGNORE_NO_ENV": True,
    }
    converted = convert_values({"env": environ, "aws": {"roleArn": ROLE}})
    broker = converted.values["broker"]
    told = {each.place: each.text for each in converted.differences}

    assert broker["settings"] == {"legacy-piggy": True, "enforce-service-account": True}
    assert broker["sharedRole"] == {"arn": ROLE, "mode": "cluster"}
    assert {each["name"]: each["value"] for each in broker["extraEnv"]} == {
        "AWS_REGION": "eu-west-1",
        "PIGGY_DEFAULT_SECRET_NAME_PREFIX": "prod/",
        "PIGGY_ENFORCE_INTEGRITY": "false",
    }
    assert "broker.sharedRole.grants" in told["broker.sharedRole"]
    assert not [place for place in told if place.startswith("env.")]


def test_without_piggys_role_what_it_needs_is_told() -> None:
    """The broker would not start: the switch stays off, and the variables that belong to it are named."""
    converted = convert_values({"env": {"PIGGY_ADDRESS": "https://piggy", "AWS_REGION": "eu-west-1"}})
    (text,) = (each.text for each in converted.differences if each.place == "broker.settings.legacy-piggy")

    assert converted.values["broker"] == {"enabled": True}
    assert "put AWS_REGION into broker.extraEnv" in text


@pytest.mark.parametrize("text", ["false", "yes"])
def test_accounts_are_enforced_where_piggy_does(text: str) -> None:
    """What is no boolean is false there."""
    converted = convert_values({"env": {"PIGGY_ENFORCE_SERVICE_ACCOUNT": text}, "aws": {"roleArn": ROLE}})

    assert converted.values["broker"]["settings"] == {"legacy-piggy": True}


def test_the_broker_heeds_what_it_is_given() -> None:
    """Each variable that is written for the broker decides what piggy-env gets, where the pod has no annotation."""
    for name, value in {
        "AWS_SECRET_NAME": "a",
        "AWS_SSM_PARAMETER_PATH": "/a",
        "AWS_REGION": "eu-west-1",
        "AWS_SECRET_VERSION": "OLD",
        "PIGGY_DEFAULT_SECRET_NAME_PREFIX": "a/",
        "PIGGY_DEFAULT_SECRET_NAME_SUFFIX": "/a",
        "PIGGY_ENFORCE_INTEGRITY": "false",
    }.items():
        converted = convert_values({"env": {name: value}, "aws": {"roleArn": ROLE}})
        given = {each["name"]: each["value"] for each in converted.values["broker"]["extraEnv"]}
        with_it, without = (
            read({}, {**environ, "PIGGY_ADDRESS": "x"}, namespace="shop", service_account="api")
            for environ in (given, {})
        )
        assert with_it != without


def test_a_pull_secret_needs_its_grant() -> None:
    """It is written, and what it needs beside it is told."""
    converted = convert_values({"env": {"IMAGE_PULL_SECRET": "registry"}})

    assert converted.values == {"webhook": {"extraEnv": [{"name": "IMAGE_PULL_SECRET", "value": "registry"}]}}
    assert ["registries.podPullSecrets" in each.text for each in converted.differences] == [True]


@pytest.mark.parametrize(("seconds", "taken"), [(5, False), (6, True)])
def test_a_wait_that_the_chart_would_refuse_is_left_out(seconds: int, *, taken: bool) -> None:
    """It is too short for the look-up of an image."""
    converted = convert_values({"mutate": {"timeoutSeconds": seconds}})

    assert ("webhook" in converted.values) is taken
    assert bool(converted.differences) is not taken


def test_every_value_that_is_read_has_its_shape() -> None:
    """None of them could be of a form that says nothing; what stands in piggy's own values is of these forms."""
    piggys = yaml.safe_load((GOLDEN / "piggy-values.yaml").read_text())

    assert {*SAME, "env", "aws.roleArn"} <= {*SHAPES}
    assert list(wrong_shapes(piggys)) == []


def test_helm_takes_what_is_written() -> None:
    """With the grants that nobody here knows the chart renders it; its third entry sends pods that say nothing."""
    values = dict(convert_values(yaml.safe_load((GOLDEN / "piggy-values.yaml").read_text())).values)
    refused = with_values(values, "template", "token-injector", str(CHART))
    grants = [{"name": "shop", "serviceAccounts": ["shop:*"], "secrets": ["sm://shop/*"]}]
    values["broker"]["sharedRole"]["grants"] = grants
    (configuration,) = of_kind(template(values), "MutatingWebhookConfiguration")

    assert "broker.sharedRole.grants is empty" in refused.stderr

    assert [entry["name"].partition(".")[0] for entry in configuration["webhooks"]] == [
        "pods",
        "secrets",
        "piggy-defaults",
    ]


def test_every_value_of_ours_exists() -> None:
    """What is written is in the chart's schema."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    for path in (*SAME.values(), "webhook.extraEnv", "broker.extraEnv", "secrets.piggyDefaultNamespaces"):
        found: Any = schema
        for key in path.split("."):
            assert key in found["properties"], path
            found = found["properties"][key]


def test_every_value_of_piggys_is_known() -> None:
    """Of piggy's own values.yaml (0.7.5), by its first or second level, nothing is told to be unknown."""
    keys = """affinity autoscaling aws.roleArn debug env fullnameOverride image imagePullSecrets maxUnavailable
        mutate.certificate mutate.excludeNamespaces mutate.image mutate.matchConditions mutate.objectSelector
        mutate.podsFailurePolicy mutate.reinvocationPolicy mutate.timeoutSeconds nameOverride nodeSelector
        podAnnotations podSecurityContext port priorityClassName replicaCount resources securityContext service
        serviceAccount tolerations"""
    known = {*SAME, *DIFFERENT, "env"}

    assert [key for key in keys.split() if not any(each == key or each.startswith(f"{key}.") for each in known)] == []
