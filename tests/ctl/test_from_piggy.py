"""`convert`, the conversion itself: a converted pod is given what the pod of piggy's would be given."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from contract.annotations import PIGGY_PREFIX
from ctl.from_piggy import Conversion, convert
from ctl.manifest import read_documents, write_document
from ctl.piggy_words import reference
from secretenv.piggy_table import PIGGY_ANNOTATIONS
from secretenv.references import PiggySource, Syntax, canonical, parse
from tests.webhook.cases import NAMESPACE, GoldenCase, golden_cases
from webhook.decision import Injection, SecretsInjection

CASES = [pytest.param(each, id=each.folder.name) for each in golden_cases() if each.old is None]
PIGGYS = [each for each in golden_cases() if each.old is None and each.folder.name.startswith("piggy-")]
SOURCE = PiggySource(secret_name="prod/db")
# What a converted pod does otherwise; each is told.
OTHERWISE = {
    "piggy-standalone-beside-a-role": "a standalone pod's own role, where the service account names one too",
    "piggy-standalone-labelled": "the same",
    "piggy-standalone-labelled-region": "the same, and the region is the application's too",
    "piggy-standalone-labelled-regions": "the same",
    "piggy-standalone-labelled-token": "the same",
    "piggy-standalone-session-name": "the same",
    "piggy-standalone-region": "a standalone pod's region, where its container says another for itself",
    "piggy-ours-is-no-reference": "a text of ours, which is a reference as soon as the pod asks for ours",
}


def converted(case: GoldenCase) -> Conversion:
    """The case's pod, with its ConfigMaps."""
    config_maps = case.folder / "config-maps.yaml"
    objects = [case.pod, *(yaml.safe_load(config_maps.read_text())["items"] if config_maps.exists() else [])]
    environ = case.folder / "environ.yaml"
    documents = [each for one in objects for each in read_documents(write_document(one), "case")]
    return convert(documents, yaml.safe_load(environ.read_text()) if environ.exists() else {}, NAMESPACE)


def mentions_piggy(case: Any) -> bool:
    """Whether a word of piggy's is in the pod, or in the webhook's variables."""
    return "piggy" in yaml.safe_dump(case.pod).lower() or (case.folder / "environ.yaml").exists()


def delivered(case: GoldenCase, pod: Mapping[str, Any]) -> dict[str, Any]:
    """What reaches the containers of this pod instead of the case's: references, who reads, how."""
    decision = case.mutate(dict(pod)).decision
    assert isinstance(decision, Injection), decision
    assert isinstance(decision.secrets, SecretsInjection)
    plan = decision.secrets.plan
    return {
        "containers": [
            (
                one.name,
                one.delivery,
                one.own_environment,
                {each.name: references(each.text, plan.syntax) for each in one.variables},
            )
            for one in plan.containers
        ],
        "commands": [(one.command, one.args) for one in decision.secrets.containers],
        "region": decision.secrets.region,
        "own_identity": decision.secrets.own_identity,
        "role": decision.web_identity.role_arn if decision.web_identity else None,
        "application": decision.web_identity if decision.for_application else None,
        "reader": (plan.broker, plan.keeps_unresolved, plan.rotation),
    }


def references(text: str, syntax: Syntax) -> list[str]:
    """What stands in a text."""
    template = parse(text, syntax)
    assert template
    return [canonical(each) for each in template.references]


@pytest.mark.parametrize("case", [pytest.param(each, id=each.folder.name) for each in PIGGYS])
def test_a_converted_pod_gets_what_the_pod_of_piggys_gets(case: GoldenCase) -> None:
    """The webhook's own decision about both; where it denies the one, nothing is converted or the other is denied."""
    found = converted(case)
    before = case.mutate().decision

    if not isinstance(before, Injection) or before.secrets is None:
        after = case.mutate(found.contents[0]).decision
        assert found.is_blocked or type(after) is type(before)
        return
    assert not found.is_blocked
    one, other = delivered(case, case.pod), delivered(case, found.contents[0])
    if case.folder.name in OTHERWISE:
        assert one != other
        assert found.objects[0].differences
    else:
        assert one == other


def test_only_what_is_told_differs() -> None:
    """Of the deviations above each has a case, so that none is forgotten here when it is gone."""
    assert set(OTHERWISE) <= {each.folder.name for each in PIGGYS}


@pytest.mark.parametrize("case", CASES)
def test_twice_is_once(case: GoldenCase) -> None:
    """A converted manifest is left as it is."""
    once = converted(case)
    documents = [each for content in once.contents for each in read_documents(write_document(content), "once")]

    again = convert(documents, {}, NAMESPACE)

    assert [content == document.content for content, document in zip(again.contents, documents, strict=True)] == [
        True
    ] * len(documents) or once.is_blocked


@pytest.mark.parametrize("case", [each for each in CASES if not mentions_piggy(each.values[0])])
def test_only_pods_of_piggys_change(case: GoldenCase) -> None:
    """What has no word of piggy's stays the same object, and nothing is said."""
    assert converted(case).objects == ()


def pod(annotations: Mapping[str, str], **spec: Any) -> dict[str, Any]:
    """A pod of piggy's."""
    container = {"name": "app", "image": "nginx:1", "command": ["/app"], "env": [{"name": "A", "value": "piggy:a"}]}
    named = {"name": "web", "namespace": NAMESPACE}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**named, "annotations": {f"{PIGGY_PREFIX}{key}": value for key, value in annotations.items()}},
        "spec": {"containers": [{**container, **spec}]},
    }


def config_map(name: str = "settings", **data: str) -> dict[str, Any]:
    """A ConfigMap of the same namespace."""
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def convert_these(*objects: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> Conversion:
    """These objects, each a document."""
    documents = [each for one in objects for each in read_documents(write_document(dict(one)), "test")]
    return convert(documents, environ or {}, None)


def told(found: Conversion) -> str:
    """Everything that is said."""
    return "\n".join(f"{each.place}: {each.text}" for one in found.objects for each in one.differences)


@pytest.mark.parametrize("row", PIGGY_ANNOTATIONS, ids=lambda row: row.key)
def test_no_annotation_is_lost_in_silence(row: Any) -> None:
    """Each of piggy's becomes one of ours or part of a reference, or it is told what becomes of it."""
    value = {
        "aws-ssm-parameter-path": "/prod/db",
        "aws-region": "eu-west-1",
        "aws-secret-version": "AWSPREVIOUS",
        "standalone": "true",
        "piggy-ignore-no-env": "true",
        "piggy-initial-delay": "5s",
        "piggy-number-of-retry": "3",
        "piggy-enforce-integrity": "false",
        "piggy-enforce-service-account": "true",
        "debug": "true",
        "piggy-address": "https://x",
        "piggy-env-resource-cpu-request": "50m",
        "piggy-env-resource-cpu-limit": "200m",
        "piggy-env-resource-memory-request": "64Mi",
        "piggy-env-resource-memory-limit": "64Mi",
    }.get(row.key.removeprefix(PIGGY_PREFIX), "x")
    name = row.key.removeprefix(PIGGY_PREFIX)
    plain, written = {"aws-secret-name": "prod/db"}, {"aws-secret-name": "prod/db", name: value}

    before, after = convert_these(pod(plain)), convert_these(pod(written))

    [content] = after.contents
    assert [key for key in content["metadata"]["annotations"] if key.startswith(PIGGY_PREFIX)] == []
    is_silent = name in ("piggy-uid", "piggy-default-secret-name-prefix", "piggy-default-secret-name-suffix")
    assert content != before.contents[0] or row.key in told(after) or name == "aws-secret-name" or is_silent


@pytest.mark.parametrize(
    ("annotations", "environ", "text", "expected"),
    [
        ({"aws-secret-name": "prod/db"}, {}, "piggy:a", "sm://prod/db#a"),
        ({"aws-secret-name": "prod/db", "aws-secret-version": "AWSPREVIOUS"}, {}, "piggy:a", "sm://prod/db?stage=AWSPREVIOUS#a"),
        ({"aws-ssm-parameter-path": "/prod/db/"}, {}, "piggy:a", "ssm-path:///prod/db#a"),
        ({"piggy-address": "https://x"}, {}, "piggy:a", "sm://shop/default#a"),
        ({}, {"AWS_SECRET_NAME": "prod/all"}, "piggy:a", "sm://prod/all#a"),
        ({"aws-secret-name": "prod/db"}, {}, "piggy:a key with #, | and %", "sm://prod/db#a%20key%20with%20%23,%20%7C%20and%20%25"),
        ({"aws-secret-name": "prod/db"}, {}, "piggy:$(STAGE)_a", "sm://prod/db#$(STAGE)_a"),
        ({"aws-secret-name": "prod/db"}, {}, "piggy:$$(STAGE)", "sm://prod/db#%24(STAGE)"),
        ({"aws-secret-name": "prod/db"}, {}, "piggy:piggy:a", "sm://prod/db#piggy:a"),
    ],
)  # fmt: skip
def test_values(annotations: Mapping[str, str], environ: Mapping[str, str], text: str, expected: str) -> None:
    """Name, stage and path move into the reference; what Kubernetes expands is left to it."""
    found = convert_these(pod(annotations, env=[{"name": "A", "value": text}]), environ=environ)

    assert found.contents[0]["spec"]["containers"][0]["env"][0]["value"].replace("%28", "(").replace("%29", ")") == (
        expected
    )


KEYS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\0"), min_size=1)


@given(
    key=KEYS, name=st.sampled_from(["prod/db", "x", "xx0e", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:a"])
)
def test_a_value_means_the_same(key: str, name: str) -> None:
    """Whatever stands behind piggy: is one key of the same secret afterwards."""
    source = PiggySource(secret_name=name)

    written = reference(f"piggy:{key}", source, expands=False)

    ours = parse(written, Syntax(ours=True, arns=False, piggy=None))
    assert ours == parse(f"piggy:{key}", Syntax(ours=False, arns=False, piggy=source))


@given(key=KEYS, before=KEYS)
def test_expansions_stay_where_they_stand(key: str, before: str) -> None:
    """$(NAME) is Kubernetes' to replace, wherever it stands; $$ is a dollar."""
    plain = key.replace("$", "")
    text = f"piggy:{before.replace('$', '')}$(NAME){plain}"

    written = reference(text, SOURCE, expands=True)

    assert written.count("$(NAME)") == 1
    expanded = parse(written.replace("$(NAME)", "value"), Syntax(ours=True, arns=False, piggy=None))
    assert expanded == parse(text.replace("$(NAME)", "value"), Syntax(ours=False, arns=False, piggy=SOURCE))


def test_config_maps_are_converted_with_their_pods() -> None:
    """Their values get the pods' source, those of Secrets too, encoded or not; what is none stays."""
    users = pod(
        {"aws-secret-name": "prod/db"},
        env=[],
        envFrom=[{"configMapRef": {"name": "settings"}}, {"secretRef": {"name": "more"}}],
    )
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "more", "namespace": NAMESPACE},
        "data": {"A": "cGlnZ3k6YQ==", "B": "Yg==", "C": "/w=="},
        "stringData": {"D": "piggy:d"},
    }

    found = convert_these(config_map(A="piggy:a", B="b"), users, secret)

    after_map, after_pod, after_secret = found.contents
    assert after_map["data"] == {"A": "sm://prod/db#a", "B": "b"}
    assert after_secret["data"] == {"A": "c206Ly9wcm9kL2RiI2E=", "B": "Yg==", "C": "/w=="}
    assert after_secret["stringData"] == {"D": "sm://prod/db#d"}
    assert after_pod["metadata"]["annotations"] == {"admission.token-injector/secrets": "true"}


def test_what_nobody_can_rewrite_keeps_its_source() -> None:
    """A Secret that is in no file may say piggy:NAME: the annotation stays, and it is told why."""
    users = pod({"aws-secret-name": "prod/db", "aws-secret-version": "AWSPREVIOUS", "aws-region": "eu-west-1"},
                envFrom=[{"secretRef": {"name": "more"}}])  # fmt: skip

    found = convert_these(users)

    assert found.contents[0]["metadata"]["annotations"] == {
        "admission.token-injector/secrets": "true",
        "admission.token-injector/region": "eu-west-1",
        "piggysec.com/aws-secret-name": "prod/db",
        "piggysec.com/aws-secret-version": "AWSPREVIOUS",
    }
    assert "piggy's annotation stays for Secret more" in told(found)


def test_a_config_map_of_two_sources_stays() -> None:
    """One text cannot mean two secrets: it is left to piggy's grammar, for both pods."""
    used = {"envFrom": [{"configMapRef": {"name": "settings"}}], "env": []}
    one, other = pod({"aws-secret-name": "prod/a"}, **used), pod({"aws-secret-name": "prod/b"}, **used)

    found = convert_these(config_map(A="piggy:a"), one, other)

    assert found.contents[0]["data"] == {"A": "piggy:a"}
    assert [content["metadata"]["annotations"] for content in found.contents[1:]] == [
        {"piggysec.com/aws-secret-name": "prod/a"},
        {"piggysec.com/aws-secret-name": "prod/b"},
    ]
    assert "have no source or different ones" in told(found)


def test_leftovers_are_taken_out() -> None:
    """A manifest copied from a running pod loses everything of piggy's, and its command is its own again."""
    [case] = [each for each in PIGGYS if each.folder.name == "piggy-mutated-before"]

    [after] = converted(case).contents

    text = yaml.safe_dump(after).lower()
    assert "piggy" not in text
    assert after["spec"]["containers"][0]["command"] == ["/app", "serve"]
    assert "args" not in after["spec"]["containers"][0]
    assert "volumes" not in after["spec"]
    assert "initContainers" not in after["spec"]


@pytest.mark.parametrize(
    ("obj", "said"),
    [
        (pod({"aws-secret-name": "a", "standalone": "yes"}), "'yes' is not valid: expected true or false"),
        (pod({"aws-secret-name": "a", "aws-region": "moon"}), "expected an AWS region"),
        (pod({"aws-secret-name": "a"}, env=[{"name": "A", "value": "piggy:a\nb"}]), "no second line"),
        (pod({"aws-secret-name": "a"}, env=[{"name": "A", "value": "piggy:"}]), "expected a key"),
    ],
)
def test_what_has_to_be_mended_first(obj: Mapping[str, Any], said: str) -> None:
    """A word that nobody can mean blocks the conversion, with what was expected."""
    found = convert_these(obj)

    assert found.is_blocked
    assert said in told(found)


def test_a_default_name_needs_a_namespace() -> None:
    """A name that is made of the namespace is not guessed where the manifest does not say it."""
    obj = pod({"piggy-address": "https://x"})
    del obj["metadata"]["namespace"]
    documents = read_documents(write_document(obj), "test")

    assert convert(documents, {}, None).is_blocked
    found = convert(documents, {}, "shop")
    assert found.contents[0]["spec"]["containers"][0]["env"][0]["value"] == "sm://shop/default#a"


def test_our_switch_against_piggys_words() -> None:
    """secrets: "false" would switch the written references off: nobody guesses which one was meant."""
    obj = pod({"aws-secret-name": "a"})
    obj["metadata"]["annotations"]["admission.token-injector/secrets"] = "false"

    assert convert_these(obj).is_blocked


@pytest.mark.parametrize(
    ("obj", "said"),
    [
        (pod({"aws-secret-name": "a"}, env=[{"name": "T", "value": "Piggy: a story"}]), "in capitals"),
        (pod({"aws-secret-name": "a"}, env=[{"name": "T", "value": "sm://b#c"}]), "a reference here"),
        (pod({"aws-secret-name": "a"}, env=[{"name": "T", "value": "ddb://"}]), "looks like a reference of ours"),
        (pod({"aws-secret-name": "a", "standalone": "true"}), "has to name its role with amazonaws.com/role-arn"),
        (pod({"aws-secret-name": "a", "standalone": "true"}, env=[{"name": "AWS_ROLE_ARN"}]), "own AWS_ROLE_ARN reads"),
        (pod({"aws-secret-name": "a"}), "piggy asks nobody"),
        (pod({"debug": "true"}), "nothing names a secret or a path"),
        (pod({"aws-secret-name": "a", "nonsense": "1"}), "is none of piggy's"),
        (pod({"aws-secret-nam": "a"}), "did you mean piggysec.com/aws-secret-name?"),
        (pod({"aws-secret-name": "a", "standalone": "true", "aws-secret-version": "x"}), "in proxy mode only"),
        (pod({"aws-secret-name": "a", "piggy-number-of-retry": "many"}), "is not valid and ignored, as piggy does"),
        (
            {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "x"},
             "spec": {"template": {"metadata": {"annotations": {"piggysec.com/aws-secret-name": "a"}}}}},
            "its kind is not known here",
        ),
    ],
)  # fmt: skip
def test_what_differs_is_told(obj: Mapping[str, Any], said: str) -> None:
    """With what to do, and never with a value."""
    found = convert_these(obj)

    assert not found.is_blocked
    assert said in told(found)
    assert "a story" not in told(found)


VERSIONED = [{"name": "A", "value": "piggy:a"}, {"name": "PIGGY_AWS_SECRET_VERSION", "value": "AWSPREVIOUS"}]
UNKNOWN_VERSION = [VERSIONED[0], {"name": "PIGGY_AWS_SECRET_VERSION", "valueFrom": {}}]


@pytest.mark.parametrize(
    ("annotations", "written", "said"),
    [
        ({"standalone": "true"}, "sm://a?stage=AWSPREVIOUS#a", "the references name its version now; it is taken out"),
        ({"piggy-address": "https://x"}, "sm://a#a", "piggy does not look at it in this pod, nor does anybody here"),
    ],
)
def test_the_version_that_a_variable_names(annotations: dict[str, str], written: str, said: str) -> None:
    """Where piggy's program looks at it, the references have it; nobody says that piggy's webhook wrote it."""
    found = convert_these(pod({"aws-secret-name": "a", **annotations}, env=VERSIONED))

    assert found.contents[0]["spec"]["containers"][0]["env"] == [{"name": "A", "value": written}]
    assert said in told(found)
    assert "piggy's webhook put it in" not in told(found)


def test_the_version_of_a_variable_stays_for_what_is_elsewhere() -> None:
    """The annotation of piggy's for a Secret that is in no file has it."""
    env_from = [{"secretRef": {"name": "more"}}]

    found = convert_these(pod({"aws-secret-name": "a", "standalone": "true"}, env=VERSIONED, envFrom=env_from))

    assert found.contents[0]["metadata"]["annotations"]["piggysec.com/aws-secret-version"] == "AWSPREVIOUS"


def test_a_version_that_nobody_knows_blocks() -> None:
    """Nothing is converted to another version quietly."""
    found = convert_these(pod({"aws-secret-name": "a", "standalone": "true"}, env=UNKNOWN_VERSION))

    assert found.is_blocked
    assert "write the annotation piggysec.com/aws-secret-version instead: correct it" in told(found)


def test_what_piggys_program_alone_reads_is_taken_out() -> None:
    """Nobody here knows who wrote it."""
    found = convert_these(pod({"aws-secret-name": "a"}, env=[{"name": "PIGGY_DEBUG", "value": "true"}]))

    assert "taken out, as piggy's webhook put it in or piggy's program alone reads it: variable PIGGY_DEBUG" in told(
        found
    )


def test_a_region_is_the_applications_too_under_the_label() -> None:
    """Ours has a second effect where the pod carries our label: told."""
    obj = pod({"aws-secret-name": "a", "aws-region": "eu-west-1"})
    obj["metadata"]["labels"] = {"admission.token-injector/enabled": "true"}

    assert "is the application's region too" in told(convert_these(obj))


def test_a_larger_memory_limit_is_kept() -> None:
    """Only one that is too small for what is injected here is taken out."""
    small, large = (
        convert_these(pod({"aws-secret-name": "a", "piggy-env-resource-memory-limit": limit}))
        for limit in ("64Mi", "256Mi")
    )

    assert "admission.token-injector/memory-limit" not in small.contents[0]["metadata"]["annotations"]
    assert large.contents[0]["metadata"]["annotations"]["admission.token-injector/memory-limit"] == "256Mi"


def test_the_conversion_is_the_documents_own() -> None:
    """What nobody changed is the same object, so that its text stays."""
    documents = read_documents(write_document(config_map(A="a")), "test")

    found = convert(documents, {}, None)

    assert found.contents[0] is documents[0].content
    assert replace(found, contents=[]) == Conversion(contents=[], objects=())
