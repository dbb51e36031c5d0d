"""AdmissionReview in and out: what is answered to good, odd and broken reviews, and what is told the log."""

import base64
import copy
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jsonpatch
import pytest

from contract.annotations import ENABLED_LABEL, ROLE_ARN
from tests.webhook import strategies
from tests.webhook.cases import IMAGE, UID, admission_review
from webhook.review import AccountsUnavailableError, Answer, review
from webhook.settings import Settings, parse_settings

ROLE = "arn:aws:iam::123456789012:role/orders"


class Accounts:
    """Service accounts in memory; remembers who was asked for."""

    def __init__(self, annotations: Mapping[str, str] | None = None) -> None:
        self.known: dict[tuple[str, str], Mapping[str, str]] = {}
        if annotations is not None:
            self.known["shop", "orders"] = annotations
        self.asked: list[tuple[str, str]] = []
        self.is_available = True

    def annotations(self, namespace: str, name: str) -> Mapping[str, str] | None:
        """What the account carries."""
        self.asked.append((namespace, name))
        if not self.is_available:
            raise AccountsUnavailableError(f"service account {namespace}/{name} can't be read now: retry")
        return self.known.get((namespace, name))


@pytest.fixture
def accounts() -> Accounts:
    """One account, with a role."""
    return Accounts({ROLE_ARN: ROLE})


def pod(**labels: str) -> dict[str, Any]:
    """A pod that wants credentials."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "orders-", "labels": {ENABLED_LABEL: "true", **labels}},
        "spec": {"serviceAccountName": "orders", "containers": [{"name": "app", "image": "registry.example/orders:1"}]},
    }


def changed(**request: Any) -> dict[str, Any]:
    """The review with other members in its request; None leaves a member out."""
    body = admission_review(pod())
    body["request"] = {key: value for key, value in {**body["request"], **request}.items() if value is not None}
    return body


def debugged(**request: Any) -> dict[str, Any]:
    """The review of `kubectl debug` on an injected pod."""
    settings, _ = parse_settings({"image": [IMAGE]}, {})
    before = review(admission_review(pod()), accounts=Accounts({ROLE_ARN: ROLE}), settings=settings)
    old = jsonpatch.apply_patch(pod(), patch_of(before))
    now = {**old, "spec": {**old["spec"], "ephemeralContainers": [{"name": "debugger", "image": "busybox"}]}}
    body = admission_review(now, old=old)
    body["request"] = {key: value for key, value in {**body["request"], **request}.items() if value is not None}
    return body


def patch_of(answer: Answer) -> Any:
    """The patch, decoded."""
    return json.loads(base64.b64decode(answer.body["response"]["patch"]))


def test_injection(accounts: Accounts, settings: Settings) -> None:
    """Allowed, with a base64 JSON Patch; the reason is the refresher's shape."""
    answer = review(admission_review(pod()), accounts=accounts, settings=settings)

    response = answer.body["response"]
    assert answer.body["apiVersion"] == "admission.k8s.io/v1"
    assert answer.body["kind"] == "AdmissionReview"
    assert (response["uid"], response["allowed"], response["patchType"]) == (UID, True, "JSONPatch")
    assert {operation["op"] for operation in patch_of(answer)} == {"add"}
    assert (answer.outcome, answer.reason) == ("injected", "native")
    assert accounts.asked == [("shop", "orders")]
    assert answer.fields == {"uid": UID, "namespace": "shop", "pod": "orders-", "service_account": "orders"}


def test_pod_that_is_right_has_no_patch(accounts: Accounts, settings: Settings) -> None:
    """Neither an empty patch nor its type goes back: Kubernetes wants both or none."""
    mutated = jsonpatch.apply_patch(
        pod(), patch_of(review(admission_review(pod()), accounts=accounts, settings=settings))
    )

    response = review(admission_review(mutated), accounts=accounts, settings=settings).body["response"]

    assert response["allowed"]
    assert not {"patch", "patchType"} & response.keys()


def test_warnings_go_back(accounts: Accounts, settings: Settings) -> None:
    """They are strings in the response, seen by kubectl."""
    answer = review(admission_review(pod()), accounts=accounts, settings=settings)

    [warning] = answer.body["response"]["warnings"]
    assert "no AWS region in app" in warning


def test_too_many_warnings_are_counted(accounts: Accounts, settings: Settings) -> None:
    """The API server passes on 4 KiB of warnings: a pod that earns thousands costs no answer of megabytes."""
    body = admission_review(pod())
    entry = {"name": "AWS_PROFILE", "value": "x"}
    body["request"]["object"]["spec"]["containers"] = [{"name": f"c{number}", "env": [entry]} for number in range(50)]

    warnings = review(body, accounts=accounts, settings=settings).body["response"]["warnings"]

    assert len(warnings) == 16
    assert "container c14 sets AWS_PROFILE" in warnings[14]
    assert warnings[15] == "36 more warnings about this pod are left out"


def test_no_warnings_no_member(accounts: Accounts, settings: Settings) -> None:
    """An untouched pod's answer has its uid and a yes."""
    answer = review(admission_review(pod(**{ENABLED_LABEL: "false"})), accounts=accounts, settings=settings)

    assert answer.body["response"] == {"uid": UID, "allowed": True}
    assert (answer.outcome, answer.reason) == ("unchanged", "label_false")
    assert accounts.asked == []


def test_dry_run_is_the_same(accounts: Accounts, settings: Settings) -> None:
    """A review has no side effects, so there is nothing to leave out."""
    answers = [
        review(changed(dryRun=dry_run), accounts=accounts, settings=settings).body for dry_run in (True, False, None)
    ]

    assert answers[0] == answers[1] == answers[2]


def test_v1beta1_is_answered_in_v1beta1(accounts: Accounts, settings: Settings) -> None:
    """The seed's configuration offers both versions."""
    body = admission_review(pod()) | {"apiVersion": "admission.k8s.io/v1beta1"}

    answer = review(body, accounts=accounts, settings=settings)

    assert answer.body["apiVersion"] == "admission.k8s.io/v1beta1"
    assert answer.outcome == "injected"


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param({"operation": "UPDATE"}, id="update"),
        pytest.param({"operation": "DELETE", "object": None}, id="delete"),
        pytest.param({"subResource": "ephemeralcontainers", "operation": "CREATE"}, id="no update of the subresource"),
        pytest.param({"subResource": "resize", "operation": "UPDATE"}, id="resize"),
        pytest.param({"subResource": "binding"}, id="binding"),
        pytest.param({"resource": {"group": "apps", "version": "v1", "resource": "deployments"}}, id="deployment"),
        pytest.param(
            {"resource": {"group": "metrics.k8s.io", "version": "v1", "resource": "pods"}}, id="another group's pods"
        ),
    ],
)
def test_other_resources_are_allowed(request_: dict[str, Any], accounts: Accounts, settings: Settings) -> None:
    """The seed's rules match any group's pods: what is no new pod is let through, unseen."""
    answer = review(changed(**request_), accounts=accounts, settings=settings)

    assert answer.body["response"] == {"uid": UID, "allowed": True}
    assert (answer.outcome, answer.reason) == ("unchanged", "other_resource")
    assert accounts.asked == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(None, "expected an AdmissionReview", id="null"),
        pytest.param([], "expected an AdmissionReview", id="list"),
        pytest.param("review", "expected an AdmissionReview", id="string"),
        pytest.param({}, "expected an AdmissionReview", id="empty"),
        pytest.param({"kind": "AdmissionReview"}, "expected an AdmissionReview", id="no version"),
        pytest.param(
            admission_review({}) | {"apiVersion": "admission.k8s.io/v2"}, "v1 or admission.k8s.io/v1beta1", id="v2"
        ),
        pytest.param(admission_review({}) | {"kind": "Pod"}, "expected an AdmissionReview", id="another kind"),
        pytest.param(
            {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1"}, "has no request", id="no request"
        ),
        pytest.param(changed(uid=None), "has no uid", id="no uid"),
        pytest.param(changed(uid=""), "has no uid", id="empty uid"),
        pytest.param(changed(uid=7), "has no uid", id="uid is a number"),
        pytest.param(changed(resource=None), "has no resource", id="no resource"),
        pytest.param(changed(namespace=7), "a namespace that is no string", id="namespace is a number"),
        pytest.param(changed(object=None), "has no object", id="no object"),
        pytest.param(changed(object=[]), "has no object", id="object is a list"),
        pytest.param(changed(object={}), "no spec", id="no spec"),
        pytest.param(changed(object={"spec": None}), "no spec", id="spec is null"),
        pytest.param(changed(object={"spec": {}, "metadata": {"labels": []}}), "metadata.labels is not", id="labels"),
        pytest.param(
            changed(object={"spec": {"containers": [{}]}}), "spec.containers[0].name is not a string", id="no name"
        ),
        pytest.param(debugged(object=None), "has no object", id="ephemeral: no object"),
        pytest.param(debugged(oldObject=None), "has no oldObject", id="ephemeral: no old object"),
        pytest.param(debugged(oldObject="pod"), "has no oldObject", id="ephemeral: the old object is a string"),
        pytest.param(debugged(object={}), "the pod has no spec", id="ephemeral: no spec"),
        pytest.param(debugged(oldObject={}), "oldObject: the pod has no spec", id="ephemeral: the old one has no spec"),
        pytest.param(
            debugged(object={"spec": {"ephemeralContainers": {}}}),
            "spec.ephemeralContainers is not a list of objects",
            id="ephemeral: no list",
        ),
        pytest.param(
            debugged(oldObject={"spec": {"ephemeralContainers": [{"name": None}]}}),
            "oldObject: spec.ephemeralContainers[0].name is not a string",
            id="ephemeral: the old one's container has no name",
        ),
        pytest.param(
            debugged(object={"spec": {"ephemeralContainers": [{"name": "a", "targetContainerName": []}]}}),
            "spec.ephemeralContainers[0].targetContainerName is not a string",
            id="ephemeral: the target is a list",
        ),
        pytest.param(
            debugged(object={"spec": {"ephemeralContainers": [{"name": "a", "env": "A"}]}}),
            "spec.ephemeralContainers[0].env is not a list of objects",
            id="ephemeral: env is a string",
        ),
    ],
)
def test_what_is_no_review_is_refused(body: Any, message: str, accounts: Accounts, settings: Settings) -> None:
    """Refused with code 400 and the reason, under the uid if there is one; never an exception."""
    answer = review(body, accounts=accounts, settings=settings)

    response = answer.body["response"]
    assert answer.outcome == "invalid"
    assert not response["allowed"]
    assert response["status"]["code"] == 400
    assert message in response["status"]["message"]
    given = body.get("request", {}).get("uid") if isinstance(body, dict) else ""
    assert response["uid"] == (given if isinstance(given, str) else "")
    assert accounts.asked == []


# What a value may be replaced by: every kind that JSON has, in its awkward forms.
KINDS: tuple[Any, ...] = (
    None,
    True,
    0,
    1.5,
    "",
    "\ud800",
    "windows",
    [],
    [[]],
    [None],
    [{}],
    {},
    {"name": {}},
    {"": []},
)


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place of a document."""
    yield path
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield from places(child, (*path, key))


WHOLE = admission_review(strategies.pod_with_every_field())


@pytest.mark.parametrize("path", [pytest.param(path, id=".".join(map(str, path))) for path in places(WHOLE) if path])
def test_any_kind_in_any_place(path: tuple[Any, ...], accounts: Accounts, make_settings: Any) -> None:
    """A value of another kind, wherever it stands, is answered; what goes back can be written as JSON."""
    settings = make_settings(image_pull_secret="registry-key", region="eu-west-1")
    for kind in KINDS:
        body: Any = copy.deepcopy(WHOLE)
        parent = body
        for step in path[:-1]:
            parent = parent[step]
        parent[path[-1]] = copy.deepcopy(kind)

        answer = review(body, accounts=accounts, settings=settings)

        assert isinstance(json.loads(json.dumps(answer.body))["response"]["allowed"], bool)
        assert all(isinstance(value, str) for value in answer.fields.values())


@pytest.mark.parametrize(
    ("request_namespace", "pod_namespace", "namespace"),
    [("shop", "other", "shop"), ("", "shop", "shop"), (None, "shop", "shop"), (None, None, "default")],
)
def test_namespace(
    request_namespace: str | None, pod_namespace: str | None, namespace: str, accounts: Accounts, settings: Settings
) -> None:
    """The request's namespace counts: the pod's own is often empty when it is reviewed."""
    body = changed(namespace=request_namespace)
    if request_namespace is None:
        body["request"].pop("namespace", None)
    body["request"]["object"]["metadata"]["namespace"] = pod_namespace

    review(body, accounts=accounts, settings=settings)

    assert accounts.asked == [(namespace, "orders")]


@pytest.mark.parametrize("spec", [{"serviceAccountName": ""}, {"serviceAccountName": None}, {}])
def test_no_account_named_is_the_default_one(spec: dict[str, Any], accounts: Accounts, settings: Settings) -> None:
    """The seed exited on an empty name."""
    body = admission_review(pod())
    del body["request"]["object"]["spec"]["serviceAccountName"]
    body["request"]["object"]["spec"].update(spec)

    answer = review(body, accounts=accounts, settings=settings)

    assert accounts.asked == [("shop", "default")]
    assert (answer.outcome, answer.reason) == ("unchanged", "no_role")


@pytest.mark.parametrize(
    ("missing_role", "code", "what_to_do"),
    [
        ("allow", None, "the webhook gives the pod no AWS credentials"),
        ("deny", 403, "create it, annotated with the role's ARN, or"),
    ],
)
def test_unknown_account_is_one_without_role(
    missing_role: str, code: int | None, what_to_do: str, make_settings: Callable[..., Settings]
) -> None:
    """Treated alike and told apart: a file of accounts may lack one that its author looks for under another name."""
    answer = review(admission_review(pod()), accounts=Accounts(), settings=make_settings(missing_role=missing_role))

    response = answer.body["response"]
    [told] = response.get("warnings") or [response["status"]["message"]]
    assert told.startswith(f"service account shop/orders does not exist, so it has no annotation {ROLE_ARN}: ")
    assert what_to_do in told
    assert response.get("status", {}).get("code") == code


def test_accounts_unavailable_denies(accounts: Accounts, settings: Settings) -> None:
    """A pod that would start without credentials does not start; 503 and the source's words."""
    accounts.is_available = False

    answer = review(admission_review(pod()), accounts=accounts, settings=settings)

    assert answer.body["response"]["status"]["code"] == 503
    assert "retry" in answer.body["response"]["status"]["message"]
    assert (answer.outcome, answer.reason) == ("denied", "accounts_unavailable")


def test_accounts_unavailable_does_not_touch_others(accounts: Accounts, settings: Settings) -> None:
    """Pods that opted out start whatever happens to us."""
    accounts.is_available = False

    answer = review(admission_review(pod(**{ENABLED_LABEL: "false"})), accounts=accounts, settings=settings)

    assert answer.body["response"]["allowed"]


def test_debug_container_needs_no_look_up(accounts: Accounts, settings: Settings) -> None:
    """An API server that cannot be asked, or an account that has changed, makes no difference to a running pod."""
    accounts.is_available = False

    answer = review(debugged(), accounts=accounts, settings=settings)

    assert (answer.outcome, answer.reason) == ("injected", "ephemeral")
    assert {operation["path"].rpartition("/")[0] for operation in patch_of(answer)} == {"/spec/ephemeralContainers/0"}
    assert accounts.asked == []
    assert answer.fields["pod"] == "orders-"


@pytest.mark.parametrize("version", ["admission.k8s.io/v1", "admission.k8s.io/v1beta1"])
def test_debug_container_of_a_pod_that_we_do_not_know(version: str, accounts: Accounts, settings: Settings) -> None:
    """It starts, and kubectl shows why it has no credentials."""
    old = pod()
    now = {**old, "spec": {**old["spec"], "ephemeralContainers": [{"name": "debugger"}]}}

    answer = review(admission_review(now, old=old) | {"apiVersion": version}, accounts=accounts, settings=settings)

    response = answer.body["response"]
    assert answer.body["apiVersion"] == version
    assert (answer.outcome, answer.reason) == ("unchanged", "not_injected")
    assert response["allowed"]
    assert "patch" not in response
    assert response["warnings"][0].startswith("no AWS credentials for debugger: none of the pod's containers mounts")


def test_denial(accounts: Accounts, settings: Settings) -> None:
    """A malformed annotation is a bad request of its author's."""
    accounts.known["shop", "orders"] = {ROLE_ARN: "orders"}

    answer = review(admission_review(pod()), accounts=accounts, settings=settings)

    response = answer.body["response"]
    assert response["allowed"] is False
    assert response["status"]["code"] == 400
    assert response["status"]["message"].startswith(f"service account shop/orders, annotation {ROLE_ARN}: 'orders'")
    assert "patch" not in response
    assert (answer.outcome, answer.reason) == ("denied", "bad_annotation")


def test_no_value_of_the_pod_is_told(accounts: Accounts, settings: Settings) -> None:
    """Values of variables may be secrets: they are in no warning, no denial, no log field and no repr."""
    secret = "hunter2"
    body = admission_review(pod())
    container = body["request"]["object"]["spec"]["containers"][0]
    names = ("AWS_SECRET_ACCESS_KEY", "AWS_ROLE_ARN", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_REGION", "A")
    container["env"] = [{"name": name, "value": secret} for name in names]

    answer = review(body, accounts=accounts, settings=settings)
    container["volumeMounts"] = [{"name": "data", "mountPath": "/var/run/secrets/aws/token"}]
    denial = review(body, accounts=accounts, settings=settings)

    assert answer.outcome == "injected"
    assert denial.outcome == "denied"
    assert secret not in json.dumps(answer.body["response"]["warnings"])
    assert secret not in json.dumps(denial.body)
    assert secret not in repr(answer) + repr(denial)


def test_a_text_of_piggys_that_this_replica_knows_no_source_for_is_told(accounts: Accounts) -> None:
    """A pod is sent for the webhook's variables alone: a replica that does not have them lets it be, and says so."""
    env = [{"name": "A", "value": "piggy:A"}, {"name": "B", "value": "b"}, {"name": "C", "valueFrom": {}}]
    unasking = {**pod(), "metadata": {"name": "orders"}}
    unasking["spec"]["containers"][0]["env"] = env
    body = admission_review(unasking)

    old, _ = parse_settings({"image": [IMAGE]}, {})
    new, _ = parse_settings({"image": [IMAGE]}, {"AWS_SECRET_NAME": "prod/orders"})

    without, with_source = (review(body, accounts=accounts, settings=each) for each in (old, new))

    assert (without.outcome, without.reason, accounts.asked[1:]) == ("unchanged", "no_label", [])
    (warning,) = without.body["response"]["warnings"]
    assert warning.startswith("container app: variable A begins with piggy: and stays so: no annotation piggysec.com/*")
    assert with_source.reason != "no_label"
    assert not [each for each in with_source.body["response"].get("warnings", []) if "stays so" in each]


@pytest.mark.parametrize(
    ("key", "variable", "value"),
    [
        ("aws-region", "AWS_REGION", "Mars"),
        ("piggy-env-resource-memory-limit", "PIGGY_ENV_RESOURCE_MEMORY_LIMIT", "1E"),
    ],
)
def test_a_malformed_value_of_piggys_says_where_it_stands(
    accounts: Accounts, key: str, variable: str, value: str
) -> None:
    """On the pod, or in the webhook's environment, which is somebody else's to mend."""
    asking = pod()
    asking["metadata"]["annotations"] = {"piggysec.com/aws-secret-name": "prod/orders"}
    asking["spec"]["containers"][0] |= {"command": ["/orders"], "env": [{"name": "A", "value": "piggy:A"}]}
    written = copy.deepcopy(asking)
    written["metadata"]["annotations"][f"piggysec.com/{key}"] = value
    plain, _ = parse_settings({"image": [IMAGE], "region": ["eu-west-1"]}, {})
    by_variable, _ = parse_settings({"image": [IMAGE], "region": ["eu-west-1"]}, {variable: value})

    of_pod, of_webhook = (
        review(admission_review(each), accounts=accounts, settings=settings).body["response"]["status"]["message"]
        for each, settings in ((written, plain), (asking, by_variable))
    )

    assert f": annotation piggysec.com/{key}: '{value}' is not valid: expected" in of_pod
    assert f": the webhook's variable {variable}: '{value}' is not valid: expected" in of_webhook
