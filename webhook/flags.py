"""Which settings exist?

One row each: flag, variable, default, form and meaning. `--help`, the environment and the documentation come from here.
"""

from functools import partial

from contract import pod
from contract.environ import GCE_METADATA_HOST
from contract.secrets import ROTATION_INTERVAL
from serving.flags import (
    Setting,
    as_written,
    capacity_settings,
    global_settings,
    listening_settings,
    number,
    optional,
)
from serving.values import boolean
from webhook import values
from webhook.entrypoint import settings as registries


def kubelet_version_floor(text: str) -> tuple[int, int] | None:
    """None for auto."""
    return None if text == "auto" else values.kubernetes_version(text)


# An AdmissionReview holds an object and, on update, the old one. The API server takes requests of 3 MiB (its limit is
# etcd's 1.5 MiB an object, doubled): two of them and the rest of the review are less than 7 MiB.
MAX_BODY_BYTES = 7 * 1024 * 1024

GLOBAL_SETTINGS = global_settings("reviews")

_LISTENING = listening_settings("reviews", "an API server never talks to such a webhook")
_INJECTED = (
    Setting("image", "", as_written, "IMAGE", "image of the injected container; needed unless --mode=cluster"),
    Setting("pull-policy", "IfNotPresent", values.pull_policy, "POLICY", "its imagePullPolicy"),
    Setting(
        "image-pull-secret",
        "",
        values.secret_name,
        "SECRET",
        "added to the pod's imagePullSecrets for the injected image",
        repeatable=True,
    ),
    Setting(
        "injector-env",
        "",
        values.environment_entry,
        "NAME=VALUE",
        f"environment of the injected container; the webhook's own {GCE_METADATA_HOST} is passed on by itself",
        repeatable=True,
        is_secret=True,
    ),
    Setting("volume-name", pod.VOLUME_NAME, values.volume_name, "NAME", "the token's volume"),
    Setting("volume-path", pod.VOLUME_PATH, values.volume_path, "PATH", "where it is mounted"),
    Setting("volume-size-limit", "1Mi", values.quantity, "QUANTITY", "its sizeLimit"),
    Setting("token-file", pod.TOKEN_FILE, values.token_file, "NAME", "the token's file in it"),
    Setting(
        "refresher",
        "auto",
        values.refresher,
        "SHAPE",
        "native (a native sidecar), sidecar (init container and sidecar), none (init container only), or auto: "
        "native where every kubelet knows it, else sidecar",
    ),
    Setting(
        "refresher-program", "launcher", values.refresher_program, "PROGRAM", "launcher (a few KB asleep) or python"
    ),
    Setting(
        "kubelet-version-floor",
        "auto",
        kubelet_version_floor,
        "VERSION",
        "the oldest kubelet of the cluster, for example 1.28; auto is the lowest among its nodes, or the API server's "
        "minor less 3 where nodes may not be read, or 1.33 without an API server",
    ),
    Setting(
        "token-wait",
        "120",
        number(1, 3600, "seconds"),
        "SECONDS",
        "how long the application's start waits for the first token",
    ),
    Setting("injector-cpu-request", "5m", values.quantity, "QUANTITY", "CPU request"),
    Setting(
        "injector-cpu-limit",
        "none",
        values.quantity_or_none,
        "QUANTITY",
        "CPU limit; 20m costs 0.8 s of every pod's start",
    ),
    Setting("injector-memory-request", "16Mi", values.quantity, "QUANTITY", "memory request"),
    Setting("injector-memory-limit", "64Mi", values.quantity_or_none, "QUANTITY", "memory limit"),
    Setting(
        "secrets-memory-limit",
        "128Mi",
        values.quantity_or_none,
        "QUANTITY",
        "memory limit where it delivers secrets, if that is more",
    ),
)
_DECIDED = (
    Setting("mode", "google", values.mode, "MODE", "who issues the token: google or cluster"),
    Setting("audience", pod.GOOGLE_AUDIENCE, values.audience, "AUDIENCE", "of the token in google mode"),
    Setting("cluster-audience", pod.CLUSTER_AUDIENCE, values.audience, "AUDIENCE", "of the token in cluster mode"),
    Setting(
        "token-expiration",
        "3600",
        values.token_expiration,
        "SECONDS",
        "life of a cluster mode token; Google fixes its own at 3600",
    ),
    Setting("region", "", partial(optional, parse=values.region), "REGION", "AWS_REGION and AWS_DEFAULT_REGION"),
    Setting(
        "sts-regional-endpoints",
        "regional",
        values.sts_regional_endpoints,
        "VALUE",
        "AWS_STS_REGIONAL_ENDPOINTS where a region is set: regional, legacy or false",
    ),
    Setting(
        "session-name",
        "",
        partial(optional, parse=values.session_name_template),
        "TEMPLATE",
        "of {namespace}, {serviceaccount}, {cluster}; where empty, token-injector-webhook- and 16 letters",
    ),
    Setting("cluster-name", "", as_written, "NAME", "what {cluster} stands for"),
    Setting(
        "missing-role",
        "allow",
        values.missing_role,
        "ANSWER",
        "to a labelled pod whose service account names no role: allow it unchanged with a warning, or deny it",
    ),
    Setting(
        "role-policy",
        "",
        as_written,
        "FILE",
        "YAML rules that say which namespaces may use which roles; others are denied; reloaded when it changes",
    ),
)
_SECRETS = (
    Setting(
        "secret-delivery",
        "auto",
        values.secret_delivery,
        "DELIVERY",
        "envfile (files that the kubelet reads), launcher (a program before the application's command), or auto: "
        "envfile where every kubelet knows it and no variable comes from a Secret, else launcher",
    ),
    Setting(
        "secret-rotation-interval",
        str(ROTATION_INTERVAL),
        values.rotation_interval,
        "SECONDS",
        "between two looks for new versions, in pods that ask for rotation",
    ),
    Setting(
        "broker-address",
        "",
        partial(optional, parse=values.origin),
        "URL",
        "https://HOST[:PORT] of the broker, for pods whose secrets it reads",
    ),
    Setting(
        "broker-ca-file",
        "",
        as_written,
        "FILE",
        "the CA of its certificate, PEM; where empty, ca.crt beside --tls-cert-file; reloaded when it changes",
    ),
)
_ACCOUNTS = (
    Setting(
        "service-accounts", "", as_written, "FILE", "read service accounts from this YAML file, not from the API server"
    ),
    Setting(
        "kubeconfig", "", as_written, "FILE", "reach the API server by this kubeconfig; where empty, as a pod does"
    ),
)
_ENTRYPOINTS = (
    Setting(
        "entrypoint-lookup",
        "true",
        boolean,
        "BOOL",
        "ask an image's registry what it starts, where a container without a command gets secrets by the launcher",
    ),
    Setting(
        "entrypoint-timeout",
        "5",
        number(1, 25, "seconds"),
        "SECONDS",
        "for everything that one image needs; the API server's wait for an answer has to be longer",
    ),
    Setting(
        "registry-allow",
        "",
        registries.host_pattern,
        "HOST",
        "a registry that may be asked, * within its labels; mirrors, token servers and where they redirect to have to "
        "be named too; where nothing is named, any",
        repeatable=True,
    ),
    Setting(
        "registry-insecure",
        "",
        registries.host_pattern,
        "HOST",
        "a registry that is asked over plain HTTP",
        repeatable=True,
    ),
    Setting(
        "registry-local",
        "",
        registries.host_pattern,
        "HOST",
        "a registry that may be at a loopback or link-local address",
        repeatable=True,
    ),
    Setting(
        "registry-ca",
        "",
        registries.certificates,
        "HOST=FILE",
        "CAs of a registry, PEM, trusted beside the system's",
        repeatable=True,
    ),
    Setting(
        "registry-mirror",
        "",
        registries.mirror,
        "HOST=MIRROR",
        "HOST[:PORT][/PREFIX] that is asked before the registry, several in their order",
        repeatable=True,
    ),
    Setting(
        "registry-pull-secret",
        "",
        as_written,
        "FILE",
        "credentials for registries, as a Secret's .dockerconfigjson has them",
    ),
    Setting(
        "pull-secret-namespace",
        "",
        registries.namespace,
        "NAMESPACE",
        "where pods' own pull secrets and their service accounts' are used, * everywhere; the webhook needs get on "
        "secrets there",
        repeatable=True,
    ),
)
_CAPACITY = capacity_settings("review", workers="2", threads="8", max_body_bytes=MAX_BODY_BYTES)

ENTRYPOINT_GROUP = "images without a command"
SERVER_SETTINGS: dict[str, tuple[Setting, ...]] = {
    "listening": _LISTENING,
    "what is injected": _INJECTED,
    "what holds where no annotation says otherwise": _DECIDED,
    "secrets": _SECRETS,
    "service accounts": _ACCOUNTS,
    ENTRYPOINT_GROUP: _ENTRYPOINTS,
    "capacity": _CAPACITY,
}

SETTINGS = (*GLOBAL_SETTINGS, *(setting for group in SERVER_SETTINGS.values() for setting in group))
