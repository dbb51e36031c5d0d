"""`inject`: kinds, warnings, denials, settings."""

import json
from pathlib import Path
from typing import Any

import jsonpatch
import pytest
import yaml

from ctl.manifest import write_document
from tests.ctl.commands import Finished, run
from webhook.mutate import mutate
from webhook.settings import parse_settings

IMAGE = "registry.example/token-injector:1.0"
LABEL = "admission.token-injector/enabled"
ROLE = "arn:aws:iam::123456789012:role/web"
ACCOUNT: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "ServiceAccount",
    "metadata": {
        "name": "web",
        "namespace": "shop",
        "annotations": {"amazonaws.com/role-arn": ROLE, "admission.token-injector/region": "eu-west-1"},
    },
}
PLACES = {
    "Pod": ("v1", ()),
    "ReplicationController": ("v1", ("spec", "template")),
    "PodTemplate": ("v1", ("template",)),
    "Deployment": ("apps/v1", ("spec", "template")),
    "ReplicaSet": ("apps/v1", ("spec", "template")),
    "StatefulSet": ("apps/v1", ("spec", "template")),
    "DaemonSet": ("apps/v1", ("spec", "template")),
    "Job": ("batch/v1", ("spec", "template")),
    "CronJob": ("batch/v1", ("spec", "jobTemplate", "spec", "template")),
}


def pod(**spec: Any) -> dict[str, Any]:
    """A labelled pod, or a template."""
    container = {"name": "app", "image": "nginx:1", "env": [{"name": "A", "value": "1e3"}]}
    return {
        "metadata": {"labels": {LABEL: "true"}},
        "spec": {"serviceAccountName": "web", "containers": [container], **spec},
    }


def manifest(kind: str, template: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    """An object of this kind around a pod."""
    version, place = PLACES[kind]
    inner = template or pod(**({"restartPolicy": "Never"} if kind.endswith("Job") else {}))
    named = {"name": "web", "namespace": "shop", **metadata}
    if not place:
        inner = {**inner, "metadata": {**named, **inner["metadata"]}}
        return {"apiVersion": version, "kind": kind, **inner}
    for segment in reversed(place):
        inner = {segment: inner}
    return {"apiVersion": version, "kind": kind, "metadata": named, **inner}


def pod_of(obj: dict[str, Any]) -> Any:
    """The pod in an object."""
    found: Any = obj
    for segment in PLACES[obj["kind"]][1]:
        found = found[segment]
    return found


def inject(*objects: Any, flags: tuple[str, ...] = (), image: str | None = IMAGE, account: bool = True) -> Finished:
    """Inject these objects, and the service account, from standard input."""
    text = stream(*([ACCOUNT] if account else []), *objects)
    return run("inject", "-f", "-", *([f"--image={image}"] if image else []), *flags, stdin=text)


def stream(*objects: Any) -> str:
    """The objects as Kubernetes reads them: PyYAML's own writer leaves the text 1e3 without quotes, a number there."""
    return "---\n".join(write_document(one) for one in objects)


def read(finished: Finished) -> list[dict[str, Any]]:
    """The objects on standard output, without the service account."""
    return [one for one in yaml.safe_load_all(finished.out) if one and one["kind"] != "ServiceAccount"]


@pytest.mark.parametrize("kind", PLACES)
def test_every_kind_gets_what_the_webhook_gives_its_pods(kind: str) -> None:
    """The pod in each workload is the one that `mutate` makes; everything around it stays."""
    before = manifest(kind)
    settings = parse_settings({"image": [IMAGE]}, {})[0]
    mutation = mutate(pod_of(before), "shop", ACCOUNT["metadata"]["annotations"], settings, seed=f"shop/{kind}/web")
    expected = jsonpatch.apply_patch(pod_of(before), mutation.patch)

    finished = inject(before)

    (after,) = read(finished)
    assert (finished.code, finished.err) == (0, "")
    assert pod_of(after) == expected
    assert [one["name"] for one in pod_of(after)["spec"]["initContainers"]] == ["update-gcp-id-token"]
    pod_of(after).update(pod_of(before))
    assert after == before


@pytest.mark.parametrize("kind", PLACES)
def test_patches_apply_to_the_objects(kind: str) -> None:
    """`-o patch` is JSON Patch on the object, which gives what `-o yaml` gives."""
    before = manifest(kind)

    (entry,) = json.loads(inject(before, flags=("-o", "patch")).out)

    assert (entry["kind"], entry["namespace"], entry["name"]) == (kind, "shop", "web")
    assert jsonpatch.apply_patch(before, entry["patch"]) == read(inject(before))[0]


def test_lists_are_taken_apart() -> None:
    """A List's items are mutated where they stand, those of nested and typed lists too."""
    untyped = {key: value for key, value in manifest("Pod").items() if key not in {"apiVersion", "kind"}}
    pods = {"apiVersion": "v1", "kind": "PodList", "items": [untyped]}
    everything = {"apiVersion": "v1", "kind": "List", "items": [ACCOUNT, manifest("Deployment"), pods]}

    finished = inject(everything, account=False)

    (after,) = read(finished)
    assert finished.code == 0
    assert after["items"][0] == ACCOUNT
    assert "initContainers" in after["items"][1]["spec"]["template"]["spec"]
    assert "initContainers" in after["items"][2]["items"][0]["spec"]
    patches = json.loads(inject(everything, account=False, flags=("-o", "patch")).out)
    assert [entry["kind"] for entry in patches] == ["Deployment", "Pod"]
    assert all(operation["path"].startswith("/spec/") for entry in patches for operation in entry["patch"])


def test_other_kinds_pass_through() -> None:
    """Neither another group's Job, nor a fragment without a template, nor a custom object is touched."""
    others = [
        {"apiVersion": "batch.volcano.sh/v1alpha1", "kind": "Job", "spec": {"template": pod()}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "patch"}, "spec": {"replicas": 2}},
        {"apiVersion": "v1", "kind": "ConfigMap", "data": {1: "a", "y": "z"}},
        manifest("Deployment", {"metadata": None, "spec": None}),
        manifest("Pod", {"metadata": {}, "spec": {"containers": [{"name": "app"}]}}),
    ]

    finished = inject(*others)

    assert finished.code == 0
    assert read(finished) == others
    assert finished.err.startswith(
        "nothing was injected: no pod here carries the label admission.token-injector/enabled"
    )


def test_who_opts_out_is_left_alone_in_silence() -> None:
    """A label of false is an answer: nothing is injected, and nothing is said."""
    template = {**pod(), "metadata": {"labels": {LABEL: "false"}}}

    finished = inject(manifest("Deployment", template))

    assert (finished.code, finished.err) == (0, "")
    assert read(finished) == [manifest("Deployment", template)]


def test_untouched_documents_keep_comments_and_quotes() -> None:
    """Only the injected document is written anew."""
    config = "# keep\nkind: ConfigMap # me\ndata: {a: 'b'}\n---\n"

    finished = run("inject", "-f", "-", "--image=i", stdin=config + stream(ACCOUNT, manifest("Pod")))

    assert finished.out.startswith(config)


def test_files_and_accounts_files(tmp_path: Path) -> None:
    """Manifests and accounts may come in several files; `--namespace` is for what names none."""
    (tmp_path / "pod.yaml").write_text(write_document(manifest("Pod", namespace=None)))
    (tmp_path / "job.json").write_text(json.dumps(manifest("Job", namespace=None), indent="\t"))
    (tmp_path / "accounts.yaml").write_text(yaml.safe_dump(ACCOUNT))
    files = [part for name in ("pod.yaml", "job.json") for part in ("-f", str(tmp_path / name))]

    finished = run("inject", *files, f"--service-accounts={tmp_path / 'accounts.yaml'}", "-n", "shop", "--image=i")

    assert finished.code == 0
    assert [one["kind"] for one in yaml.safe_load_all(finished.out)] == ["Pod", "Job"]
    assert finished.out.count("update-gcp-id-token") == 2
    unknown = run("inject", *files, f"--service-accounts={tmp_path / 'accounts.yaml'}", "--image=i")
    assert "update-gcp-id-token" not in unknown.out
    assert (
        "Pod/default/web: warning: service account default/web is in none of the files: give it with --service-accounts"
    ) in unknown.err


def test_renderings_are_stable() -> None:
    """The same manifest gives the same text each time, and a rendered one is left as it is."""
    flags = ("--region=eu-west-1",)
    once, again = inject(manifest("Deployment"), flags=flags), inject(manifest("Deployment"), flags=flags)

    twice = run("inject", "-f", "-", f"--image={IMAGE}", *flags, stdin=once.out)

    assert once == again
    assert twice == once
    other = inject(manifest("Deployment", name="other"), flags=flags)
    assert session_name(read(once)[0]) != session_name(read(other)[0])


def session_name(obj: dict[str, Any]) -> str:
    """What the first container's session name is."""
    env = pod_of(obj)["spec"]["containers"][0]["env"]
    return str(next(entry["value"] for entry in env if entry["name"] == "AWS_ROLE_SESSION_NAME"))


@pytest.mark.parametrize(
    ("obj", "place"),
    [
        (manifest("Deployment", {"metadata": {}, "spec": pod()["spec"]}, labels={LABEL: "true"}), "metadata"),
        (
            {
                "apiVersion": "batch/v1",
                "kind": "CronJob",
                "metadata": {"name": "web", "namespace": "shop"},
                "spec": {
                    "jobTemplate": {
                        "metadata": {"labels": {LABEL: True}},
                        "spec": {"template": {"spec": pod()["spec"]}},
                    }
                },
            },
            "spec.jobTemplate.metadata",
        ),
    ],
    ids=["Deployment", "CronJob"],
)
def test_a_label_on_the_workload_is_the_most_common_mistake(obj: dict[str, Any], place: str) -> None:
    """A label that does nothing is said with its place and the right one; nothing is injected."""
    finished = inject(obj)

    right = ".".join((*PLACES[obj["kind"]][1], "metadata.labels"))
    assert finished.code == 0
    assert read(finished) == [obj]
    assert finished.err == (
        f"{obj['kind']}/shop/web: warning: the label {LABEL} stands on the {obj['kind']} itself ({place}.labels), "
        f"where it does nothing: the webhook sees pods only; move it to {right}\n"
    )


def test_a_label_on_both_is_fine() -> None:
    """The workload may carry the label for its own reasons, and false there asks for nothing."""
    assert inject(manifest("Deployment", labels={LABEL: "true"})).err == ""
    unlabelled = {"metadata": {}, "spec": pod()["spec"]}
    assert "stands on" not in inject(manifest("Deployment", unlabelled, labels={LABEL: "false"})).err


def test_an_annotation_on_the_workload_does_nothing_either() -> None:
    """Annotations are read on the pod and the service account."""
    finished = inject(manifest("Deployment", annotations={"admission.token-injector/mode": "cluster", "other": "x"}))

    assert finished.err == (
        "Deployment/shop/web: warning: the annotation admission.token-injector/mode stands on the Deployment itself "
        "(metadata.annotations), where it does nothing: move it to spec.template.metadata.annotations or to the "
        "service account\n"
    )


def piggy_pod(**annotations: str) -> dict[str, Any]:
    """A pod of piggy's, without our label."""
    template = pod()
    template["metadata"] = {
        "annotations": {"piggysec.com/aws-secret-name": "prod/db"}
        | {f"piggysec.com/{name.replace('_', '-')}": value for name, value in annotations.items()}
    }
    template["spec"]["containers"][0]["env"] = [{"name": "A", "value": "piggy:a"}]
    return template


def test_piggys_annotations_on_the_workload_do_nothing_either() -> None:
    """As with ours: the webhook sees pods only."""
    finished = inject(manifest("Deployment", annotations={"piggysec.com/aws-secret-name": "prod/db"}))

    assert "the annotation piggysec.com/aws-secret-name stands on the Deployment itself" in finished.err


def test_a_piggy_pod_needs_no_label() -> None:
    """The webhook sees it by its annotations, and so does this."""
    finished = inject(manifest("Deployment", piggy_pod()), flags=("--kubelet-version-floor=1.35",))

    [deployment] = read(finished)
    spec = pod_of(deployment)["spec"]
    assert spec["containers"][0]["env"][0]["valueFrom"]["fileKeyRef"]["key"] == "A"
    assert spec["initContainers"][0]["name"] == "update-gcp-id-token"


def test_an_entrypoint_is_not_looked_up() -> None:
    """Offline nobody asks a registry: the denial says so, and what to write down."""
    finished = inject(manifest("Deployment", piggy_pod()), flags=("--kubelet-version-floor=1.34",))

    assert finished.code == 1
    assert "it is not looked up offline" in finished.err
    assert "admission.token-injector/entrypoint.app" in finished.err


def test_config_maps_among_the_manifests_are_read() -> None:
    """The reference in one becomes a variable of its own; a ConfigMap that no file has is not taken for empty."""
    template = piggy_pod()
    container = template["spec"]["containers"][0]
    container["env"], container["envFrom"] = [], [{"configMapRef": {"name": "settings"}}]
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings", "namespace": "shop"},
        "data": {"B": "piggy:b", "C": "plain"},
    }
    floor = ("--kubelet-version-floor=1.35",)

    found = inject(config_map, manifest("Deployment", template), flags=floor)
    unknown = inject(manifest("Deployment", template), flags=floor)

    [_, deployment] = read(found)
    assert [entry["name"] for entry in pod_of(deployment)["spec"]["containers"][0]["env"]] == ["B"]
    assert "it is not looked up offline" in unknown.err  # so it would be the launcher's


def test_the_brokers_ca_is_not_known_here(tmp_path: Path) -> None:
    """A plan without it is no plan to apply: a warning, unless the file is given."""
    ca = tmp_path / "ca.crt"
    ca.write_text("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
    wanted = manifest("Deployment", piggy_pod(piggy_address="https://x"))
    flags = ("--kubelet-version-floor=1.35", "--broker-address=https://broker.webhook.svc")

    warned = inject(wanted, flags=flags)
    silent = inject(wanted, flags=(*flags, f"--broker-ca-file={ca}"))

    assert "the CA of the broker's certificate is not known here: give it with --broker-ca-file" in warned.err
    assert "broker's certificate" not in silent.err
    assert "MIIB" in silent.out


def test_a_file_without_certificates_is_no_ca(tmp_path: Path) -> None:
    """It is refused, with its name."""
    file = tmp_path / "ca.crt"
    file.write_text("nothing")

    finished = inject(
        manifest("Deployment"), flags=("--broker-address=https://broker.webhook.svc", f"--broker-ca-file={file}")
    )

    assert finished.code == 2
    assert f"--broker-ca-file: {file}: it holds no certificate" in finished.err


@pytest.mark.parametrize(
    ("kind", "policy", "warning"),
    [
        (
            "Job",
            "Always",
            "spec.template.spec.restartPolicy is Always, and the API server takes no such Job: write Never",
        ),
        ("CronJob", None, "spec.jobTemplate.spec.template.spec.restartPolicy is absent, and the API server takes no"),
        (
            "Deployment",
            "Never",
            "spec.template.spec.restartPolicy is Never, and the API server takes no such Deployment",
        ),
        ("Job", "OnFailure", None),
        ("Deployment", "Always", None),
        ("Pod", "Never", None),
    ],
)
def test_restart_policies_that_no_api_server_takes(kind: str, policy: str | None, warning: str | None) -> None:
    """A Job's pods end, a Deployment's don't."""
    finished = inject(manifest(kind, pod(**({"restartPolicy": policy} if policy else {}))))

    assert finished.code == 0
    assert (f"{kind}/shop/web: warning: {warning}" if warning else "") in finished.err
    assert bool(finished.err) is bool(warning)


def test_a_job_with_an_ordinary_sidecar_is_warned_about() -> None:
    """On old kubelets a Job's template gets the webhook's own warning."""
    finished = inject(manifest("Job"), flags=("--kubelet-version-floor=1.28",))

    assert "Job/shop/web: warning: the refresher is an ordinary sidecar here" in finished.err
    assert [one["name"] for one in pod_of(read(finished)[0])["spec"]["containers"]] == ["app", "update-gcp-id-token"]


def test_denials_are_named_and_nothing_is_written() -> None:
    """Every denial is said, and standard output stays empty, however many pods would be allowed."""
    finished = inject(
        manifest("Pod"), manifest("Deployment", pod(hostNetwork=True)), manifest("Job", pod(os={"name": "windows"}))
    )

    assert (finished.code, finished.out) == (1, "")
    lines = finished.err.splitlines()
    assert lines[1].startswith("Deployment/shop/web: denied: pod shop/web-: spec.hostNetwork is true")
    assert lines[2].startswith("Job/shop/web: denied: pod shop/web-: spec.os or spec.nodeSelector asks for Windows")
    assert lines[3] == "nothing was written: 2 of 3 would be denied"


def test_the_role_policy_is_the_webhooks(tmp_path: Path) -> None:
    """The operator's file denies here what it denies in the cluster, and lets through what it allows."""
    policy = tmp_path / "policy.yaml"
    rule = {"name": "shop", "namespaces": ["shop"], "roles": ["arn:aws:iam::123456789012:role/w*"]}
    policy.write_text(yaml.safe_dump({"rules": [rule]}))

    allowed = inject(manifest("Deployment"), flags=(f"--role-policy={policy}",))
    policy.write_text(yaml.safe_dump({"rules": [{**rule, "namespaces": ["other"]}]}))
    denied = inject(manifest("Deployment"), flags=(f"--role-policy={policy}",))

    assert allowed.code == 0
    assert (denied.code, denied.out) == (1, "")
    assert "Deployment/shop/web: denied: service account shop/web, annotation amazonaws.com/role-arn: " in denied.err
    assert f"does not allow the role {ROLE} in namespace shop: no rule covers this namespace" in denied.err


def test_a_missing_image_is_a_placeholder() -> None:
    """A name that resolves nowhere stands in, with a warning; cluster mode has no container and says nothing."""
    without = inject(manifest("Pod"), image=None)
    cluster = inject(manifest("Pod"), image=None, flags=("--mode=cluster",))

    assert without.code == 0
    assert read(without)[0]["spec"]["initContainers"][0]["image"] == "registry.example/token-injector:placeholder"
    assert "warning: the injected image is a placeholder: give the webhook's own with --image or" in without.err
    assert cluster.code == 0
    assert "placeholder" not in cluster.err
    assert "initContainers" not in read(cluster)[0]["spec"]


def test_settings_come_from_flags_and_from_their_variables() -> None:
    """Each of the webhook's settings works here; a flag wins; what only concerns its server is not looked at."""
    environ = {
        "TOKEN_INJECTOR_IMAGE": "from-environ",
        "TOKEN_INJECTOR_VOLUME_PATH": "/environ",
        "TOKEN_INJECTOR_WORKERS": "not a number",
        "GCE_METADATA_HOST": "127.0.0.1:1",
    }
    text = stream(ACCOUNT, manifest("Pod"))

    finished = run("inject", "-f-", "--volume-path=/flag", "--injector-env=A=1", stdin=text, environ=environ)

    (after,) = read(finished)
    sidecar = after["spec"]["initContainers"][0]
    assert sidecar["image"] == "from-environ"
    assert sidecar["volumeMounts"] == [{"name": "token-injector-volume", "mountPath": "/flag"}]
    assert sidecar["env"] == [{"name": "A", "value": "1"}]


UNQUOTED_LABEL = """\
apiVersion: v1
kind: Pod
metadata: {name: a, labels: {admission.token-injector/enabled: true}}
spec: {}
"""
PLAIN_ACCOUNT = "{apiVersion: v1, kind: ServiceAccount, metadata: {name: a}}\n"
BAD_ACCOUNT = PLAIN_ACCOUNT.replace("name: a", "name: a, annotations: {amazonaws.com/role-arn: 1}")
TWO_ACCOUNTS = f"{PLAIN_ACCOUNT}---\n{BAD_ACCOUNT.replace('arn: 1', 'arn: x')}"


@pytest.mark.parametrize(
    ("argv", "stdin", "message"),
    [
        (("-f", "-", "--mode=gogle"), "", "--mode: 'gogle' is not valid: expected google or cluster"),
        (
            ("-f", "-", "--service-accounts", "-"),
            "",
            "-f -, --service-accounts -, --role-policy -, --broker-ca-file -: standard",
        ),
        (
            ("-f", "-", "--role-policy=-"),
            "",
            "-f -, --service-accounts -, --role-policy -, --broker-ca-file -: standard input can be read",
        ),
        (("-f", "-", "--role-policy=none.yaml"), "", "--role-policy: none.yaml: No such file or directory"),
        (("-f", "missing.yaml", "--role-policy=-"), "rules: []", "--role-policy: standard input: rules: the list is"),
        (("-f", "missing.yaml"), "", "-f: missing.yaml: No such file or directory: give a file that can be read, or -"),
        (("-f", "-"), "- a\n", "standard input: it is no Kubernetes object: expected apiVersion, kind, metadata"),
        (("-f", "-"), "a: [\n", "standard input: line 2, column 1: "),
        (
            ("-f", "-"),
            UNQUOTED_LABEL,
            "standard input: Pod/default/a: metadata.labels is not a map of strings: mend the",
        ),
        (
            ("-f", "-"),
            yaml.safe_dump(manifest("Deployment", pod(containers=[{"image": "x"}]))),
            "standard input: Deployment/shop/web: spec.template: spec.containers[0].name is not a string",
        ),
        (
            ("-f", "-"),
            BAD_ACCOUNT,
            "standard input: ServiceAccount/default/a: service account default/a: the annotation ",
        ),
        (("-f", "-"), TWO_ACCOUNTS, "ServiceAccount/default/a stands in standard input, document 1 and, with other "),
    ],
)
def test_what_cannot_be_used_is_said(argv: tuple[str, ...], stdin: str, message: str) -> None:
    """Exit code 2, nothing on standard output, and a message that says which file, what is expected."""
    finished = run("inject", *argv, stdin=stdin)

    assert (finished.code, finished.out) == (2, "")
    assert finished.err.startswith(f"kubectl token-injector: {message}")
