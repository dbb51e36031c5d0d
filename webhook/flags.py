"""Which settings exist?

One row each: flag, variable, default, form and meaning. `--help`, the environment and the documentation come from here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from contract import pod
from contract.environ import GCE_METADATA_HOST, LOG_JSON, LOG_LEVEL, SETTING_PREFIX
from contract.secrets import ROTATION_INTERVAL
from webhook import values
from webhook.entrypoint import settings as registries


@dataclass(frozen=True, slots=True)
class Setting:
    """One row."""

    flag: str
    default: str
    """As it would be written."""
    parse: Callable[[str], Any]
    metavar: str
    about: str
    env: str = ""
    repeatable: bool = False
    """The flag may be given several times; in its variable the values stand on lines of their own."""
    is_secret: bool = False
    """The value must not be repeated in an error."""

    @property
    def variable(self) -> str:
        """The environment variable of this setting."""
        return self.env or SETTING_PREFIX + self.flag.upper().replace("-", "_")

    @property
    def help(self) -> str:
        """What `--help` says of it, in every command that has it; argparse reads %% as %."""
        default = f"default {self.default}; " if self.default else ""
        again = "; may be given again" if self.repeatable else ""
        return f"{self.about}{again} ({default}{self.variable})".replace("%", "%%")

    @property
    def is_switch(self) -> bool:
        """Whether the bare flag means true."""
        return self.parse is values.boolean


def _text(text: str) -> str:
    return text


def optional(text: str, parse: Callable[[str], Any]) -> Any:
    """None for an empty text."""
    return parse(text) if text else None


def _number(least: int, most: int, unit: str) -> Callable[[str], int]:
    return partial(values.whole_number, least=least, most=most, unit=unit)


def log_level(text: str) -> str:
    """The seed's levels (logrus), any case."""
    if text.lower() not in LOG_LEVELS:
        raise ValueError("expected debug, info, warning, error, fatal or panic")
    return text.lower()


def kubelet_version_floor(text: str) -> tuple[int, int] | None:
    """None for auto."""
    return None if text == "auto" else values.kubernetes_version(text)


# An AdmissionReview holds an object and, on update, the old one. The API server takes requests of 3 MiB (its limit is
# etcd's 1.5 MiB an object, doubled): two of them and the rest of the review are less than 7 MiB.
MAX_BODY_BYTES = 7 * 1024 * 1024

LOG_LEVELS = ("trace", "debug", "info", "warn", "warning", "error", "fatal", "panic")

GLOBAL_SETTINGS: tuple[Setting, ...] = (
    Setting(
        "log-level",
        "warning",
        log_level,
        "LEVEL",
        "debug, info, warning, error, fatal or panic; reviews are logged at every level",
        env=LOG_LEVEL,
    ),
    Setting("json", "false", values.boolean, "BOOL", "log in JSON", env=LOG_JSON),
)

_LISTENING = (
    Setting("listen-address", ":8443", _text, "ADDRESS", "where reviews are taken"),
    Setting(
        "telemetry-listen-address",
        "",
        _text,
        "ADDRESS",
        "a plain HTTP listener for /metrics, which is on the main listener as well",
    ),
    Setting("tls-cert-file", "", _text, "FILE", "certificate chain, PEM; reloaded when it changes"),
    Setting("tls-private-key-file", "", _text, "FILE", "its private key, PEM"),
    Setting(
        "insecure-http",
        "false",
        values.boolean,
        "BOOL",
        "serve without TLS; an API server never talks to such a webhook",
    ),
)
_INJECTED = (
    Setting("image", "", _text, "IMAGE", "image of the injected container; needed unless --mode=cluster"),
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
        _number(1, 3600, "seconds"),
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
    Setting("cluster-name", "", _text, "NAME", "what {cluster} stands for"),
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
        _text,
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
        _text,
        "FILE",
        "the CA of its certificate, PEM; where empty, ca.crt beside --tls-cert-file; reloaded when it changes",
    ),
)
_ACCOUNTS = (
    Setting(
        "service-accounts", "", _text, "FILE", "read service accounts from this YAML file, not from the API server"
    ),
    Setting("kubeconfig", "", _text, "FILE", "reach the API server by this kubeconfig; where empty, as a pod does"),
)
_ENTRYPOINTS = (
    Setting(
        "entrypoint-lookup",
        "true",
        values.boolean,
        "BOOL",
        "ask an image's registry what it starts, where a container without a command gets secrets by the launcher",
    ),
    Setting(
        "entrypoint-timeout",
        "5",
        _number(1, 25, "seconds"),
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
        _text,
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
_CAPACITY = (
    Setting("workers", "2", _number(1, 64, "processes"), "N", "processes"),
    Setting("threads", "8", _number(1, 1024, "threads"), "N", "threads of each process"),
    Setting("max-body-bytes", str(MAX_BODY_BYTES), _number(1024, 1 << 30, "bytes"), "N", "a longer review is refused"),
    Setting("read-timeout", "5", _number(1, 300, "seconds"), "SECONDS", "for a whole request to arrive"),
    Setting(
        "graceful-timeout",
        "20",
        _number(1, 300, "seconds"),
        "SECONDS",
        "for reviews in flight to finish when the server is told to stop",
    ),
)

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
