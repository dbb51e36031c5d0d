"""`check`: the webhook's decision, and what no review can see."""

import json
from typing import Any

import pytest
import yaml

from ctl.manifest import write_document
from tests.ctl.commands import Finished, run
from tests.ctl.test_inject import ACCOUNT, LABEL, manifest
from tests.webhook.cases import GoldenCase, golden_cases

SECRETS = "admission.token-injector/secrets"
FLOOR = "--kubelet-version-floor=1.35"


def pod(env: Any = None, annotations: Any = None, **container: Any) -> Any:
    """A pod that asks for secrets."""
    one = {"name": "app", "image": "nginx:1", "env": env or [], **container}
    return {
        "metadata": {"annotations": {SECRETS: "true"} if annotations is None else annotations},
        "spec": {"serviceAccountName": "web", "containers": [one]},
    }


def variable(text: str, name: str = "A") -> dict[str, str]:
    """An entry of env."""
    return {"name": name, "value": text}


def check(*objects: Any, flags: tuple[str, ...] = ()) -> Finished:
    """Check these objects, and the service account, from standard input."""
    return run("check", "-f", "-", *flags, stdin="---\n".join(write_document(one) for one in (ACCOUNT, *objects)))


def test_a_good_pod() -> None:
    """Exit code 0, and one line that says how its secrets reach it."""
    finished = check(manifest("Deployment", pod([variable("sm://db#a")])), flags=(FLOOR,))

    assert finished.code == 0
    assert finished.out == "Deployment/shop/web: ok: app: 1 reference by envfile\n"
    assert finished.err == "1 object with pods: 0 errors, 0 warnings, 0 notes; for kubelets of 1.35 or newer\n"
    assert check(manifest("Deployment", pod([]))).err.endswith("for kubelets of 1.33 or newer\n")


@pytest.mark.parametrize(
    ("template", "flags", "said"),
    [
        (pod([variable("sm://db#a|nope")]), (), "the reference is malformed: character 11: expected a filter"),
        (
            pod([variable("sm://db#a")], {SECRETS: "true", "admission.token-injector/secret-delivery": "envfile"}),
            ("--kubelet-version-floor=1.34",),
            "'envfile' needs kubelets of 1.35 or newer, and this cluster may have kubelets of 1.34",
        ),
        (
            pod([variable("sm://db#a")], {SECRETS: "true", "admission.token-injector/secret-rotation": "file"}),
            (FLOOR, "--refresher=sidecar"),
            "'file' needs a native sidecar that stays with the application",
        ),
        (
            pod([variable("sm://db#a")], {SECRETS: "true", "admission.token-injector/secret-identity": "broker"}),
            (FLOOR,),
            "a broker shall read the secrets, and the webhook knows none",
        ),
        (pod([variable(f"sm://{'x' * 99_999}"), variable(f"sm://{'y' * 60_000}", "B")]), (FLOOR,), "and Linux takes"),
        (
            pod([variable("sm://db#a")], {SECRETS: "true", "other": "x" * 270_000}),
            (FLOOR,),
            "its annotations have 270041 bytes, and Kubernetes takes 262144",
        ),
    ],
)  # fmt: skip
def test_errors(template: Any, flags: tuple[str, ...], said: str) -> None:
    """Exit code 1, and the webhook's own words where it would deny."""
    finished = check(manifest("Deployment", template), flags=flags)

    assert finished.code == 1
    assert finished.out.startswith("Deployment/shop/web: error: ")
    assert said in finished.out


def comparable(case: GoldenCase) -> bool:
    """Whether flags say all that the case needs, and an image, which this command has in any case."""
    inputs = {each.name for each in case.folder.iterdir()}
    if case.old is not None or inputs & {"environ.yaml", "role-policy.yaml", "images.yaml", "config-maps.yaml"}:
        return False
    is_offline = "denied.txt" in inputs and "not looked up offline" in (case.folder / "denied.txt").read_text()
    return not is_offline and given(case).get("image") != ""


def given(case: GoldenCase) -> dict[str, Any]:
    """The case's settings."""
    path = case.folder / "settings.yaml"
    return dict(yaml.safe_load(path.read_text())) if path.exists() else {}


@pytest.mark.parametrize(
    "case", [pytest.param(each, id=each.folder.name) for each in golden_cases() if comparable(each)]
)
def test_the_verdict_is_the_webhooks(case: GoldenCase) -> None:
    """A golden pod is denied here if and only if it is denied there, in the same words."""
    pod = {"apiVersion": "v1", "kind": "Pod", **case.pod}
    account = {"kind": "ServiceAccount", "apiVersion": "v1", **case.account}
    account["metadata"] = {**(account.get("metadata") or {}), "name": _account_name(pod), "namespace": "shop"}
    settings = {flag: value if isinstance(value, list) else [value] for flag, value in given(case).items()}
    flags = [f"--{flag}={item}" for flag, values in settings.items() for item in values]
    stream = f"{write_document(account)}---\n{write_document(pod)}"

    finished = run("check", "-f", "-", "-n", "shop", *flags, "-o", "json", stdin=stream)

    [entry] = json.loads(finished.out)["objects"]
    denied = case.folder / "denied.txt"
    expected = denied.read_text().strip() if denied.exists() else None
    assert (entry["outcome"] == "denied") is (expected is not None), finished.err
    if expected:
        assert entry["findings"][0] == {"severity": "error", "text": expected}


def _account_name(pod: Any) -> str:
    spec = pod["spec"]
    return str(spec.get("serviceAccountName") or spec.get("serviceAccount") or "default")


def test_an_unknown_entrypoint_is_a_warning() -> None:
    """The pod is let in if the registry answers: which one is asked is said, and what makes the answer known."""
    finished = check(manifest("Deployment", pod([variable("sm://db#a")])), flags=("--kubelet-version-floor=1.34",))

    assert finished.code == 0
    assert (
        "Deployment/shop/web: warning: container app has no command, and what nginx:1 starts is not looked up offline: "
        "the webhook asks its registry, and denies the pod where that does not tell; kubectl token-injector entrypoint "
        "nginx:1 --container app prints the annotation that says it\n"
    ) in finished.out
    strict = ("--kubelet-version-floor=1.34", "--strict")
    assert check(manifest("Deployment", pod([variable("sm://db#a")])), flags=strict).code == 1
    known = check(manifest("Deployment", pod([variable("sm://db#a")], command=["/app"])), flags=strict)
    assert known.code == 0
    assert "warning" not in known.out


def test_all_errors_of_a_pod() -> None:
    """Each variable and each container by itself, in both forms; the webhook says the first."""
    annotations = {SECRETS: "true", "admission.token-injector/secret-file.tls": "plain"}
    template = pod([variable("sm://"), variable("ssm-path://x", "B"), variable("sm://db#a", "C")], annotations)
    template["spec"]["containers"].append({"name": "other", "image": "nginx:1", "env": [variable("ddb://x")]})
    said = [
        "'app', variable A: the",
        "'app', variable B: the",
        "'other', variable A: the",
        "secret-file.tls: it refers",
    ]

    finished = check(manifest("Deployment", template), flags=(FLOOR,))
    found = json.loads(check(manifest("Deployment", template), flags=(FLOOR, "-o", "json")).out)

    assert len(finished.out.splitlines()) == len(said)
    for line, words in zip(finished.out.splitlines(), said, strict=True):
        assert line.startswith("Deployment/shop/web: error: ")
        assert words in line
    assert [each["severity"] for each in found["objects"][0]["findings"]] == ["error"] * len(said)
    assert found["errors"] == len(said)


def test_all_that_a_command_must_not_have() -> None:
    """The launcher's containers one by one, and who reads."""
    annotations = {SECRETS: "true", "admission.token-injector/secret-identity": "broker"}
    template = pod([variable("sm://db#a")], annotations, command=["/app", "$(A)"])
    template["spec"]["containers"].append({**template["spec"]["containers"][0], "name": "other"})

    lines = check(manifest("Deployment", template), flags=("--kubelet-version-floor=1.34",)).out.splitlines()

    assert len(lines) == 3
    assert "a broker shall read the secrets" in lines[0]
    assert ["container 'app': command contains $(A)" in lines[1], "'other': command" in lines[2]] == [True, True]


def test_rotation_of_no_file() -> None:
    """Where only files are renewed and there is none, nothing would ever change: a warning."""
    annotations = {SECRETS: "true", "admission.token-injector/secret-rotation": "file"}
    with_file = {**annotations, "admission.token-injector/secret-file.a": "sm://db"}

    finished = check(manifest("Deployment", pod([variable("sm://db#a")], annotations)), flags=(FLOOR,))

    assert "warning: pod shop/web-, annotation admission.token-injector/secret-rotation: 'file' renews" in finished.out
    assert "warning" not in check(manifest("Deployment", pod(annotations=with_file)), flags=(FLOOR,)).out


def test_a_grant_that_nobody_knows_here() -> None:
    """Without a role the broker's shared one reads, where a grant allows it: only the broker knows its grants."""
    annotations = {SECRETS: "true", "admission.token-injector/secret-identity": "broker"}
    template = pod([variable("sm://db#a")], annotations)
    flags = (FLOOR, "--broker-address=https://broker.webhook.svc", "--region=eu-west-1")
    without_role = write_document({**ACCOUNT, "metadata": {"name": "web", "namespace": "shop"}})
    stdin = f"{without_role}---\n{write_document(manifest('Deployment', template))}"

    finished = run("check", "-f", "-", *flags, stdin=stdin)

    assert (
        "note: the broker reads with its shared role, as service account shop/web has none: whether a" in finished.out
    )
    assert "note" not in check(manifest("Deployment", template), flags=flags).out


def test_slips_of_references() -> None:
    """As the webhook: what was surely meant as a reference."""
    finished = check(manifest("Deployment", pod([variable("SM://db#a")])), flags=(FLOOR, "--strict"))

    assert finished.code == 1
    assert "warning: container app: variable A begins with SM://, which is no reference" in finished.out


def test_config_maps_that_no_file_has() -> None:
    """What they hold is not known here, so that the launcher would have to look: a note; with the file it is known."""
    template = pod(envFrom=[{"configMapRef": {"name": "settings"}}], command=["/app"])
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "shop"}}

    unknown = check(manifest("Deployment", template), flags=(FLOOR,))
    known = check({**config_map, "data": {"A": "sm://db#a"}}, manifest("Deployment", template), flags=(FLOOR,))

    assert "note: ConfigMap shop/settings is in none of the files" in unknown.out
    assert "note: container app has variables that nobody knows before it runs" in unknown.out
    assert known.out == "Deployment/shop/web: ok: app: 1 reference by envfile\n"


@pytest.mark.parametrize("field", ["data", "stringData"])
def test_references_in_secrets(field: str) -> None:
    """The webhook reads no Secret; here a malformed reference in one is found, and no value is shown."""
    template = pod(envFrom=[{"secretRef": {"name": "more"}}], command=["/app"])
    value = "c206Ly9kYiNodW50ZXIyfG5v" if field == "data" else "sm://db#hunter2|no"
    secret = {
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "more", "namespace": "shop"},
        field: {"B": value, **({"C": "/w=="} if field == "data" else {})},
    }  # fmt: skip

    finished = check(secret, manifest("Deployment", template))

    assert finished.code == 1
    assert "error: Secret more, key B: the reference is malformed: character 17: expected a filter" in finished.out
    assert "hunter2" not in finished.out + finished.err


@pytest.mark.parametrize("text", ["sm://db#a", "piggy:a", "postgres://${sm://db#user}@db", "ddb://"])
def test_references_in_a_pod_that_asks_for_none(text: str) -> None:
    """The webhook never sees such a pod, and the application would start with the text: a warning."""
    finished = check(manifest("Deployment", pod([variable(text)], annotations={})))

    assert finished.code == 0
    assert "warning: container app, variable A: it looks like a reference, and the pod asks for none" in finished.out
    assert check(manifest("Deployment", pod([variable("https://x")], annotations={}))).out == (
        "Deployment/shop/web: left as it is\n"
    )


@pytest.mark.parametrize(
    "annotations", [{"standalone": "true"}, {"aws-secret-nam": "shop/db"}, {"aws-secret-name": ""}], ids=str
)
def test_words_of_piggys_without_a_source(annotations: dict[str, str]) -> None:
    """Each text is told once, and a mistyped key; only what admission says where it is switched off by hand."""
    written = {f"piggysec.com/{key}": value for key, value in annotations.items()}
    container = {"envFrom": [{"configMapRef": {"name": "settings"}}]}
    template = pod([variable("piggy:a"), variable("sm://db#b", "B")], written, **container)
    objects = (held("ConfigMap", "settings", C="piggy:c"), manifest("Deployment", template))

    lines = check(*objects).out.splitlines()

    said = [
        *(["did you mean piggysec.com/aws-secret-name?"] if "aws-secret-nam" in annotations else []),
        "container app: variable A begins with piggy: and stays so",
        "container app, variable B: it looks like a reference, and the pod asks for none",
        "container app, ConfigMap settings, key C: it looks like a reference, and the pod asks for none",
        "left as it is",
    ]
    assert len(lines) == len(said)
    assert [words in line for line, words in zip(lines, said, strict=True)] == [True] * len(said)
    template["metadata"]["annotations"] |= {SECRETS: "false"}
    assert "looks like a reference" not in check(*objects).out


def held(kind: str, name: str, **texts: str) -> Any:
    """A ConfigMap or a Secret of the pod's namespace."""
    field = "data" if kind == "ConfigMap" else "stringData"
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "shop"}, field: texts}


FROM_OBJECTS: Any = {
    "env": [{"name": "B", "valueFrom": {"secretKeyRef": {"name": "more", "key": "b"}}}],
    "envFrom": [{"configMapRef": {"name": "settings"}}],
}
OBJECTS = (
    held("ConfigMap", "settings", A="sm://hunter2#a", LEVEL="info"),
    held("Secret", "more", b="postgres://${sm://hunter2#b}@db", other="sm://hunter2#b"),
)


def labelled(annotations: Any = None) -> Any:
    """A pod with our label and variables from a ConfigMap and a Secret."""
    template = pod(annotations=annotations or {}, command=["/app"], **FROM_OBJECTS)
    template["metadata"]["labels"] = {"admission.token-injector/enabled": "true"}
    return manifest("Deployment", template)


def test_references_of_objects_by_the_label_alone() -> None:
    """Nobody looks into them then: a warning for each key that is taken, and no error for a malformed one."""
    finished = check(*OBJECTS, labelled(), flags=(FLOOR, "--strict"))

    warnings = [line for line in finished.out.splitlines() if "warning" in line]
    assert finished.code == 1
    assert [
        line.partition(": it looks like a reference, and by the label alone nobody looks into")[0] for line in warnings
    ] == [
        "Deployment/shop/web: warning: container app, ConfigMap settings, key A",
        "Deployment/shop/web: warning: container app, Secret more, key b",
    ]
    assert "hunter2" not in finished.out + finished.err
    assert "error" not in check(held("Secret", "more", b="sm://"), labelled(), flags=(FLOOR,)).out


def test_references_of_objects_that_are_looked_into() -> None:
    """The annotation, and a source of piggy's on the pod or of the webhook: with the label as without it."""
    of_pod, of_webhook = {"piggysec.com/aws-secret-name": "prod/db"}, (FLOOR, "--piggy-env=AWS_SECRET_NAME=prod/db")
    piggy = (held("ConfigMap", "settings", A="piggy:a"), held("Secret", "more", b="piggy:b"))

    finished = [
        check(*OBJECTS, labelled({SECRETS: "true"}), flags=(FLOOR,)),
        check(*piggy, labelled(of_pod), flags=(FLOOR,)),
        check(*piggy, labelled(), flags=of_webhook),
    ]

    assert [("looks like" in one.out, "app: 1 reference by socket" in one.out) for one in finished] == [
        (False, True)
    ] * 3


def test_references_of_objects_in_a_pod_that_asks_for_none() -> None:
    """As those of its own variables."""
    finished = check(*OBJECTS, manifest("Deployment", pod(annotations={}, **FROM_OBJECTS)))

    assert (
        "warning: container app, ConfigMap settings, key A: it looks like a reference, and the pod asks" in finished.out
    )
    assert "warning: container app, Secret more, key b: it looks like a reference, and the pod asks" in finished.out


def test_strict() -> None:
    """With --strict a warning fails the check too."""
    bad = manifest("Deployment", pod([variable("piggy:a")], annotations={}))

    assert [check(bad, flags=flags).code for flags in ((), ("--strict",))] == [0, 1]


def test_json() -> None:
    """For programs: every object with its outcome, its findings, and how many there are."""
    good = manifest("Pod", pod([variable("sm://db#a")]), name="good")
    bad = manifest("Pod", pod([variable("sm://")]), name="bad")
    plain = manifest("Pod", pod(annotations={}), name="plain")
    federated = manifest("Pod", name="federated")

    finished = check(good, bad, plain, federated, flags=(FLOOR, "-o", "json"))

    found = json.loads(finished.out)
    assert [(one["name"], one["outcome"], one["reason"]) for one in found["objects"]] == [
        ("good", "injected", ""),
        ("bad", "denied", "bad_reference"),
        ("plain", "unchanged", "no_label"),
        ("federated", "injected", ""),
    ]
    assert [each["severity"] for each in found["objects"][1]["findings"]] == ["error"]
    assert (found["errors"], found["warnings"], found["notes"]) == (1, 0, 0)
    assert finished.err == ""


def test_a_federated_pod_is_checked_too() -> None:
    """The label alone: the role is named."""
    assert check(manifest("Pod")).out == "Pod/shop/web: ok: web identity of arn:aws:iam::123456789012:role/web\n"
    assert LABEL in manifest("Pod")["metadata"]["labels"]


@pytest.mark.parametrize("command", [("check",), ("explain",), ("inject",), ("check", "-o", "json")])
def test_settings_are_given_and_not_read(command: tuple[str, ...]) -> None:
    """Who is denied for lack of a broker that the webhook knows is told how to say so; with it nobody is."""
    asked = {SECRETS: "true", "admission.token-injector/secret-identity": "broker"}
    stdin = f"{write_document(ACCOUNT)}---\n{write_document(manifest('Pod', pod([variable('sm://db#a')], asked)))}"
    flags = (*command, "-f", "-", FLOOR, "--region=eu-west-1")

    without = run(*flags, stdin=stdin)
    with_broker = run(*flags, "--broker-address=https://broker.webhook.svc", stdin=stdin)

    assert without.code == 1
    assert "hint: the webhook's flags are not read from a cluster" in without.err
    assert "--broker-address" in without.err
    assert (with_broker.code, "hint" in with_broker.err) == (0, False)


@pytest.mark.parametrize("command", ["check", "explain", "inject"])
def test_help_says_that_no_cluster_is_asked_for_settings(command: str) -> None:
    """With --live neither; the two that decide about piggy's pods are named."""
    said = run(command, "--help").out

    assert "never read from a cluster" in said
    assert "--broker-address for pods" in said
