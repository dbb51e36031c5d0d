"""piggy's pods as they are: no label, no change, and the value is in the variable, whoever reads and delivers it."""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import pytest

from demo.cluster import cloud
from demo.cluster.kubectl import apply
from demo.cluster.release import Images, Release
from demo.cluster.workload import RESTRICTED, ROLE_ARN, pod, revealing, service_account, unlabelled
from tests.e2e import bare_image, vault
from tests.e2e.conftest import ROLE
from tests.e2e.pods import ended, lines
from tests.e2e.silence import silent_namespace

DELIVERY = "admission.token-injector/secret-delivery"
OWN_ROLE = "arn:aws:iam::123456789012:role/brought-along"
NAME = {"piggysec.com/aws-secret-name": "shop/db"}
STANDALONE = NAME | {"piggysec.com/standalone": "true"}
PROXY = NAME | {"piggysec.com/piggy-address": "https://piggy-webhooks.piggy-webhooks.svc.cluster.local"}
# By mode: annotations, and the service account.
MODES: Mapping[str, tuple[dict[str, str], str]] = {
    "direct": (NAME, "app"),
    "standalone": (STANDALONE, "app"),
    "standalone-own-token": (STANDALONE, "own"),
    "proxy": (PROXY, "app"),
    "proxy-shared-role": (PROXY, "granted"),
}
BELOW_PATH = {"piggysec.com/aws-ssm-parameter-path": "/shop/api"}
CASES = [*product(MODES, ("envfile", "launcher"), ("command", "bare"))]
WANTED = {"FOO": "piggy:password"}


@pytest.fixture(scope="module")
def bare(images: Images) -> str:
    """An image of one program, with an entrypoint that nobody wrote into the pod."""
    return bare_image.push(images.prefix)


@pytest.fixture(scope="module")
def place(secrets_release: Release, images: Images, bare: str) -> Iterator[str]:
    """A restricted namespace with a pod of each case."""
    with silent_namespace("piggy") as name:
        cloud.cluster_role(OWN_ROLE, issuer=cloud.trust_cluster(), namespace=name, account="own")
        apply(service_account(name, "app", {ROLE_ARN: ROLE}), service_account(name, "own", {}))
        apply(service_account(name, "granted", {}))
        pods = []
        for mode, delivery, start in CASES:
            annotations, account = MODES[mode]
            container = revealing(images.application, WANTED) if start == "command" else bare_container(bare)
            made = pod(
                name,
                f"{mode}-{delivery}-{start}",
                [container],
                account=account,
                annotations={**annotations, DELIVERY: delivery},
            )
            pods.append(unlabelled(with_own_token(made) if account == "own" else made))
        of_parameters = revealing(images.application, {"FOO": "piggy:key"})
        pods.append(unlabelled(pod(name, "parameters", [of_parameters], annotations=BELOW_PATH)))
        apply(*pods)
        yield name


def bare_container(image: str) -> dict[str, Any]:
    """No command, no arguments."""
    env = [{"name": name, "value": value} for name, value in WANTED.items()]
    return {"name": "app", "image": image, "env": env, "securityContext": {**RESTRICTED, "runAsUser": 10001}}


def with_own_token(made: dict[str, Any]) -> dict[str, Any]:
    """As for another tool, or by hand: the container's role, its token file, and the volume on which it is."""
    folder = "/var/run/secrets/own"
    source = {"serviceAccountToken": {"audience": "sts.amazonaws.com", "path": "token"}}
    made["spec"]["volumes"] = [{"name": "own", "projected": {"sources": [source]}}]
    for container in made["spec"]["containers"]:
        container["env"] += [
            {"name": "AWS_ROLE_ARN", "value": OWN_ROLE},
            {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": f"{folder}/token"},
        ]
        container["volumeMounts"] = [{"name": "own", "mountPath": folder}]
    return made


@pytest.mark.parametrize(("mode", "delivery", "start"), CASES)
def test_the_value_is_in_the_variable(mode: str, delivery: str, start: str, place: str) -> None:
    """The application is process 1 under its own name, with the value in FOO."""
    name = f"{mode}-{delivery}-{start}"
    ended(place, name)
    (said,) = lines(place, name)

    assert said["pid"] == 1
    if start == "command":
        assert said["variables"] == vault.revealed({"FOO": vault.DATABASE["password"]})
    else:
        assert said["variables"]["FOO"] == vault.bare_hash(vault.DATABASE["password"])
        assert said["arguments"] == [vault.bare_hash(word) for word in (bare_image.ENTRYPOINT, bare_image.CMD)]
        assert said["uid"] == 10001


def test_a_parameter_below_a_path(place: str) -> None:
    """The other annotation that names a source: the pod is sent, and the last part of a name is the key."""
    ended(place, "parameters")
    (said,) = lines(place, "parameters")
    assert said["variables"] == vault.revealed({"FOO": vault.PARAMETERS["/shop/api/key"]})
