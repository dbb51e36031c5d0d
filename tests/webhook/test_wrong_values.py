"""A wrong value in every place of a review: always an answer, never a bug. Through HTTP, JSON and back, in-process."""

import base64
import copy
import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jsonpatch
import pytest
from flask.testing import FlaskClient

from contract.annotations import ANNOTATIONS, ENABLED_LABEL, PIGGY_SECRET_NAME, PREFIX, REGION, ROLE_ARN, SECRETS
from contract.pod import VOLUME_NAME
from contract.secrets import PLAN, VOLUME_PREFIX
from secretenv.plan import ContainerPlan, Plan, Variable, to_json
from secretenv.references import Syntax
from tests.webhook.cases import IMAGE, UID, admission_review
from webhook.app import create_app
from webhook.entrypoint.manifest import Entrypoint
from webhook.entrypoint.question import Wanted
from webhook.review import review
from webhook.secrets.look_ups import LookUps
from webhook.settings import Settings, parse_settings

ROLE = "arn:aws:iam::123456789012:role/orders"
WRONG: tuple[Any, ...] = (None, True, 1, 1.5, "", "x", "\ud800", [], [None], [[]], {}, {"a": 1}, [{"name": 1}])


class Accounts:
    """Every service account has a role."""

    def annotations(self, namespace: str, name: str) -> Mapping[str, str]:
        """The same for all."""
        del namespace, name
        return {ROLE_ARN: ROLE}


class Outside:
    """Every ConfigMap holds a reference, every image starts the same."""

    def data(self, namespace: str, name: str) -> Mapping[str, str]:
        """The same for all."""
        del namespace, name
        return {"y": "sm://prod/db#y", "Z": "x"}

    def look_up(self, wanted: Wanted) -> Entrypoint:
        """The same for all."""
        hash(wanted)  # as the look-up does
        return Entrypoint(("/app",), ())


class Outcomes:
    """Metrics and events that remember the last review."""

    last: Mapping[str, Any]

    def reviewed(self, outcome: str, reason: str, seconds: float) -> None:
        """Nothing: the event says it too."""

    def bug(self) -> None:
        """Nothing: the outcome says it too."""

    def render(self) -> bytes:
        """Nothing."""
        return b""

    def write(self, event: str, fields: Mapping[str, Any]) -> None:
        """Remember it."""
        assert event == "review"
        self.last = fields


OUTCOMES = Outcomes()
LOOK_UPS = LookUps(config_maps=Outside(), entrypoints=Outside())
ASKS = {SECRETS: "true", PIGGY_SECRET_NAME: "prod/db", REGION: "eu-west-1"}
REQUIRED = {
    "nodeSelectorTerms": [{"matchExpressions": [{"key": "kubernetes.io/arch", "operator": "In", "values": ["arm64"]}]}]
}
EARLIER = to_json(
    Plan(
        syntax=Syntax(ours=True, arns=False, piggy=None),
        containers=tuple(
            ContainerPlan(
                name=name, delivery="envfile", directory="/d", variables=(Variable(name="C", text="sm://prod/db#c"),)
            )
            for name in ("app", "i")
        ),
    )
)


def caller_of(**flags: str) -> FlaskClient:
    """A client of a webhook with these settings."""
    given = {name.replace("_", "-"): [value] for name, value in {"image": IMAGE, **flags}.items()}
    settings: Settings = parse_settings(given, {})[0]
    accounts = Accounts()
    app = create_app(
        lambda body: review(body, accounts=accounts, settings=settings, look_ups=LOOK_UPS),
        metrics=OUTCOMES,
        events=OUTCOMES,
    )
    return app.test_client()


def answer_of(caller: FlaskClient, sent: str) -> Any:
    """The answer, after what holds for every answer."""
    response = caller.post("/pods", data=sent.encode(), content_type="application/json")
    assert response.status_code == 200, sent[:500]
    answer = json.loads(response.data)
    assert OUTCOMES.last["outcome"] in {"injected", "unchanged", "denied", "invalid"}, (OUTCOMES.last, sent[-500:])
    assert answer["kind"] == "AdmissionReview"
    assert answer["apiVersion"] in {"admission.k8s.io/v1", "admission.k8s.io/v1beta1"}
    said = answer["response"]
    assert isinstance(said["allowed"], bool)
    assert said["allowed"] or said["status"]["message"]
    assert all(isinstance(warning, str) for warning in said.get("warnings", ()))
    return answer


def rich_pod() -> dict[str, Any]:
    """A pod with a value in every field that our code reads: a copied one, with entries of an earlier review."""
    container = {
        "name": "app",
        "image": "registry.example/orders:1",
        "env": [
            {"name": "AWS_PROFILE", "value": "x"},
            {"name": "REF", "value": "sm://prod/db#$(AWS_PROFILE)"},
            {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "x", "key": "y", "optional": True}}},
            {"name": "B", "valueFrom": {"secretKeyRef": {"name": "x", "key": "y"}}},
            {"name": "C", "valueFrom": {"fileKeyRef": {"volumeName": f"{VOLUME_PREFIX}app", "path": "C.env"}}},
            {"name": "AWS_REGION", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/var/run/secrets/aws/token/token"},
            {"name": "AWS_ROLE_ARN", "value": ROLE},
            {"name": "AWS_ROLE_SESSION_NAME", "value": "token-injector-webhook-abcdefghijklmnop"},
        ],
        "envFrom": [{"configMapRef": {"name": "x"}}, {"prefix": "S_", "secretRef": {"name": "x"}}],
        "imagePullPolicy": "Always",
        "args": ["serve"],
        "volumeMounts": [
            {"name": VOLUME_NAME, "mountPath": "/var/run/secrets/aws/token", "readOnly": True},
            {"name": "data", "mountPath": "/data"},
        ],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "orders",
            "generateName": "orders-",
            "namespace": "shop",
            "labels": {ENABLED_LABEL: "true", "app": "orders"},
            "annotations": {"checksum/config": "0a1b", **ASKS},
            "ownerReferences": [{"kind": "Job", "name": "orders"}],
        },
        "spec": {
            "serviceAccountName": "orders",
            "serviceAccount": "orders",
            "restartPolicy": "Never",
            "hostNetwork": False,
            "os": {"name": "linux"},
            "nodeSelector": {"kubernetes.io/os": "linux"},
            "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": REQUIRED}},
            "imagePullSecrets": [{"name": "mine"}],
            "initContainers": [
                copy.deepcopy(container) | {"name": "generate-gcp-id-token", "env": [{"name": PLAN, "value": EARLIER}]},
                container | {"name": "i", "command": ["/i"], "restartPolicy": "Always"},
            ],
            "containers": [container, copy.deepcopy(container) | {"name": "update-gcp-id-token"}],
            "volumes": [{"name": VOLUME_NAME, "emptyDir": {}}, {"name": "data", "emptyDir": {}}],
        },
    }


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place in a document, its root too."""
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from places(child, (*path, key))


def with_value(document: Any, path: tuple[str | int, ...], value: Any) -> Any:
    """A copy in which this value stands at this place."""
    if not path:
        return value
    changed = copy.deepcopy(document)
    holder = changed
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    return changed


@pytest.mark.parametrize(
    "flags",
    [
        {"image_pull_secret": "ours"},
        {"refresher": "sidecar"},
        {"refresher": "none"},
        {"mode": "cluster", "kubelet_version_floor": "1.36"},
    ],
    ids=["native", "sidecar", "init", "cluster"],
)
def test_wrong_value_anywhere_in_a_pod(flags: dict[str, str]) -> None:
    """Whatever stands in whichever place, the review is answered with its uid, and its patch applies."""
    caller, sample = caller_of(**flags), rich_pod()
    for path in places(sample):
        for value in WRONG:
            pod = with_value(sample, path, value)
            answer = answer_of(caller, json.dumps(admission_review(pod)))
            assert answer["response"]["uid"] == UID, (path, value)
            if "patch" in answer["response"]:
                jsonpatch.apply_patch(pod, json.loads(base64.b64decode(answer["response"]["patch"])))


def test_wrong_value_anywhere_in_a_review() -> None:
    """The same around the pod; the uid comes back wherever it is a string."""
    caller, sample = caller_of(), admission_review(rich_pod())
    for path in places(sample):
        if path[:2] == ("request", "object") and len(path) > 2:
            continue
        for value in WRONG:
            body = with_value(sample, path, value)
            answer = answer_of(caller, json.dumps(body))
            request = body.get("request") if isinstance(body, dict) else None
            uid = request.get("uid") if isinstance(request, dict) else None
            assert answer["response"]["uid"] == (uid if isinstance(uid, str) else ""), (path, value)


@pytest.mark.parametrize("row", ANNOTATIONS, ids=lambda row: row.key)
def test_wrong_value_in_every_annotation(row: Any) -> None:
    """Annotations of ours and of EKS take any text; what can't be meant is denied or told, never a bug."""
    caller = caller_of()
    texts = ["", "x", "\ud800", "\0", "é", "{", "$(X)", "0", "-1", "9" * 5000, "a" * 262_144, "/" * 99, "1e9", "a,b,,"]
    for key in filter(None, (row.key, row.alias)):
        for text in texts:
            pod = rich_pod()
            pod["metadata"]["annotations"][key] = text
            assert answer_of(caller, json.dumps(admission_review(pod)))["response"]["uid"] == UID


def injected_again(times: int) -> dict[str, Any]:
    """A container with the entries of many earlier reviews."""
    pod = rich_pod()
    container = pod["spec"]["containers"][0]
    container["env"] = container["env"][2:] * times
    return pod


def unread_annotations(times: int) -> dict[str, Any]:
    """A pod with many annotations of ours that nobody reads."""
    pod = rich_pod()
    pod["metadata"]["annotations"] = ASKS | {f"{PREFIX}role-arm-{number}": "x" for number in range(times)}
    return pod


def many_references(times: int) -> dict[str, Any]:
    """A container with many references, each used by the next one, and as many from a Secret."""
    pod = rich_pod()
    pod["spec"]["containers"][0]["env"] = [
        entry
        for number in range(times)
        for entry in (
            {"name": f"A{number}", "value": f"sm://prod/db#{number}"},
            {"name": f"B{number}", "value": f"$(B{number - 1})$(B{number - 1})x"},
            {"name": f"C{number}", "valueFrom": {"secretKeyRef": {"name": "x", "key": "y"}}},
        )
    ]
    return pod


def many_containers(times: int) -> dict[str, Any]:
    """Many containers with a reference each."""
    pod = rich_pod()
    env = [{"name": "A", "value": "sm://prod/db#a"}]
    pod["spec"]["containers"] = [{"name": f"c{number}", "image": "i", "env": env} for number in range(times)]
    return pod


@pytest.mark.parametrize("pod_of", [injected_again, unread_annotations, many_references, many_containers])
def test_many_entries_cost_what_their_number_costs(pod_of: Callable[[int], dict[str, Any]]) -> None:
    """Whoever may create pods can't hold a worker for seconds: ten times the entries take no hundred times the CPU."""
    caller = caller_of()
    seconds = {}
    for times in (500, 5000):
        sent = json.dumps(admission_review(pod_of(times)))
        took = []
        for _ in range(3):
            began = time.thread_time()
            answer_of(caller, sent)
            took.append(time.thread_time() - began)
        seconds[times] = min(took)
    assert seconds[5000] < 35 * seconds[500], seconds
    assert seconds[5000] < 2, seconds


def test_unread_annotations_are_told_up_to_a_number() -> None:
    """The first ones by name, the rest as a number: the API server cuts all warnings together at 4096 characters."""
    caller = caller_of()
    warnings = answer_of(caller, json.dumps(admission_review(unread_annotations(12))))["response"]["warnings"]
    assert sum("role-arm-" in warning for warning in warnings) == 5
    assert f"pod shop/orders: 7 more annotations {PREFIX}* that nobody reads" in warnings


def test_pod_without_containers() -> None:
    """The patch applies, so that the API server can say what is missing; it would answer a broken patch with 500."""
    pod = rich_pod()
    pod["spec"]["containers"] = None
    answer = answer_of(caller_of(refresher="sidecar"), json.dumps(admission_review(pod)))
    after = jsonpatch.apply_patch(pod, json.loads(base64.b64decode(answer["response"]["patch"])))
    assert [container["name"] for container in after["spec"]["containers"]] == ["update-gcp-id-token"]
