"""`explain`: what is injected and why, for people and programs; and the permissions that the role needs."""

import json
from typing import Any

import pytest

from contract import annotations as keys
from ctl.explanation import _READERS, explain
from ctl.manifest import read_documents, write_document
from ctl.render import render
from tests.ctl.commands import GOLDEN, Finished, golden, run
from tests.ctl.test_check import FLOOR, SECRETS, check, pod, variable
from tests.ctl.test_inject import ACCOUNT, manifest
from webhook.settings import parse_settings

MANIFESTS = GOLDEN / "secrets.yaml"


def explained(*objects: Any, flags: tuple[str, ...] = ()) -> Finished:
    """Explain these objects, and the service account, from standard input."""
    stream = "---\n".join(write_document(one) for one in (ACCOUNT, *objects))
    return run("explain", "-f", "-", *flags, stdin=stream)


@pytest.mark.parametrize("form", ["text", "json", "policy"])
@pytest.mark.parametrize("floor", ["1.35", "1.33"])
def test_each_form(form: str, floor: str) -> None:
    """Two deliveries, three forms; the policy is the same by both."""
    finished = run("explain", "-f", str(MANIFESTS), f"--kubelet-version-floor={floor}", "-o", form)

    assert (finished.code, finished.err) == (0, "")
    name = f"explained-{floor}.{'txt' if form == 'text' else form}"
    assert finished.out == golden(f"{name}.json" if form == "policy" else name, finished.out)


def facts(template: Any, *flags: str) -> dict[str, Any]:
    """Of one pod, as programs get them."""
    finished = explained(manifest("Pod", template), flags=(*flags, "-o", "json"))
    [found] = json.loads(finished.out)
    return dict(found)


def annotated(**more: str) -> dict[str, str]:
    """Annotations of a pod that asks for secrets."""
    return {SECRETS: "true", **{f"{keys.PREFIX}{name.replace('_', '-')}": value for name, value in more.items()}}


ENV = [variable("sm://db#a")]
FROM_SECRET = {"envFrom": [{"secretRef": {"name": "more"}}]}


@pytest.mark.parametrize(
    ("template", "flags", "delivery", "because"),
    [
        (pod(ENV), (FLOOR,), "envfile", "kubelets are 1.35 or newer, which know env files"),
        (pod(ENV, annotated(secret_delivery="envfile")), (FLOOR,), "envfile", "annotation admission.token-injector/"),
        (pod(ENV), ("--kubelet-version-floor=1.34",), "socket", "kubelets may be 1.34, and env files need 1.35; by"),
        (pod(ENV), ("--kubelet-version-floor=1.28",), "env", "kubelets may be 1.28, and env files need 1.35; by"),
        (pod(ENV, annotated(secret_delivery="launcher")), (FLOOR,), "socket", "annotation admission.token-injector/"),
        (pod(ENV), (FLOOR, "--secret-delivery=launcher"), "socket", "the webhook's --secret-delivery says launcher"),
        (pod(ENV, annotated(secret_rotation="restart")), (FLOOR,), "socket", "rotation by restart needs the launcher"),
        (pod(ENV, **FROM_SECRET), (FLOOR,), "socket", "variables come from Secrets"),
        (pod(ENV, **FROM_SECRET), (FLOOR, "--refresher=none"), "env", "variables come from Secrets"),
        (pod([variable("sm://db#a", "A B")]), (FLOOR,), "socket", "no env file can hold a variable of such a name"),
    ],
)  # fmt: skip
def test_why_a_delivery(template: Any, flags: tuple[str, ...], delivery: str, because: str) -> None:
    """Each row of the webhook's table, with what decided; who sees the values stands beside it."""
    template["spec"]["containers"][0]["command"] = ["/app"]

    [container] = facts(template, *flags)["containers"]

    assert container["delivery"] == delivery
    assert container["because"].startswith(because)
    assert container["readers"] == _READERS[container["delivery"]]


def test_who_reads() -> None:
    """The pod's role, the broker with it, and the author's own."""
    own = [
        variable("arn:aws:iam::123456789012:role/own", "AWS_ROLE_ARN"),
        variable("/token/t", "AWS_WEB_IDENTITY_TOKEN_FILE"),
        *ENV,
    ]
    mounted = {"volumeMounts": [{"name": "t", "mountPath": "/token"}]}
    template = pod(own, **mounted)
    template["spec"] |= {"serviceAccountName": "other", "volumes": [{"name": "t", "emptyDir": {}}]}
    region = "--region=eu-west-1"

    direct = facts(pod(ENV), FLOOR)
    broker = facts(pod(ENV, annotated(secret_identity="broker")), FLOOR, "--broker-address=https://broker")
    authors = facts(template, FLOOR, region)
    shared = pod(ENV, annotated(secret_identity="broker"))
    shared["spec"]["serviceAccountName"] = "other"
    shared = facts(shared, FLOOR, region, "--broker-address=https://broker")

    assert direct["reader"] == "the injected container, with the pod's role"
    assert direct["role"] == ACCOUNT["metadata"]["annotations"]["amazonaws.com/role-arn"]
    assert broker["reader"] == "the broker https://broker, with the pod's own role"
    assert authors["reader"].endswith("the token that the container's author brought")
    assert authors["role"] == "arn:aws:iam::123456789012:role/own"
    assert shared["reader"] == "the broker https://broker, with its shared role, where a rule allows it"
    assert shared["role"] == ""
    assert shared["permissions"]["Statement"][0]["Resource"] == ["arn:aws:secretsmanager:eu-west-1:*:secret:db-??????"]


def test_pods_that_are_left_alone() -> None:
    """And why: no label, a label of false, nothing that refers to anything; a denial in the webhook's words."""
    plain = facts(pod(annotations={}))
    off = facts({**pod(annotations={}), "metadata": {"labels": {"admission.token-injector/enabled": "false"}}})
    no_source = facts(pod([variable("piggy:a")], annotations={"piggysec.com/standalone": "true"}))
    nothing = facts(pod([variable("text")]))
    denied = explained(manifest("Pod", pod([variable("sm://")])))

    assert plain["because"] == (
        "it has neither the label admission.token-injector/enabled, nor an annotation that asks for secrets"
    )
    assert no_source["because"] == plain["because"]
    assert off["because"] == "the label admission.token-injector/enabled says false"
    assert nothing["because"] == "nothing in it refers to a secret"
    assert denied.code == 1
    assert denied.out.startswith("Pod/shop/web: denied: pod shop/web: container 'app', variable A: the reference is")


def test_who_asked() -> None:
    """What is switched off by hand asks for nothing."""
    off = {SECRETS: "false", keys.PIGGY_SECRET_NAME: "db"}
    labels = {keys.ENABLED_LABEL: "False"}
    template = pod([variable("piggy:a")], annotations=off)
    both = pod(ENV, annotations={SECRETS: "true", keys.PIGGY_SECRET_NAME: "db"})

    assert facts(template, FLOOR)["because"] == f"the pod has the annotation {keys.PIGGY_SECRET_NAME}"
    template["metadata"]["labels"] = labels
    assert facts(template, FLOOR)["because"] == f"the pod has the annotation {keys.PIGGY_SECRET_NAME}"
    assert facts(both, FLOOR)["because"] == (
        f"the pod has the annotation {SECRETS} and the annotation {keys.PIGGY_SECRET_NAME}"
    )


def test_every_reason_to_leave_a_pod_alone_is_explained() -> None:
    """No KeyError for a pod of any golden case."""
    settings = parse_settings({"image": ["i"]}, {})[0]
    for template in (pod(), pod(annotations={}), manifest("Pod")):
        text = write_document(template if "kind" in template else manifest("Pod", template))
        for one in render(read_documents(text, "test"), {}, settings, {}, namespace=None, registries="assumed"):
            assert explain(one, settings).because


def test_the_policy_of_one_role_alone() -> None:
    """Two roles are two policies: nobody gets the other's; without secrets there is none."""
    other = {**ACCOUNT, "metadata": {**ACCOUNT["metadata"], "name": "other"}}
    other["metadata"]["annotations"] = {"amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/other",
                                        "admission.token-injector/region": "eu-west-1"}  # fmt: skip
    second = pod(ENV)
    second["spec"]["serviceAccountName"] = "other"

    both = explained(other, manifest("Pod", pod(ENV)), manifest("Pod", second, name="b"), flags=(FLOOR, "-o", "policy"))
    none = explained(manifest("Pod"), flags=("-o", "policy"))

    assert (both.code, both.out) == (2, "")
    assert "these pods read with 2 roles: give the files of one" in both.err
    assert (none.code, none.out) == (2, "")
    assert "no pod here reads secrets" in none.err


def test_a_denied_pod_has_no_policy() -> None:
    """It is told why, not that it reads nothing."""
    denied = pod([{"name": "VALUE", "value": "sm://db?#"}])

    finished = explained(manifest("Pod", denied), flags=(FLOOR, "-o", "policy"))

    assert (finished.code, finished.out) == (2, "")
    assert "-o policy: Pod/" in finished.err
    assert " is denied: " in finished.err


def test_warnings_are_told_too() -> None:
    """On standard error, as inject tells them."""
    finished = explained(manifest("Pod", pod(ENV)), flags=("--kubelet-version-floor=1.34",))

    assert "Pod/shop/web: warning: container app: its command is that of its image as it is now" in finished.err
    assert "<the entrypoint of the image>" in finished.out
    assert check(manifest("Pod", pod(ENV)), flags=("--kubelet-version-floor=1.34",)).code == 0
