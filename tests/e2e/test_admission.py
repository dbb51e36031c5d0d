"""What the API server and kubectl show of a review: patches, denials and warnings, on objects of every sort."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from demo.cluster.kubectl import ClusterError, apply, create_refused, get, kubectl, run, until
from demo.cluster.release import Images, Release
from demo.cluster.second_webhook import CONTAINER
from demo.cluster.workload import ROLE_ARN, application, deployment, namespace, pod, service_account
from tests.e2e.conftest import ROLE
from tests.e2e.pods import called, ended, first_pod, lines
from tests.e2e.second import second_webhook
from webhook.decision import Deny
from webhook.mutate import Mutation, mutate
from webhook.settings import parse_settings

pytestmark = pytest.mark.usefixtures("release")
SIDECAR = "update-gcp-id-token"
VOLUME = "token-injector-volume"


@pytest.fixture
def account(place: str) -> str:
    """A namespace with a service account that has a role."""
    apply(service_account(place, "app", {ROLE_ARN: ROLE}))
    return place


def variables(container: dict[str, Any]) -> dict[str, str]:
    """A container's environment, as far as it is written out."""
    return {entry["name"]: entry.get("value", "") for entry in container.get("env", ())}


def test_a_dry_run_shows_what_would_be_stored(account: str, images: Images) -> None:
    """`kubectl create --dry-run=server` answers with the whole injected pod, and stores nothing."""
    manifest = pod(account, "dry", [application(images.application)])
    command = ["kubectl", "create", "--dry-run=server", "-o", "json", "-f", "-"]
    shown = json.loads(run(command, given=json.dumps(manifest), seconds=60).stdout)

    assert [each["name"] for each in shown["spec"]["initContainers"]] == [SIDECAR]
    assert VOLUME in [volume["name"] for volume in shown["spec"]["volumes"]]
    with pytest.raises(ClusterError, match="not found"):
        get("pod", "dry", account)


def test_a_debug_container_has_the_pods_role(account: str, images: Images) -> None:
    """`kubectl debug` of an injected pod: variables and token as in its application's container."""
    apply(pod(account, "patient", [application(images.application, "--calls=0")]))
    called(account, "patient")
    words = ["python3", "-m", "demo.cluster.application"]
    endpoint = "AWS_ENDPOINT_URL=http://cloud.e2e-cloud.svc.cluster.local:4566"
    debug = [
        "debug",
        "-n",
        account,
        "patient",
        f"--image={images.application}",
        "--container=doctor",
        f"--env={endpoint}",
    ]
    kubectl(*debug, "--profile=restricted", "--", *words)

    def said() -> list[dict[str, Any]] | None:
        try:
            found = lines(account, "patient", "doctor")
        except ClusterError:
            return None
        return found if any("arn" in line or "error" in line for line in found) else None

    first, second, *_ = until("the debug container's call", said)
    assert first["token_was_there"]
    assert "assumed-role/orders/" in second["arn"]


def test_a_debug_container_of_a_pod_without_a_role_comes_with_a_reason(place: str, images: Images) -> None:
    """It starts, without credentials, and the reason is told."""
    apply(service_account(place, "app", {}))
    apply(pod(place, "plain", [application(images.application, "--calls=0")]))
    until("the pod", lambda: get("pod", "plain", place)["status"].get("phase") == "Running")

    debug = ["kubectl", "debug", "-n", place, "plain", f"--image={images.application}", "--profile=restricted"]
    said = run([*debug, "--", "true"], seconds=60).stderr

    assert "Warning:" in said
    assert "credentials" in said


def test_a_pod_copied_from_an_injected_one_is_admitted(account: str, images: Images) -> None:
    """`kubectl get -o yaml`, a new name, `kubectl create`: one sidecar, one volume, and it works."""
    apply(pod(account, "original", [application(images.application)]))
    copied = ended(account, "original")
    # The API server mounts its own token volume into every pod, under a name of that pod's.
    kept = {key: copied["metadata"][key] for key in ("namespace", "labels", "annotations")}
    spec = {key: value for key, value in copied["spec"].items() if key != "nodeName"}
    apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "copy", **kept}, "spec": spec})

    copy = ended(account, "copy")
    assert [each["name"] for each in copy["spec"]["initContainers"]] == [SIDECAR]
    assert [volume["name"] for volume in copy["spec"]["volumes"]].count(VOLUME) == 1
    assert "assumed-role/orders/" in lines(account, "copy")[1]["arn"]


def test_a_container_that_a_later_webhook_adds_is_served_too(account: str, images: Images, tmp_path: Path) -> None:
    """The API server calls us again after the second webhook, and the pod has everything once."""
    with second_webhook(account, images.application, tmp_path):
        apply(pod(account, "meshed", [application(images.application)]))
        found = get("pod", "meshed", account)

    added = next(each for each in found["spec"]["containers"] if each["name"] == CONTAINER)
    assert variables(added)["AWS_ROLE_ARN"] == ROLE
    assert VOLUME in [mount["name"] for mount in added["volumeMounts"]]
    assert [each["name"] for each in found["spec"]["initContainers"]] == [SIDECAR]
    names = {variables(each)["AWS_ROLE_SESSION_NAME"] for each in found["spec"]["containers"]}
    assert len(names) == 1


def test_fields_of_the_newest_kubernetes_survive(account: str, images: Images) -> None:
    """A pod with fields that no client library of ours knows is stored with all of them."""
    container = application(images.application)
    container["restartPolicy"] = "Never"
    container["restartPolicyRules"] = [{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}]
    resources = {"limits": {"memory": "512Mi"}}
    manifest = pod(account, "new", [container], hostnameOverride="new-pod", resources=resources)
    apply(manifest)

    stored = get("pod", "new", account)["spec"]
    assert stored["hostnameOverride"] == "new-pod"
    assert stored["resources"]["limits"] == resources["limits"]
    assert stored["containers"][0]["restartPolicyRules"] == container["restartPolicyRules"]
    assert ended(account, "new")


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        ("amazonaws.com/role-arn", "orders"),
        ("admission.token-injector/refresher", "always"),
        ("admission.token-injector/session-name", "{pod}"),
        ("admission.token-injector/volume-path", "relative"),
    ],
)
def test_a_denial_reaches_its_author_word_for_word(account: str, images: Images, annotation: str, value: str) -> None:
    """Kubectl prints what the core says: object, key, value and form."""
    manifest = pod(account, "wrong", [application(images.application)], annotations={annotation: value})
    decision = offline(account, manifest).decision
    assert isinstance(decision, Deny)

    said = create_refused(manifest)

    prefix = 'admission webhook "pods.admission.token-injector.io" denied the request: '
    assert said.partition(prefix)[2].strip() == decision.message
    assert annotation in decision.message
    assert repr(value) in decision.message


def test_warnings_reach_their_author_word_for_word(account: str, images: Images) -> None:
    """Each is a line of kubectl's, whole, and there are no others."""
    container = application(images.application)
    container["env"] = [*container["env"], {"name": "AWS_ACCESS_KEY_ID", "value": "AKIAEXAMPLE"}]
    annotations = {"admission.token-injector/skip-containers": "nobody"}
    manifest = pod(account, "warned", [container], annotations=annotations)
    expected = {f"Warning: {warning}" for warning in offline(account, manifest).warnings}

    said = set(apply(manifest).splitlines())

    assert said == expected
    assert len(said) > 1
    assert not any("AKIAEXAMPLE" in line for line in said)


def offline(namespace: str, manifest: dict[str, Any]) -> Mutation:
    """What the core says of this pod, without a cluster."""
    settings, _ = parse_settings({"image": ["injector"], "region": ["eu-west-1"]}, {})
    return mutate(manifest, namespace, {ROLE_ARN: ROLE}, settings, seed="x")


def test_a_service_account_without_a_role_is_named(place: str, images: Images) -> None:
    """The pod is allowed unchanged; the warning names account and annotation."""
    apply(service_account(place, "app", {}))
    said = apply(pod(place, "roleless", [application(images.application)]))

    missing = f"service account {place}/app has no annotation amazonaws.com/role-arn"
    assert f"Warning: {missing}: the webhook gives the pod no AWS credentials" in said.splitlines()
    assert "initContainers" not in get("pod", "roleless", place)["spec"]


def test_host_network_is_denied(account: str, images: Images) -> None:
    """On GKE such a pod has the node's identity."""
    said = create_refused(pod(account, "host", [application(images.application)], hostNetwork=True))
    assert "spec.hostNetwork is true" in said


def test_a_service_account_made_after_its_deployment_is_seen(place: str, images: Images) -> None:
    """The ReplicaSet tries again, and the first pod that comes has the role."""
    apply(deployment(pod(place, "early", [application(images.application, "--calls=0")], account="late"), replicas=1))
    # Long enough for the ReplicaSet to fail at least once, which leaves nothing to wait for.
    time.sleep(1.0)
    apply(service_account(place, "late", {ROLE_ARN: ROLE}))

    assert called(place, first_pod(place, "app=early"))


def test_an_annotation_that_is_changed_later_holds_for_the_next_pod(account: str, images: Images) -> None:
    """Within two seconds of the change; running pods keep what they have."""
    apply(pod(account, "before", [application(images.application)]))
    other = ROLE + "-2"
    kubectl("annotate", "serviceaccount", "-n", account, "app", f"{ROLE_ARN}={other}", "--overwrite")
    # What is promised is a time: a watch tells of the change, and nothing outside shows that it has.
    time.sleep(2.0)
    apply(pod(account, "after", [application(images.application)]))

    roles = [
        variables(get("pod", name, account)["spec"]["containers"][0])["AWS_ROLE_ARN"] for name in ("before", "after")
    ]
    assert roles == [ROLE, other]


def test_only_labelled_pods_are_reviewed(account: str, images: Images, release: Release) -> None:
    """A pod without the label, and one whose label says false, stay as they are."""
    for name, labels in (("bare", {}), ("off", {"admission.token-injector/enabled": "false"})):
        manifest = pod(account, name, [application(images.application)])
        manifest["metadata"]["labels"] = labels
        apply(manifest)
        assert "initContainers" not in get("pod", name, account)["spec"]


def test_an_injected_pod_passes_the_restricted_standard(images: Images, place: str) -> None:
    """What is injected needs no exception from the namespace's rules, and its author gets no warning."""
    apply(namespace(place, enforce="restricted"))
    apply(service_account(place, "app", {ROLE_ARN: ROLE}))
    said = apply(pod(place, "strict", [application(images.application)]))

    assert "PodSecurity" not in said
    assert ended(place, "strict")
