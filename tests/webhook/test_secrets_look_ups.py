"""What is asked outside while a pod is reviewed, and in whose name; and that most pods cost no question."""

from collections.abc import Mapping
from typing import Any

import jsonpatch
import pytest

from contract import annotations as keys
from tests.webhook.cases import NAMESPACE
from webhook.decision import Deny
from webhook.entrypoint.manifest import Entrypoint
from webhook.entrypoint.question import Failure, PullSecret, Wanted
from webhook.mutate import Mutation, mutate
from webhook.secrets.look_ups import LookUps, LookUpUnavailableError
from webhook.settings import Settings, parse_settings

ACCOUNT = {keys.ROLE_ARN: "arn:aws:iam::123456789012:role/orders", keys.REGION: "eu-west-1"}
LAUNCHER: Settings = parse_settings({"image": ["injector"], "kubelet-version-floor": ["1.34"]}, {})[0]
REFERENCE = {"name": "A", "value": "sm://prod/db#a"}
IMAGE = "registry.example/orders:1"


class Outside:
    """Both look-ups; remembers what it was asked."""

    def __init__(self) -> None:
        self.config_maps: list[tuple[str, str]] = []
        self.images: list[Wanted] = []
        self.is_away = False

    def data(self, namespace: str, name: str) -> Mapping[str, str]:
        """Every ConfigMap holds a reference."""
        self.config_maps.append((namespace, name))
        if self.is_away:
            raise LookUpUnavailableError(f"ConfigMap {namespace}/{name} can't be read now: retry")
        return {"B": "sm://prod/db#b"}

    def look_up(self, wanted: Wanted) -> Entrypoint | Failure:
        """Every image starts the same."""
        self.images.append(wanted)
        return Entrypoint(("/app",), ())


@pytest.fixture
def outside() -> Outside:
    """Nothing asked yet."""
    return Outside()


def pod(*env: dict[str, Any], annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    """A labelled pod with a container without command."""
    container = {"name": "app", "image": IMAGE, "env": list(env), **spec.pop("container", {})}
    metadata = {"name": "orders", "labels": {keys.ENABLED_LABEL: "true"}, "annotations": annotations or {}}
    return {"metadata": metadata, "spec": {"serviceAccountName": "orders", "containers": [container], **spec}}


def reviewed(outside: Outside, pod: dict[str, Any]) -> Mutation:
    """The pod under review."""
    look_ups = LookUps(config_maps=outside, entrypoints=outside)
    return mutate(pod, NAMESPACE, ACCOUNT, LAUNCHER, seed="uid", look_ups=look_ups)


@pytest.mark.parametrize(
    "container",
    [
        {},
        {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "x", "key": "y"}}}]},
        {"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "x", "key": "y"}}}]},
        {"envFrom": [{"configMapRef": {"name": "x"}}, {"secretRef": {"name": "x"}}]},
        {"env": [{"name": "A", "value": "https://prod/db"}]},
    ],
)
def test_the_label_alone_asks_nothing(outside: Outside, container: dict[str, Any]) -> None:
    """A pod that uses Secrets and ConfigMaps as it always did is reviewed as it always was."""
    mutation = reviewed(outside, pod(container=container))

    assert mutation.patch
    assert not any(operation["path"].endswith("/command") for operation in mutation.patch)
    assert (outside.config_maps, outside.images) == ([], [])


def test_config_maps_are_asked_for_once(outside: Outside) -> None:
    """Two containers and three references to one ConfigMap are one question, in the pod's namespace."""
    container = {
        "command": ["/app"],
        "env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "B"}}}],
        "envFrom": [{"configMapRef": {"name": "settings"}}, {"configMapRef": {"name": "more"}}],
    }
    wanted = pod(container=container, annotations={keys.SECRETS: "true"})
    wanted["spec"]["initContainers"] = [{**wanted["spec"]["containers"][0], "name": "migrate"}]

    reviewed(outside, wanted)

    assert outside.config_maps == [(NAMESPACE, "settings"), (NAMESPACE, "more")]


def test_skipped_containers_are_not_asked_about(outside: Outside) -> None:
    """Neither their ConfigMaps nor their images."""
    container = {"envFrom": [{"configMapRef": {"name": "settings"}}]}

    reviewed(
        outside,
        pod(REFERENCE, container=container, annotations={keys.SECRETS: "true", keys.SKIP_CONTAINERS: "app"}),
    )

    assert (outside.config_maps, outside.images) == ([], [])


def test_an_api_server_that_is_away_denies_for_now(outside: Outside) -> None:
    """503, so that whoever made the pod tries again; the words are the look-up's."""
    outside.is_away = True
    container = {"envFrom": [{"configMapRef": {"name": "settings"}}]}

    decision = reviewed(outside, pod(container=container, annotations={keys.SECRETS: "true"})).decision

    assert isinstance(decision, Deny)
    assert (decision.reason, decision.code) == ("unavailable", 503)
    assert "ConfigMap shop/settings can't be read now: retry" in decision.message


def test_an_image_is_asked_about_on_the_pods_behalf(outside: Outside) -> None:
    """With its pull secrets, service account, pull policy and architecture."""
    reviewed(
        outside,
        pod(
            REFERENCE,
            container={"imagePullPolicy": "Always"},
            imagePullSecrets=[{"name": "registry-key"}],
            nodeSelector={"kubernetes.io/arch": "arm64"},
        ),
    )

    assert outside.images == [
        Wanted(
            image=IMAGE,
            pull_policy="Always",
            namespace=NAMESPACE,
            service_account="orders",
            pull_secrets=(PullSecret(namespace=NAMESPACE, name="registry-key"),),
            architecture="arm64",
        )
    ]


def test_piggys_pull_secret_is_handed_on(outside: Outside) -> None:
    """Behind the pod's own, with the namespace that its author names; who may read it is the operator's say."""
    annotations = {
        keys.PIGGY_SECRET_NAME: "prod/db",
        keys.PIGGY_IMAGE_PULL_SECRET: "piggy-key",
        keys.PIGGY_IMAGE_PULL_SECRET_NAMESPACE: "keys",
    }

    reviewed(outside, pod(REFERENCE, annotations=annotations, imagePullSecrets=[{"name": "own"}]))

    [wanted] = outside.images
    assert wanted.pull_secrets == (
        PullSecret(namespace=NAMESPACE, name="own"),
        PullSecret(namespace="keys", name="piggy-key"),
    )


@pytest.mark.parametrize(
    ("terms", "architecture"),
    [
        ([["arm64"]], "arm64"),
        ([["arm64"], ["arm64"]], "arm64"),
        ([["arm64"], ["amd64"]], None),
        ([["arm64", "amd64"]], None),
        ([["arm64"], None], None),
        ([], None),
    ],
)
def test_the_architecture_is_the_only_one_that_the_pod_accepts(
    outside: Outside, terms: list[list[str] | None], architecture: str | None
) -> None:
    """Node affinity accepts a node that fulfils any of its terms."""
    selected = [
        {"matchExpressions": [{"key": "kubernetes.io/arch", "operator": "In", "values": term}] if term else []}
        for term in terms
    ]
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": selected}}}

    reviewed(outside, pod(REFERENCE, affinity=affinity))

    assert [wanted.architecture for wanted in outside.images] == [architecture]


@pytest.mark.parametrize(
    ("container", "annotation"),
    [({"command": ["/app"]}, None), ({}, '["/app"]'), ({"command": ["/app"]}, '["/other"]')],
)
def test_who_says_what_starts_is_not_asked(outside: Outside, container: dict[str, Any], annotation: str | None) -> None:
    """A command, or else the annotation; a command wins."""
    annotations = {f"{keys.ENTRYPOINT_PREFIX}app": annotation} if annotation else {}

    mutation = reviewed(outside, pod(REFERENCE, container=container, annotations=annotations))

    [command] = [operation["value"] for operation in mutation.patch if operation["path"].endswith("/command")]
    assert command[command.index("--") :] == ["--", "/app"]
    assert outside.images == []


def test_a_pod_that_comes_back_asks_nothing(outside: Outside) -> None:
    """Its command stands behind the launcher already."""
    wanted = pod(REFERENCE)
    once = reviewed(outside, wanted)

    twice = reviewed(outside, jsonpatch.apply_patch(wanted, once.patch))

    assert len(outside.images) == 1
    assert twice.patch == []
