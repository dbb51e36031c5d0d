"""What holds for every review, and for the server that takes them.

Flags win over variables, variables over defaults. Nothing here reads the process; `cli.py` hands in the mapping.
"""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from contract.environ import GCE_METADATA_HOST
from contract.server import CA_CERT
from secretenv.piggy import PIGGY_ANNOTATIONS
from webhook import values
from webhook.entrypoint.settings import EntrypointSettings
from webhook.flags import SETTINGS, Setting
from webhook.role_policy import RolePolicy
from webhook.values import (
    MissingRole,
    Mode,
    PullPolicy,
    Refresher,
    RefresherProgram,
    SecretDelivery,
    StsRegionalEndpoints,
)

# Kubernetes enables native sidecars by default from here on; an older kubelet runs one as an init container that
# never ends, and the pod with it.
NATIVE_SIDECAR_SINCE = (1, 29)
# Kubernetes enables fileKeyRef by default from here on; an older kubelet starts the container without the variable.
ENV_FILES_SINCE = (1, 35)
# Without an API server, Kubernetes' skew rule has nothing to start from.
OFFLINE_FLOOR = (1, 33)


class SettingError(Exception):
    """A setting's value is wrong; the message names flag, variable, value and form. The start must stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Requests and limits of an injected container, as Kubernetes quantities; None is no limit."""

    cpu_request: str
    cpu_limit: str | None
    memory_request: str
    memory_limit: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretsSettings:
    """How secrets are delivered where no annotation says otherwise."""

    delivery: SecretDelivery
    rotation_interval: int
    """Seconds."""
    memory_limit: str | None
    """Of the injected container; None is no limit."""
    broker_address: str
    """"" where there is no broker."""
    broker_ca: str
    """PEM. Read from its file by whoever serves."""
    piggy: Mapping[str, str] = field(repr=False)
    """The variables of the webhook that piggy's users set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What decide and transform need to know beside the pod and its service account."""

    image: str
    pull_policy: PullPolicy
    image_pull_secrets: tuple[str, ...]
    injector_env: tuple[tuple[str, str], ...] = field(repr=False)
    volume_name: str
    volume_path: str
    volume_size_limit: str
    token_file: str
    mode: Mode
    audience: str
    cluster_audience: str
    token_expiration: int
    """Seconds."""
    region: str | None
    sts_regional_endpoints: StsRegionalEndpoints | None
    session_name: str | None
    """A template, or None for the seed's form."""
    cluster_name: str
    refresher: Refresher
    refresher_program: RefresherProgram
    kubelet_version_floor: tuple[int, int] | None
    """None: not known yet; whatever needs a newer kubelet is not used."""
    token_wait: int
    """Seconds the postStart hook waits for the first token."""
    resources: Resources
    missing_role: MissingRole
    role_policy: RolePolicy | None
    """None: any role may be used anywhere. Read from its file by whoever serves."""
    secrets: SecretsSettings

    @property
    def has_native_sidecars(self) -> bool:
        """Whether every kubelet is known to run native sidecars."""
        return self.kubelet_version_floor is not None and self.kubelet_version_floor >= NATIVE_SIDECAR_SINCE

    @property
    def has_env_files(self) -> bool:
        """Whether every kubelet is known to read env files."""
        return self.kubelet_version_floor is not None and self.kubelet_version_floor >= ENV_FILES_SINCE


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """How the server listens, reads and logs."""

    listen_address: str
    telemetry_listen_address: str
    tls_cert_file: str
    tls_private_key_file: str
    insecure_http: bool
    service_accounts_file: str
    kubeconfig: str
    role_policy_file: str
    broker_ca_file: str
    """"" where there is no broker, or its CA is not known."""
    follows_kubelet_versions: bool
    """Whether the kubelet version floor is the cluster's to say, where there is an API server."""
    entrypoint: EntrypointSettings
    workers: int
    threads: int
    max_body_bytes: int
    read_timeout: float
    """Seconds for a whole request."""
    graceful_timeout: float
    """Seconds."""
    log_level: str
    log_json: bool


def parse_settings(given: Mapping[str, list[str]], environ: Mapping[str, str]) -> tuple[Settings, ServerSettings]:
    """Flags win over variables, variables over defaults. `given` maps a flag's name to its values.

    Raises `SettingError` for the first setting that is wrong.
    """
    parsed = {setting.flag: _value(setting, given.get(setting.flag), environ) for setting in SETTINGS}
    settings = _settings(parsed, environ)
    server = _server_settings(parsed)
    _check_together(settings, server)
    return settings, server


def from_environ(environ: Mapping[str, str]) -> tuple[Settings, ServerSettings]:
    """The settings of a process without flags."""
    return parse_settings({}, environ)


def _value(setting: Setting, given: list[str] | None, environ: Mapping[str, str]) -> Any:
    written = environ.get(setting.variable)
    if given is not None:
        texts, source = given, f"--{setting.flag}"
    elif written is not None and written != "":
        texts, source = (
            ([line for line in written.split("\n") if line] if setting.repeatable else [written]),
            setting.variable,
        )
    else:
        texts, source = ([] if setting.repeatable else [setting.default]), "default"
    if setting.repeatable:
        return tuple(_parsed(setting, text, source) for text in texts)
    return _parsed(setting, texts[-1], source)


def _parsed(setting: Setting, text: str, source: str) -> Any:
    try:
        return setting.parse(text)
    except ValueError as exc:
        # An --injector-env may hold a credential of an emulator, and without '=' nobody knows where it begins.
        shown = "its value" if setting.is_secret else repr(text)
        raise SettingError(f"{source}: {shown} is not valid: {exc}") from exc


def _settings(parsed: Mapping[str, Any], environ: Mapping[str, str]) -> Settings:
    metadata_host = environ.get(GCE_METADATA_HOST)
    passed_on = {GCE_METADATA_HOST: metadata_host} if metadata_host else {}
    return Settings(
        image=parsed["image"],
        pull_policy=parsed["pull-policy"],
        image_pull_secrets=parsed["image-pull-secret"],
        injector_env=tuple({**passed_on, **dict(parsed["injector-env"])}.items()),
        volume_name=parsed["volume-name"],
        volume_path=parsed["volume-path"],
        volume_size_limit=parsed["volume-size-limit"],
        token_file=parsed["token-file"],
        mode=parsed["mode"],
        audience=parsed["audience"],
        cluster_audience=parsed["cluster-audience"],
        token_expiration=parsed["token-expiration"],
        region=parsed["region"],
        sts_regional_endpoints=parsed["sts-regional-endpoints"],
        session_name=parsed["session-name"],
        cluster_name=parsed["cluster-name"],
        refresher=parsed["refresher"],
        refresher_program=parsed["refresher-program"],
        kubelet_version_floor=parsed["kubelet-version-floor"] or OFFLINE_FLOOR,
        token_wait=parsed["token-wait"],
        resources=Resources(
            cpu_request=parsed["injector-cpu-request"],
            cpu_limit=parsed["injector-cpu-limit"],
            memory_request=parsed["injector-memory-request"],
            memory_limit=parsed["injector-memory-limit"],
        ),
        missing_role=parsed["missing-role"],
        role_policy=None,
        secrets=SecretsSettings(
            delivery=parsed["secret-delivery"],
            rotation_interval=parsed["secret-rotation-interval"],
            memory_limit=parsed["secrets-memory-limit"],
            broker_address=parsed["broker-address"] or "",
            broker_ca="",
            piggy=_piggy_environ(environ),
        ),
    )


def _server_settings(parsed: Mapping[str, Any]) -> ServerSettings:
    return ServerSettings(
        listen_address=parsed["listen-address"],
        telemetry_listen_address=parsed["telemetry-listen-address"],
        tls_cert_file=parsed["tls-cert-file"],
        tls_private_key_file=parsed["tls-private-key-file"],
        insecure_http=parsed["insecure-http"],
        service_accounts_file=parsed["service-accounts"],
        kubeconfig=parsed["kubeconfig"],
        role_policy_file=parsed["role-policy"],
        broker_ca_file=_broker_ca_file(parsed),
        follows_kubelet_versions=parsed["kubelet-version-floor"] is None,
        entrypoint=_entrypoint_settings(parsed),
        workers=parsed["workers"],
        threads=parsed["threads"],
        max_body_bytes=parsed["max-body-bytes"],
        read_timeout=float(parsed["read-timeout"]),
        graceful_timeout=float(parsed["graceful-timeout"]),
        log_level=parsed["log-level"],
        log_json=parsed["json"],
    )


def _piggy_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """What piggy's users set on its webhook."""
    names = (row.environ for row in PIGGY_ANNOTATIONS)
    return {name: environ[name] for name in names if name and environ.get(name)}


def _broker_ca_file(parsed: Mapping[str, Any]) -> str:
    """The broker's certificate is signed by the CA of ours, unless the operator says otherwise."""
    if not parsed["broker-address"]:
        return ""
    serving = parsed["tls-cert-file"]
    return parsed["broker-ca-file"] or (posixpath.join(posixpath.dirname(serving), CA_CERT) if serving else "")


def _entrypoint_settings(parsed: Mapping[str, Any]) -> EntrypointSettings:
    """How registries are asked, of parsed values by flag."""
    return EntrypointSettings(
        entrypoint_lookup=parsed["entrypoint-lookup"],
        entrypoint_timeout=float(parsed["entrypoint-timeout"]),
        registry_allow=parsed["registry-allow"],
        registry_insecure=parsed["registry-insecure"],
        registry_local=parsed["registry-local"],
        registry_ca=parsed["registry-ca"],
        registry_mirror=parsed["registry-mirror"],
        registry_pull_secret=parsed["registry-pull-secret"],
        pull_secret_namespaces=parsed["pull-secret-namespace"],
    )


def _check_together(settings: Settings, server: ServerSettings) -> None:
    """Settings that are right alone and wrong together."""
    _check_injected(settings)
    if settings.session_name and "{cluster}" in settings.session_name and not settings.cluster_name:
        raise SettingError("--session-name uses {cluster}: say the cluster's name with --cluster-name")
    if bool(server.tls_cert_file) != bool(server.tls_private_key_file):
        raise SettingError("--tls-cert-file and --tls-private-key-file belong together: give both")
    if server.insecure_http and server.tls_cert_file:
        raise SettingError(
            "--insecure-http serves without TLS: leave out --tls-cert-file and --tls-private-key-file, or it"
        )


def _check_injected(settings: Settings) -> None:
    """What would be refused pod by pod, in words that only the operator understands."""
    resources = settings.resources
    for name, request, limit in (
        ("cpu", resources.cpu_request, resources.cpu_limit),
        ("memory", resources.memory_request, resources.memory_limit),
    ):
        if limit is not None and values.amount(limit) < values.amount(request):
            raise SettingError(
                f"--injector-{name}-limit {limit} is less than --injector-{name}-request {request}: "
                "Kubernetes refuses such a container"
            )
    if settings.refresher == "native" and not settings.has_native_sidecars:
        raise SettingError(
            "--refresher=native needs kubelets of 1.29 or newer, and --kubelet-version-floor is older: use auto"
        )


def check_server(settings: Settings, server: ServerSettings) -> None:
    """What a server needs beyond well-formed settings. Raises `SettingError`."""
    if not server.tls_cert_file and not server.insecure_http:
        raise SettingError(
            "no certificate: give --tls-cert-file and --tls-private-key-file (token-injector-certs certify makes "
            "them), or say --insecure-http to serve without TLS"
        )
    if not settings.image and settings.mode == "google":
        raise SettingError("no image for the injected container: give --image, or --mode=cluster, which injects none")
