"""The broker: piggy's proxy pods without a change, and who asks for what is not his is refused."""

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from contract.secrets import BROKER_AUDIENCE
from demo.cluster import cloud
from demo.cluster.kubectl import apply, get, kubectl, until
from demo.cluster.release import NAME, NAMESPACE, Images, Release
from demo.cluster.workload import ROLE_ARN, pod, revealing, service_account
from tests.e2e import vault
from tests.e2e.can_i import check_golden, may
from tests.e2e.pods import PATIENCE, told
from tests.e2e.silence import silent_namespace

ASKS = {"admission.token-injector/secrets": "true", "admission.token-injector/secret-identity": "broker"}
CLUSTER = {"admission.token-injector/mode": "cluster"}
ROLES = {name: f"arn:aws:iam::123456789012:role/broker-{name}" for name in ("a", "b")}
ADDRESS = f"{NAME}-broker.{NAMESPACE}.svc"
# Asks the broker with what it reads from stdin, as any process of a pod could.
_ASK = """
import http.client, json, ssl, sys
asked = json.load(sys.stdin)
tls = ssl.create_default_context(cadata=asked["ca"])
connection = http.client.HTTPSConnection(asked["host"], context=tls, timeout=30)
headers = {**asked["headers"], "Content-Type": "application/json"}
connection.request("POST", asked["path"], json.dumps(asked["body"]), headers)
answer = connection.getresponse()
print(json.dumps({"status": answer.status, "text": answer.read().decode()}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The broker's answer."""

    status: int
    text: str


@pytest.fixture(scope="module")
def place(secrets_release: Release, images: Images) -> Iterator[str]:
    """Pods a and b, each with a role of its own that reads one secret, and one that the shared role reads for."""
    with silent_namespace("broker") as name:
        issuer = cloud.trust_cluster()
        for each, role in ROLES.items():
            cloud.cluster_role(role, issuer=issuer, namespace=name, account=each, reads=[f"shop/{each}"])
            apply(service_account(name, each, {ROLE_ARN: role}))
            container = revealing(images.application, {"FOO": f"sm://shop/{each}#key"}, options=["--stay"])
            apply(pod(name, each, [container], account=each, annotations=ASKS | CLUSTER))
        apply(service_account(name, "granted", {}), service_account(name, "nobody", {}))
        for each in ("granted", "nobody"):
            container = revealing(images.application, {"FOO": "sm://shop/db#user"}, options=["--stay"])
            apply(pod(name, each, [container], account=each, annotations=ASKS))
        attacker = revealing(images.application, {}, options=["--stay"])
        apply(pod(name, "attacker", [attacker], account="nobody"))
        yield name


@pytest.fixture(scope="module")
def running(place: str) -> str:
    """Everybody who may has begun."""
    for name in ("a", "b", "granted", "attacker"):
        told(place, name)
    return place


def token(place: str, name: str, *, audience: str = BROKER_AUDIENCE) -> str:
    """What somebody would find in this pod."""
    account = get("pod", name, place)["spec"]["serviceAccountName"]
    bound = ["--bound-object-kind=Pod", f"--bound-object-name={name}"]
    return kubectl("create", "token", account, "-n", place, f"--audience={audience}", *bound).strip()


def ask(place: str, path: str, headers: Mapping[str, str], body: Mapping[str, Any]) -> Said:
    """The broker's answer to a pod that has nothing to do with whose token it shows."""
    bundle = get("mutatingwebhookconfiguration", NAME)["webhooks"][0]["clientConfig"]["caBundle"]
    ca = base64.b64decode(bundle).decode()
    given = json.dumps({"ca": ca, "host": ADDRESS, "path": path, "headers": headers, "body": body})
    command = ["exec", "-i", "-n", place, "attacker", "--", "python3", "-c", _ASK]
    return Said(**json.loads(kubectl(*command, given=given)))


def question(place: str, shown: str, *, references: list[str], role: str = "", web_identity_of: str = "") -> Said:
    """One over our own protocol."""
    body: dict[str, Any] = {"references": references, "region": "eu-west-1"}
    if role:
        body |= {"role_arn": role, "web_identity_token": token(place, web_identity_of, audience="sts.amazonaws.com")}
    return ask(place, "/v1/secrets", {"Authorization": f"Bearer {shown}"}, body)


@pytest.mark.parametrize("name", ["a", "b"])
def test_a_pod_has_what_its_own_role_reads(name: str, running: str) -> None:
    """The broker exchanges the pod's token, and holds no permission of its own for it."""
    (said,) = told(running, name)
    assert said["variables"] == vault.revealed({"FOO": vault.SECRETS[f"shop/{name}"]["json"]["key"]})


def test_a_pod_without_a_role_has_what_a_grant_gives(running: str) -> None:
    """By the broker's shared role."""
    (said,) = told(running, "granted")
    assert said["variables"] == vault.revealed({"FOO": vault.DATABASE["user"]})


def test_a_stolen_token_reads_what_its_own_pod_may_and_nothing_else(running: str) -> None:
    """The token of pod a, with names and role of pod b, from a third pod."""
    stolen = token(running, "a")
    own = question(running, stolen, references=["sm://shop/a#key"], role=ROLES["a"], web_identity_of="a")
    assert vault.CANARY in own.text

    for role in ROLES.values():
        said = question(running, stolen, references=["sm://shop/b#key"], role=role, web_identity_of="a")
        assert vault.CANARY not in said.text
        assert "access_denied" in said.text, said
    shared = question(running, stolen, references=["sm://shop/b#key", "sm://shop/db#user"])
    assert vault.CANARY not in shared.text
    assert "access_denied" in shared.text, shared


@pytest.mark.parametrize("audience", ["https://kubernetes.default.svc", "sts.amazonaws.com"])
def test_a_token_for_somebody_else_is_refused(audience: str, running: str) -> None:
    """The one that every pod has for the API server, and the one for AWS."""
    said = question(running, token(running, "granted", audience=audience), references=["sm://shop/db#user"])
    assert (said.status, vault.CANARY in said.text) == (401, False)


def test_a_token_of_no_pod_is_refused(running: str) -> None:
    """Of the right service account and audience, but not projected into a pod."""
    loose = kubectl("create", "token", "granted", "-n", running, f"--audience={BROKER_AUDIENCE}").strip()
    said = question(running, loose, references=["sm://shop/db#user"])
    assert (said.status, vault.CANARY in said.text) == (403, False)


def test_the_token_of_a_deleted_pod_is_refused(running: str, images: Images) -> None:
    """At once, although it would live for an hour."""
    container = revealing(images.application, {"FOO": "sm://shop/db#user"}, options=["--stay"])
    apply(pod(running, "short", [container], account="granted", annotations=ASKS))
    told(running, "short")
    kept = token(running, "short")
    assert vault.CANARY in question(running, kept, references=["sm://shop/db#user"]).text

    kubectl("delete", "pod", "-n", running, "short", "--wait=true", seconds=60)
    said = question(running, kept, references=["sm://shop/db#user"])
    assert said.status in (401, 403)
    assert vault.CANARY not in said.text


def test_a_replayed_uid_reads_nothing(running: str, images: Images) -> None:
    """Piggy's protocol: uid and signature of a pod, with another pod's token; its own pod is answered."""
    replayed = {"piggysec.com/aws-secret-name": "shop/db", "piggysec.com/piggy-uid": json.dumps({"u" * 32: "s" * 64})}
    # As piggy's own webhook left it: a pod that is there already, in which nothing is to be resolved.
    container = revealing(images.application, {}, options=["--stay"])
    for name, account in (("old", "granted"), ("thief", "granted")):
        apply(pod(running, name, [container], account=account, annotations=replayed if name == "old" else {}))
        told(running, name)
    body = {"resources": "pods", "name": "old", "uid": "u" * 32, "signature": "s" * 64}
    for_all = "https://kubernetes.default.svc.cluster.local"

    own = ask(running, "/secret", {"X-Token": token(running, "old", audience=for_all)}, body)
    assert json.loads(own.text)["user"] == vault.DATABASE["user"]
    for thief in ("thief", "attacker"):
        said = ask(running, "/secret", {"X-Token": token(running, thief, audience=for_all)}, body)
        assert (said.status, vault.CANARY in said.text) == (400, False)
    again = ask(running, "/secret", {"X-Token": token(running, "old", audience=for_all)}, {**body, "uid": "v" * 32})
    assert (again.status, vault.CANARY in again.text) == (400, False)


def test_a_pod_that_no_grant_names_does_not_start_and_says_why(place: str) -> None:
    """The shared role denies by default."""
    said = until("the reason", lambda: _refusal(place, "nobody"), seconds=PATIENCE)
    assert "sm://shop/db" in said
    (status,) = get("pod", "nobody", place)["status"]["containerStatuses"]
    assert "waiting" in status["state"]


def _refusal(place: str, name: str) -> str | None:
    """The injected container's last words, when they are about a grant."""
    (status,) = get("pod", name, place)["status"]["initContainerStatuses"]
    ended = status["state"].get("terminated") or status["lastState"].get("terminated") or {}
    message: str = ended.get("message", "")
    return message if "grant" in message else None


def test_the_broker_may_review_tokens_and_look_at_pods(place: str) -> None:
    """And nothing else; no Secret of the cluster is its business."""
    check_golden(f"{NAME}-broker")
    for verb in ("get", "list", "watch", "create"):
        assert not may("broker", verb, "secrets", "--all-namespaces")
