"""Hypothesis strategies: pods as authors, other webhooks, the seed and earlier reviews of ours leave them.

Pods are valid against Kubernetes' schema, nulls included, unless `future_fields` says otherwise.
"""

import copy
import functools
from typing import Any

import jsonpatch
from hypothesis import strategies as st

from contract import annotations as keys
from contract import environ
from contract.pod import GENERATE_CONTAINER, UPDATE_CONTAINER, VOLUME_NAME, VOLUME_PATH
from tests.webhook.cases import IMAGE
from webhook.entrypoint.manifest import Entrypoint
from webhook.entrypoint.question import Failure, Wanted
from webhook.mutate import mutate
from webhook.secrets.look_ups import LookUps, Missing
from webhook.settings import Settings, parse_settings

Pod = dict[str, Any]

NAMESPACE = "shop"
ROLES = ("arn:aws:iam::123456789012:role/orders", "arn:aws-cn:iam::210987654321:role/shop/$(HOME)/reports")
DRAWN_NAMES = ("token-injector-webhook-aaaaaaaaaaaaaaaa", "token-injector-webhook-bbbbbbbbbbbbbbbb")
REFERENCES = ("sm://prod/db#a", "x${ssm:///prod/b|trim}", "piggy:c", "arn:aws:s3:::bucket", "sm://")
SECRET_ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-a1B2c3"
TOKEN_FILES = (f"{VOLUME_PATH}/token", f"{VOLUME_PATH}/other", "/aws/token", "/own/token")

# Valid and malformed values of each annotation; role-arn is drawn apart, as without one nothing happens.
VALUES: dict[str, tuple[str, ...]] = {
    keys.MODE: ("google", "cluster", "aws"),
    keys.AUDIENCE: ("sts.amazonaws.com", "a$(HOME)b", "two words"),
    keys.TOKEN_EXPIRATION: ("600", "86400", "3600", "1h"),
    keys.REGION: ("eu-west-1", "us-gov-west-1", "mars"),
    keys.STS_REGIONAL_ENDPOINTS: ("regional", "legacy", "true", "false", "global"),
    keys.SESSION_NAME: ("{namespace}.{serviceaccount}", "x" * 80, "x", "{cluster}", "{pod}"),
    keys.SKIP_CONTAINERS: ("app", "app,worker", "", "none-of-them", "a;b"),
    keys.REFRESHER: ("auto", "native", "sidecar", "none", "both"),
    keys.VOLUME_PATH: ("/aws", VOLUME_PATH, "aws"),
    keys.TOKEN_FILE: ("token", "other", "../token"),
    keys.CPU_REQUEST: ("5m", "1", "five"),
    keys.CPU_LIMIT: ("none", "100m", "1m"),
    keys.MEMORY_REQUEST: ("16Mi", "1Gi"),
    keys.MEMORY_LIMIT: ("none", "64Mi", "1Mi"),
    keys.SECRETS: ("true", "arns", "false", "yes"),
    keys.SECRET_DELIVERY: ("auto", "envfile", "launcher"),
    keys.SECRET_IDENTITY: ("direct", "broker"),
    keys.SECRET_ROTATION: ("none", "file", "signal:HUP", "restart"),
    keys.SECRET_UNRESOLVED: ("keep", "fail"),
    keys.SECRET_FILES_PATH: ("/files", "/tmp"),
    f"{keys.SECRET_FILE_PREFIX}key": ("sm://prod/tls#key", "no reference"),
    f"{keys.ENTRYPOINT_PREFIX}app": ('["/app", "$(A)"]', "[]"),
    keys.PIGGY_SECRET_NAME: ("prod/db", ""),
    keys.PIGGY_ADDRESS: ("https://piggy.example",),
    keys.PIGGY_STANDALONE: ("true", "maybe"),
    keys.PIGGY_DEBUG: ("true",),
    keys.EKS_ROLE_ARN: ROLES,
    keys.EKS_AUDIENCE: ("sts.amazonaws.com",),
    keys.EKS_TOKEN_EXPIRATION: ("86400", "1"),
    keys.EKS_STS_REGIONAL_ENDPOINTS: ("true", "false"),
    keys.EKS_SKIP_CONTAINERS: ("worker",),
    "example.com/note": ("ü", "$(NOTE)", ""),
    "example.org/db": ("sm://prod/db#note", "piggy:$$(A)", "plain: text"),
}

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@functools.cache
def all_settings() -> tuple[Settings, ...]:
    """Operators' choices that change what is injected."""
    choices: tuple[dict[str, list[str]], ...] = (
        {},
        {"region": ["eu-west-1"], "image-pull-secret": ["registry-key"], "injector-env": ["A=1"]},
        {"kubelet-version-floor": ["1.28"]},
        {"mode": ["cluster"], "missing-role": ["deny"]},
        {"refresher": ["none"], "refresher-program": ["python"], "session-name": ["{namespace}.{cluster}"]},
        {"kubelet-version-floor": ["1.36"], "region": ["eu-west-1"], "broker-address": ["https://broker.webhook.svc"]},
        {"kubelet-version-floor": ["1.28"], "region": ["eu-west-1"], "broker-address": ["https://broker.webhook.svc"]},
    )
    environs: tuple[dict[str, str], ...] = ({}, {"AWS_SECRET_NAME": "prod/default", "PIGGY_IGNORE_NO_ENV": "true"})
    return tuple(
        parse_settings({"image": [IMAGE], "cluster-name": ["prod/eu"], **choice}, environ)[0]
        for choice in choices
        for environ in environs
    )


class _ConfigMaps:
    """One ConfigMap with references, one that nobody may read, and no other."""

    def data(self, namespace: str, name: str) -> dict[str, str] | Missing:
        """What it holds."""
        assert namespace == NAMESPACE
        known: dict[str, dict[str, str] | Missing] = {
            "settings": {"A": "sm://prod/db#a", "REF": "plain", "P": "piggy:p", "D": "$$(A) $(A) ${sm://prod/d}"},
            "private": "forbidden",
        }
        return known.get(name, "absent")


class _Images:
    """Every image starts the same, but one is not known."""

    def look_up(self, wanted: Wanted) -> Entrypoint | Failure:
        """What it starts."""
        if wanted.image.endswith(":unknown"):
            return Failure(f"image {wanted.image!r}: nobody knows")
        return Entrypoint(("/entry", "$HOME"), ("serve",))


LOOK_UPS = LookUps(config_maps=_ConfigMaps(), entrypoints=_Images())


def settings() -> st.SearchStrategy[Settings]:
    """One operator's choice."""
    return st.sampled_from(all_settings())


@st.composite
def annotations(draw: st.DrawFn, *, with_role: bool = True) -> dict[str, str]:
    """A few annotations; most of them valid."""
    chosen = draw(st.lists(st.sampled_from(sorted(VALUES)), max_size=3, unique=True))
    drawn = {key: draw(st.sampled_from(VALUES[key])) for key in chosen}
    if with_role:
        drawn[keys.ROLE_ARN] = draw(st.sampled_from(ROLES))
    return drawn


_ENTRIES: dict[str, tuple[str, ...]] = {
    environ.AWS_WEB_IDENTITY_TOKEN_FILE: TOKEN_FILES,
    environ.AWS_REGION: ("eu-west-1", "us-east-1", "$(SITE)", ""),
    environ.AWS_DEFAULT_REGION: ("eu-west-1", "us-east-1", "$(SITE)", ""),
    environ.AWS_STS_REGIONAL_ENDPOINTS: ("regional", "legacy"),
    environ.AWS_ROLE_ARN: ROLES,
    environ.AWS_ROLE_SESSION_NAME: (*DRAWN_NAMES, "orders"),
    environ.AWS_ACCESS_KEY_ID: ("AKIAIOSFODNN7EXAMPLE",),
    environ.AWS_PROFILE: ("production",),
    "A": ("$(AWS_ROLE_ARN)", "ü", ""),
    "SITE": ("eu-west-3", "us-east-1"),
    "REF": (*REFERENCES, "plain"),
    "B": (*REFERENCES, "$(REF)", "x$(A)"),
    "E": ("$${sm://prod/db}", "x$$(A) $$$$(B)", "$$(A) ${sm://prod/db#user}", "sm", "$(E)://prod/db"),
}


@st.composite
def entries(draw: st.DrawFn) -> dict[str, Any]:
    """An entry of env: one of ours, one that SDKs prefer, or another."""
    name = draw(st.sampled_from(sorted(_ENTRIES)))
    sources: tuple[dict[str, Any], ...] = (
        {},
        {"value": None},
        {"valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['example.org/db']"}}},
        {"valueFrom": {"secretKeyRef": {"name": "aws", "key": "region"}}},
        {"valueFrom": {"configMapKeyRef": {"name": "settings", "key": "A"}}},
        {"valueFrom": {"configMapKeyRef": {"name": "private", "key": "A", "optional": True}}},
    )
    usual = tuple({"value": value} for value in _ENTRIES[name])
    return {"name": name, **draw(st.sampled_from(usual * 3 + sources))}


def mounts() -> st.SearchStrategy[dict[str, Any]]:
    """Mounts of some volume, rarely where the token goes."""
    names = st.sampled_from(("data", "tmp", "data", "tmp", VOLUME_NAME))
    paths = st.sampled_from(("/data", "/tmp", "/data/more", "/var/run", "/aws", VOLUME_PATH, f"{VOLUME_PATH}/"))
    extra = {"readOnly": st.booleans(), "subPath": st.just("x"), "mountPropagation": st.none()}
    return st.fixed_dictionaries({"name": names, "mountPath": paths}, optional=extra)


def volumes() -> st.SearchStrategy[dict[str, Any]]:
    """Volumes of several kinds, one of them with our name."""
    sources: list[dict[str, Any]] = [
        {"emptyDir": {}},
        {"emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
        {"secret": {"secretName": "aws"}},
        {"persistentVolumeClaim": {"claimName": "data"}},
    ]
    names = st.sampled_from(("data", "tmp", VOLUME_NAME))
    return st.builds(lambda name, source: {"name": name, **source}, names, st.sampled_from(sources))


_ENV_FROM: tuple[dict[str, Any], ...] = (
    {"secretRef": {"name": "aws"}},
    {"prefix": "S_", "secretRef": {"name": "aws", "optional": True}},
    {"configMapRef": {"name": "settings"}},
    {"prefix": "M_", "configMapRef": {"name": "private"}},
)


def _lists(elements: st.SearchStrategy[dict[str, Any]], most: int) -> st.SearchStrategy[list[dict[str, Any]] | None]:
    return st.none() | st.lists(elements, max_size=most)


def containers(*, init: bool) -> st.SearchStrategy[dict[str, Any]]:
    """A container without name."""
    optional: dict[str, st.SearchStrategy[Any]] = {
        "command": st.lists(words, max_size=2),
        "env": _lists(entries(), 6),
        "args": st.sampled_from(([], ["serve"], ["$(REF)"])),
        "envFrom": st.lists(st.sampled_from(_ENV_FROM), max_size=2),
        "volumeMounts": _lists(mounts(), 3),
        "securityContext": st.sampled_from(({}, {"runAsUser": 0}, None)),
        "resources": st.just({"limits": {"cpu": "1"}}),
    }
    if init:
        optional["restartPolicy"] = st.just("Always")
    images = ("registry.example/orders:1",) * 9 + ("registry.example/orders:unknown",)
    return st.fixed_dictionaries({"image": st.sampled_from(images)}, optional=optional)


@st.composite
def pods(draw: st.DrawFn, *, future_fields: bool = False) -> Pod:
    """A pod as its author, or a webhook before ours, wrote it."""
    names = draw(st.lists(st.sampled_from(("app", "worker", "migrate", "proxy", "logs")), min_size=1, unique=True))
    injected = st.lists(st.sampled_from((GENERATE_CONTAINER, UPDATE_CONTAINER)), max_size=2)
    names_of_init = draw(
        st.permutations(names[1:] + draw(injected)).map(lambda all_names: all_names[: len(names) // 2])
    )
    ordinary = [name for name in names if name not in names_of_init] + draw(injected)
    spec: dict[str, Any] = {
        "containers": [{"name": name, **draw(containers(init=False))} for name in draw(st.permutations(ordinary))]
    }
    if draw(st.booleans()):
        spec["initContainers"] = [{"name": name, **draw(containers(init=True))} for name in names_of_init] or None
    optional: dict[str, st.SearchStrategy[Any]] = {
        "serviceAccountName": st.just("orders"),
        "serviceAccount": st.just("orders"),
        "volumes": _lists(volumes(), 3),
        "imagePullSecrets": _lists(st.just({"name": "registry-key"}), 1),
        "hostNetwork": st.sampled_from((False,) * 7 + (True,)),
        "restartPolicy": st.sampled_from(("Always", "Never", "OnFailure")),
        "nodeSelector": st.sampled_from((None,) * 4 + ({"kubernetes.io/os": "linux"}, {"kubernetes.io/os": "windows"})),
        "os": st.sampled_from((None, {"name": "linux"})),
        "securityContext": st.sampled_from((None, {"runAsUser": 0})),
    }
    spec |= draw(st.fixed_dictionaries({}, optional=optional))
    label = draw(st.sampled_from(("true",) * 8 + ("True", "false", "yes", "", "ü", None)))
    metadata = draw(st.sampled_from(({"name": "orders"}, {"generateName": "orders-"})))
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            **metadata,
            "labels": {} if label is None else {keys.ENABLED_LABEL: label},
            "annotations": draw(st.none() | annotations(with_role=False)),
        },
        "spec": spec,
    }
    return with_future_fields(draw, pod) if future_fields else pod


_CHOICES: dict[str, tuple[str, ...]] = {
    keys.SECRETS: ("true", "arns"),
    keys.SECRET_DELIVERY: ("auto", "launcher"),
    keys.SECRET_UNRESOLVED: ("keep", "fail"),
    f"{keys.SECRET_FILE_PREFIX}key": ("sm://prod/tls#key",),
    keys.MODE: ("google", "cluster"),
    keys.SKIP_CONTAINERS: ("worker",),
    keys.PIGGY_SECRET_NAME: ("prod/db",),
    keys.PIGGY_DEBUG: ("true",),
    "example.org/db": ("sm://prod/db#note", "piggy:$$(A)"),
}


@st.composite
def secret_pods(draw: st.DrawFn) -> Pod:
    """A pod that asks for secrets, and in which nothing is wrong that other pods have; some bring an identity."""
    pod = draw(pods())
    spec, chosen = pod["spec"], draw(st.lists(st.sampled_from(sorted(_CHOICES)), max_size=3, unique=True))
    annotated = {key: draw(st.sampled_from(_CHOICES[key])) for key in chosen}
    pod["metadata"]["annotations"] = {keys.REGION: "eu-west-1", keys.SECRETS: "true", **annotated}
    pod["metadata"]["labels"] = draw(st.sampled_from(({}, {keys.ENABLED_LABEL: "true"})))
    for name in ("hostNetwork", "os", "nodeSelector"):
        spec.pop(name, None)
    for container in [*(spec.get("initContainers") or []), *spec["containers"]]:
        container["image"] = "registry.example/orders:1"
        container["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
        container.pop("args", None)
        container["env"] = [
            entry
            for entry in container.get("env") or []
            if entry.get("value") not in ("sm://", "$(REF)", "x$(A)") and entry["name"] != environ.AWS_ROLE_ARN
        ]
    spec["containers"][0]["env"].append({"name": "REF", "value": draw(st.sampled_from(REFERENCES[:2]))})
    if draw(st.integers(min_value=0, max_value=2)) == 0:
        pod["metadata"]["annotations"] |= {keys.PIGGY_SECRET_NAME: "prod/db", keys.PIGGY_STANDALONE: "true"}
        for container in draw(st.lists(st.sampled_from(spec["containers"]), max_size=2)):
            if draw(st.booleans()):
                container["env"].append({"name": environ.AWS_ROLE_ARN, "value": ROLES[0]})
            container["env"].append({"name": environ.AWS_WEB_IDENTITY_TOKEN_FILE, "value": "/data/token"})
    if draw(st.booleans()):
        _bring_region_by_name(draw, pod)
    return pod


def _bring_region_by_name(draw: st.DrawFn, pod: Pod) -> None:
    """A region by $(NAME), where the name means another text further down, or one at all.

    Beside a role and a session name, after which a second review can't tell who wrote what the first appended.
    """
    region = draw(st.sampled_from((environ.AWS_REGION, environ.AWS_DEFAULT_REGION)))
    written = [
        (environ.AWS_ROLE_ARN, ROLES[0]),
        (environ.AWS_ROLE_SESSION_NAME, "orders"),
        *draw(st.sampled_from(((), (("SITE", "us-east-1"),)))),
        (region, "$(SITE)"),
        ("SITE", "eu-west-3"),
    ]
    spec = pod["spec"]
    spec["containers"][0]["env"] += [{"name": name, "value": value} for name, value in written]
    if draw(st.booleans()):
        del pod["metadata"]["annotations"][keys.REGION]
        for container in [*(spec.get("initContainers") or []), *spec["containers"]]:
            for entry in container["env"]:
                if entry.get("value") in REFERENCES[:2]:
                    entry["value"] = f"sm://{SECRET_ARN}"


def with_future_fields(draw: st.DrawFn, pod: Pod) -> Pod:
    """Fields that no schema of today knows, wherever an object stands."""
    value = draw(json_values())

    def enriched(node: Any) -> Any:
        if isinstance(node, list):
            return [enriched(item) for item in node]
        if not isinstance(node, dict):
            return node
        return {**{key: enriched(item) for key, item in node.items()}, "futureField": copy.deepcopy(value)}

    return {**pod, "futureField": value, "spec": enriched(pod["spec"])} | {
        "spec": {**enriched(pod["spec"]), "nodeSelector": pod["spec"].get("nodeSelector")}
    }


def pod_with_every_field() -> Pod:
    """A pod that has each field that we read."""
    container = {
        "name": "app",
        "env": [{"name": environ.AWS_WEB_IDENTITY_TOKEN_FILE, "value": TOKEN_FILES[0]}, {"name": "A", "value": "1"}],
        "envFrom": [],
        "volumeMounts": [{"name": VOLUME_NAME, "mountPath": VOLUME_PATH}, {"name": "data", "mountPath": "/data"}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "orders",
            "generateName": "orders-",
            "namespace": NAMESPACE,
            "labels": {keys.ENABLED_LABEL: "true"},
            "annotations": {keys.SESSION_NAME: "{namespace}", keys.SKIP_CONTAINERS: "logs"},
        },
        "spec": {
            "serviceAccountName": "orders",
            "serviceAccount": "orders",
            "hostNetwork": False,
            "restartPolicy": "Always",
            "os": {"name": "linux"},
            "nodeSelector": {"kubernetes.io/os": "linux"},
            "imagePullSecrets": [{"name": "registry-key"}],
            "volumes": [{"name": "data", "emptyDir": {}}],
            "initContainers": [copy.deepcopy({**container, "name": "migrate"})],
            "containers": [container],
        },
    }


def json_values() -> st.SearchStrategy[Any]:
    """Anything that JSON can say, half a surrogate pair among it."""
    numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    leaves = st.none() | st.booleans() | numbers | st.text(max_size=5) | st.sampled_from(("\ud800", "windows", "true"))
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=6,
    )


@st.composite
def copied_pods(draw: st.DrawFn) -> Pod:
    """A spec copied from a mutated pod (by the seed, or by us under another account), then edited by its author."""
    pod = draw(pods() | secret_pods())
    if draw(st.booleans()):
        pod = mutated_by_the_seed(pod, role_arn=draw(st.sampled_from(ROLES)))
    if draw(st.booleans()):
        mutation = mutate(
            pod, NAMESPACE, draw(annotations()), draw(settings()), seed="an earlier review", look_ups=LOOK_UPS
        )
        pod = jsonpatch.apply_patch(pod, copy.deepcopy(mutation.patch))
    for container in pod["spec"]["containers"]:
        for entry in draw(st.lists(entries(), max_size=1)):
            env = container.get("env") or []
            place = draw(st.integers(min_value=0, max_value=len(env)))
            container["env"] = [*env[:place], entry, *env[place:]]
    pod["metadata"]["annotations"] = draw(st.none() | annotations(with_role=False))
    return pod


@st.composite
def debugged_pods(draw: st.DrawFn) -> tuple[Pod, Pod]:
    """A running pod, injected or not, with some ephemeral containers more; and as it was without those."""
    pod = draw(pods() | copied_pods())
    if draw(st.booleans()):
        mutation = mutate(
            pod, NAMESPACE, draw(annotations()), draw(settings()), seed="when it was created", look_ups=LOOK_UPS
        )
        pod = jsonpatch.apply_patch(pod, copy.deepcopy(mutation.patch))
    pod["metadata"]["annotations"] = draw(st.none() | annotations(with_role=False))
    names = draw(st.lists(st.sampled_from(("debugger", "tools", "shell")), min_size=1, unique=True))
    target = {"targetContainerName": st.sampled_from(("app", "worker", "none-of-them", None))}
    containers_ = [
        {"name": name, **draw(containers(init=False)), **draw(st.fixed_dictionaries({}, optional=target))}
        for name in names
    ]
    for container in containers_:
        for one in ("resources", *(["volumeMounts"] if draw(st.booleans()) else [])):
            container.pop(one, None)
    known = draw(st.integers(min_value=0, max_value=len(names)))
    old = copy.deepcopy(pod)
    if known:
        old["spec"]["ephemeralContainers"] = copy.deepcopy(containers_[:known])
    pod["spec"]["ephemeralContainers"] = containers_
    return pod, old


def mutated_by_the_seed(pod: Pod, *, role_arn: str) -> Pod:
    """The pod after token-injector's own webhook (reference: its README's before and after)."""
    pod = copy.deepcopy(pod)
    spec = pod["spec"]
    mount = {"name": VOLUME_NAME, "mountPath": VOLUME_PATH}
    for index, container in enumerate([*(spec.get("initContainers") or []), *spec["containers"]]):
        container["env"] = [
            *(container.get("env") or []),
            {"name": environ.AWS_WEB_IDENTITY_TOKEN_FILE, "value": f"{VOLUME_PATH}/token"},
            {"name": environ.AWS_ROLE_ARN, "value": role_arn},
            {"name": environ.AWS_ROLE_SESSION_NAME, "value": DRAWN_NAMES[index % 2]},
        ]
        container["volumeMounts"] = [*(container.get("volumeMounts") or []), dict(mount)]
    spec["initContainers"] = [_seeds_container(GENERATE_CONTAINER, "false"), *(spec.get("initContainers") or [])]
    spec["containers"] = [*spec["containers"], _seeds_container(UPDATE_CONTAINER, "true")]
    spec["volumes"] = [*(spec.get("volumes") or []), {"name": VOLUME_NAME, "emptyDir": {"medium": "Memory"}}]
    return pod


def _seeds_container(name: str, refresh: str) -> dict[str, Any]:
    return {
        "name": name,
        "image": "ealebed/token-injector:latest",
        "command": ["/token-injector", f"--file={VOLUME_PATH}/token", f"--refresh={refresh}"],
        "resources": {"requests": {"cpu": "5m", "memory": "10Mi"}, "limits": {"cpu": "20m", "memory": "50Mi"}},
        "volumeMounts": [{"name": VOLUME_NAME, "mountPath": VOLUME_PATH}],
    }
