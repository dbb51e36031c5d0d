"""Settings: the seed's names and defaults to the letter, the precedence of sources, errors that say what to do."""

import dataclasses

import pytest

from contract import environ, pod
from serving.flags import Setting
from serving.settings import SettingError
from tests.webhook.cases import IMAGE
from webhook.flags import MAX_BODY_BYTES, SETTINGS
from webhook.settings import Settings, check_server, from_environ, parse_settings

# federation.md 0.3: what the seed's webhook takes, and what it takes it for where nothing is said.
SEED: dict[str, object] = {
    "log_level": "warning",
    "log_json": False,
    "listen_address": ":8443",
    "telemetry_listen_address": "",
    "tls_cert_file": "",
    "tls_private_key_file": "",
    "image": "",
    "pull_policy": "IfNotPresent",
    "volume_name": "token-injector-volume",
    "volume_path": "/var/run/secrets/aws/token",
    "token_file": "token",
}

# A value of each setting that differs from its default, and what it becomes.
GIVEN: dict[str, tuple[str, str, object]] = {
    "log-level": ("Debug", "log_level", "debug"),
    "json": ("true", "log_json", True),
    "listen-address": ("127.0.0.1:0", "listen_address", "127.0.0.1:0"),
    "telemetry-listen-address": (":9090", "telemetry_listen_address", ":9090"),
    "tls-cert-file": ("tls.crt", "tls_cert_file", "tls.crt"),
    "tls-private-key-file": ("tls.key", "tls_private_key_file", "tls.key"),
    "insecure-http": ("1", "insecure_http", True),
    "image": (IMAGE, "image", IMAGE),
    "pull-policy": ("Always", "pull_policy", "Always"),
    "image-pull-secret": ("registry-key", "image_pull_secrets", ("registry-key",)),
    "injector-env": ("A=b=c", "injector_env", (("A", "b=c"),)),
    "volume-name": ("aws-token", "volume_name", "aws-token"),
    "volume-path": ("/aws", "volume_path", "/aws"),
    "volume-size-limit": ("2Mi", "volume_size_limit", "2Mi"),
    "token-file": ("jwt", "token_file", "jwt"),
    "refresher": ("sidecar", "refresher", "sidecar"),
    "refresher-program": ("python", "refresher_program", "python"),
    "kubelet-version-floor": ("v1.28.4-gke.100", "kubelet_version_floor", (1, 28)),
    "token-wait": ("30", "token_wait", 30),
    "injector-cpu-request": ("10m", "cpu_request", "10m"),
    "injector-cpu-limit": ("100m", "cpu_limit", "100m"),
    "injector-memory-request": ("8Mi", "memory_request", "8Mi"),
    "injector-memory-limit": ("none", "memory_limit", None),
    "secrets-memory-limit": ("256Mi", "secrets.memory_limit", "256Mi"),
    "secret-delivery": ("launcher", "secrets.delivery", "launcher"),
    "secret-rotation-interval": ("60", "secrets.rotation_interval", 60),
    "broker-address": ("https://broker.shop.svc:8443", "secrets.broker_address", "https://broker.shop.svc:8443"),
    "broker-ca-file": ("ca.pem", "broker_ca_file", "ca.pem"),
    "mode": ("cluster", "mode", "cluster"),
    "audience": ("https://shop.example", "audience", "https://shop.example"),
    "cluster-audience": ("sts.shop.example", "cluster_audience", "sts.shop.example"),
    "token-expiration": ("600", "token_expiration", 600),
    "region": ("eu-west-1", "region", "eu-west-1"),
    "sts-regional-endpoints": ("false", "sts_regional_endpoints", None),
    "session-name": ("{namespace}", "session_name", "{namespace}"),
    "cluster-name": ("prod", "cluster_name", "prod"),
    "missing-role": ("deny", "missing_role", "deny"),
    "role-policy": ("policy.yaml", "role_policy_file", "policy.yaml"),
    "service-accounts": ("accounts.yaml", "service_accounts_file", "accounts.yaml"),
    "kubeconfig": ("config", "kubeconfig", "config"),
    "entrypoint-lookup": ("false", "entrypoint_lookup", False),
    "entrypoint-timeout": ("8", "entrypoint_timeout", 8.0),
    "registry-allow": ("*.PKG.dev", "registry_allow", ("*.pkg.dev",)),
    "registry-insecure": ("localhost:5000", "registry_insecure", ("localhost:5000",)),
    "registry-local": ("localhost:5000", "registry_local", ("localhost:5000",)),
    "registry-ca": ("*.corp.example=/ca/ca.crt", "registry_ca", (("*.corp.example", "/ca/ca.crt"),)),
    "registry-mirror": ("docker.io=Mirror.example/hub", "registry_mirror", (("docker.io", "mirror.example/hub"),)),
    "registry-pull-secret": ("/pull/config.json", "registry_pull_secret", "/pull/config.json"),
    "pull-secret-namespace": ("shop", "pull_secret_namespaces", ("shop",)),
    "workers": ("4", "workers", 4),
    "threads": ("16", "threads", 16),
    "max-body-bytes": ("2048", "max_body_bytes", 2048),
    "read-timeout": ("7", "read_timeout", 7.0),
    "graceful-timeout": ("9", "graceful_timeout", 9.0),
}
# These are refused alone, as the certificate and its key belong together; or do nothing alone.
TOGETHER = {
    "broker-ca-file": {"broker-address": ["https://broker.shop.svc"]},
    "tls-cert-file": {"tls-private-key-file": ["k"]},
    "tls-private-key-file": {"tls-cert-file": ["c"]},
}

MALFORMED = {
    "log-level": "loud",
    "json": "yes",
    "insecure-http": "maybe",
    "pull-policy": "always",
    "image-pull-secret": "Registry Key",
    "volume-name": "aws.token",
    "volume-path": "aws",
    "volume-size-limit": "1MB",
    "token-file": "a/b",
    "refresher": "both",
    "refresher-program": "go",
    "kubelet-version-floor": "1",
    "token-wait": "0",
    "injector-cpu-request": "none",
    "injector-cpu-limit": "5 m",
    "injector-memory-request": "",
    "injector-memory-limit": "-1",
    "secrets-memory-limit": "128MB",
    "secret-delivery": "files",
    "secret-rotation-interval": "29",
    "broker-address": "http://broker.shop.svc",
    "mode": "aws",
    "audience": "two words",
    "cluster-audience": "",
    "token-expiration": "599",
    "region": "europe",
    "sts-regional-endpoints": "global",
    "session-name": "{pod}",
    "missing-role": "warn",
    "entrypoint-lookup": "maybe",
    "entrypoint-timeout": "0",
    "registry-allow": "https://registry.example",
    "registry-insecure": "registry.example/shop",
    "registry-local": "a b",
    "registry-ca": "registry.example=ca.crt",
    "registry-mirror": "docker.io=https://mirror.example",
    "pull-secret-namespace": "Shop",
    "workers": "0",
    "threads": "1e3",
    "max-body-bytes": "7Mi",
    "read-timeout": "0.5",
    "graceful-timeout": "-1",
}

ALL = [pytest.param(setting, id=setting.flag) for setting in SETTINGS]


def parsed(given: dict[str, list[str]], variables: dict[str, str] | None = None) -> dict[str, object]:
    """All settings by the name of their field."""
    settings, server = parse_settings(given, variables or {})
    fields = {**dataclasses.asdict(settings), **dataclasses.asdict(server)}
    secrets = {f"secrets.{name}": value for name, value in dataclasses.asdict(settings.secrets).items()}
    return {**fields, **secrets, **dataclasses.asdict(settings.resources), **dataclasses.asdict(server.entrypoint)}


def test_defaults_are_the_seeds() -> None:
    """Without a word from the operator, the seed's settings have the seed's values."""
    fields = parsed({})

    assert {name: fields[name] for name in SEED} == SEED


def test_own_defaults() -> None:
    """What the seed has no setting for holds its fixed values, or what differences.md lists."""
    fields = parsed({})

    assert fields["audience"] == pod.GOOGLE_AUDIENCE == "token-injector/sts/assume-role-with-web-identity"
    assert (fields["cpu_request"], fields["cpu_limit"]) == ("5m", None)
    assert (fields["memory_request"], fields["memory_limit"]) == ("16Mi", "64Mi")
    assert fields["kubelet_version_floor"] == (1, 33)
    assert fields["follows_kubelet_versions"] is True
    assert parsed({"kubelet-version-floor": ["1.33"]})["follows_kubelet_versions"] is False
    assert fields["max_body_bytes"] == MAX_BODY_BYTES
    assert fields["read_timeout"] == 5.0
    assert fields["session_name"] is None


def test_table_is_whole() -> None:
    """Every setting is in this file's table; none shares its variable with another or with another program."""
    variables = [setting.variable for setting in SETTINGS]

    assert set(GIVEN) == {setting.flag for setting in SETTINGS}
    assert len(variables) == len(set(variables))
    assert not {environ.REFRESHER_COMMAND, environ.TIME_DIVISOR, environ.TERMINATION_LOG} & set(variables)
    assert {"LOG_LEVEL", "LOG_JSON"} <= set(variables)


@pytest.mark.parametrize("setting", ALL)
def test_flag_wins_over_variable_wins_over_default(setting: Setting) -> None:
    """Each setting is a flag and an environment variable."""
    text, field, value = GIVEN[setting.flag]
    others = TOGETHER.get(setting.flag, {})
    default = parsed({})[field]

    by_variable = parsed(others, {setting.variable: text})[field]
    by_flag = parsed({**others, setting.flag: [text]}, {setting.variable: setting.default})[field]
    empty_variable = parsed({}, {setting.variable: ""})[field]

    assert default != value
    assert by_variable == value
    assert by_flag == value
    assert empty_variable == default


def test_last_of_a_repeated_flag_holds() -> None:
    """As in Go: a script may append its own."""
    assert parsed({"image": ["a", "b"]})["image"] == "b"


def test_repeatable_settings_take_all() -> None:
    """Flags add up; a variable holds one value a line; flags replace the variable's."""
    flags = {"injector-env": ["A=1", "B=2"], "image-pull-secret": ["one", "two"]}
    variables = {"TOKEN_INJECTOR_INJECTOR_ENV": "C=3\nD=4\n", "TOKEN_INJECTOR_IMAGE_PULL_SECRET": "three\nfour"}

    assert parsed(flags, variables)["injector_env"] == (("A", "1"), ("B", "2"))
    assert parsed({}, variables)["injector_env"] == (("C", "3"), ("D", "4"))
    assert parsed({}, variables)["image_pull_secrets"] == ("three", "four")


def test_metadata_host_is_passed_on() -> None:
    """The webhook's own emulator is the injected container's; one that is given for it wins."""
    variables = {"GCE_METADATA_HOST": "127.0.0.1:8080"}

    assert parsed({}, variables)["injector_env"] == (("GCE_METADATA_HOST", "127.0.0.1:8080"),)
    own = parsed({"injector-env": ["GCE_METADATA_HOST=metadata.test", "A=1"]}, variables)["injector_env"]
    assert own == (("GCE_METADATA_HOST", "metadata.test"), ("A", "1"))


@pytest.mark.parametrize("flag", MALFORMED)
def test_malformed_value_names_its_source(flag: str) -> None:
    """The error says flag or variable, whichever was written, the value, and what was expected."""
    setting = next(setting for setting in SETTINGS if setting.flag == flag)
    text = MALFORMED[flag]

    with pytest.raises(SettingError) as of_flag:
        parse_settings({flag: [text]}, {})
    assert str(of_flag.value).startswith(f"--{flag}: {text!r} is not valid: expected ")
    if text:
        with pytest.raises(SettingError) as of_variable:
            from_environ({setting.variable: text})
        assert str(of_variable.value).startswith(f"{setting.variable}: {text!r} is not valid: expected ")


def test_malformed_one_of_several_is_the_one_named() -> None:
    """Of several values the wrong one is shown."""
    with pytest.raises(SettingError, match="'Registry Key'"):
        parse_settings({"image-pull-secret": ["one", "Registry Key", "two"]}, {})


@pytest.mark.parametrize("text", ["hunter2", "9A=hunter2", "=hunter2", "A B=hunter2"])
def test_injector_env_is_never_repeated(text: str) -> None:
    """It may hold a credential; without a proper '=' nobody knows where that begins."""
    with pytest.raises(SettingError) as of_flag:
        parse_settings({"injector-env": ["A=1", text]}, {})
    with pytest.raises(SettingError) as of_variable:
        from_environ({"TOKEN_INJECTOR_INJECTOR_ENV": text})

    assert str(of_flag.value) == "--injector-env: its value is not valid: expected NAME=VALUE"
    assert "hunter2" not in str(of_variable.value)
    assert of_flag.value.__cause__ is not None
    assert "hunter2" not in str(of_flag.value.__cause__)


def test_injector_env_is_not_in_the_repr() -> None:
    """Settings may be logged by a traceback."""
    settings, _ = parse_settings({"injector-env": ["PASSWORD=hunter2"]}, {})

    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param({"session-name": ["{cluster}"]}, "--cluster-name", id="cluster without name"),
        pytest.param({"tls-cert-file": ["c"]}, "give both", id="certificate without key"),
        pytest.param({"tls-private-key-file": ["k"]}, "give both", id="key without certificate"),
        pytest.param(
            {"insecure-http": ["true"], "tls-cert-file": ["c"], "tls-private-key-file": ["k"]},
            "--insecure-http serves without TLS",
            id="insecure with certificate",
        ),
        pytest.param(
            {"injector-memory-limit": ["8Mi"]},
            "--injector-memory-limit 8Mi is less than --injector-memory-request 16Mi",
            id="limit below request",
        ),
        pytest.param(
            {"injector-cpu-request": ["1"], "injector-cpu-limit": ["999m"]},
            "--injector-cpu-limit 999m is less than --injector-cpu-request 1",
            id="CPU limit below request",
        ),
        pytest.param(
            {"refresher": ["native"], "kubelet-version-floor": ["1.28"]},
            "--kubelet-version-floor is older",
            id="native on old kubelets",
        ),
    ],
)
def test_settings_that_are_wrong_together(given: dict[str, list[str]], message: str) -> None:
    """The start stops; no pod has to be denied for it."""
    with pytest.raises(SettingError, match=message):
        parse_settings(given, {})


TLS = {"tls-cert-file": ["c"], "tls-private-key-file": ["k"]}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param({"image": [IMAGE]}, "no certificate: give --tls-cert-file", id="neither certificate nor insecure"),
        pytest.param({**TLS}, "no image for the injected container: give --image", id="no image"),
        pytest.param({**TLS, "image": [""]}, "no image", id="empty image"),
    ],
)
def test_server_needs_more(given: dict[str, list[str]], message: str) -> None:
    """The seed would start without TLS and inject a container without image."""
    with pytest.raises(SettingError, match=message):
        check_server(*parse_settings(given, {}))


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({**TLS, "image": [IMAGE]}, id="TLS and image"),
        pytest.param({**TLS, "mode": ["cluster"]}, id="cluster mode injects no container"),
        pytest.param({"insecure-http": ["true"], "image": [IMAGE]}, id="insecure, and said so"),
    ],
)
def test_server_is_content(given: dict[str, list[str]]) -> None:
    """These start."""
    check_server(*parse_settings(given, {}))


def test_settings_are_values() -> None:
    """Frozen: a review can't change what the next one sees."""
    settings, _ = parse_settings({}, {})

    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.image = "other"  # type: ignore[misc]  # that it is refused is the test
    assert isinstance(settings, Settings)


def test_no_setting_shares_its_variable() -> None:
    """A variable has one meaning: no setting's is another's, or one that the launcher and the token tool read."""
    variables = [setting.variable for setting in SETTINGS]
    others = [environ.REFRESHER_COMMAND, environ.TIME_DIVISOR, environ.TERMINATION_LOG]

    assert len({*variables, *others}) == len(variables) + len(others)


def test_piggys_variables_are_read() -> None:
    """Those that piggy's users set on its webhook, and no other; an empty one is none."""
    environ_ = {"AWS_SECRET_NAME": "prod/db", "PIGGY_ADDRESS": "", "STANDALONE": "true", "HOME": "/"}

    assert parsed({}, environ_)["secrets.piggy"] == {"AWS_SECRET_NAME": "prod/db", "STANDALONE": "true"}


def test_env_files_need_a_kubelet_of_1_35() -> None:
    """An older one starts the container without the variable; one that is not known may be older."""
    floors = {text: parse_settings({"kubelet-version-floor": [text]}, {})[0] for text in ("1.34", "1.35", "2.0")}

    assert {text: settings.has_env_files for text, settings in floors.items()} == {
        "1.34": False,
        "1.35": True,
        "2.0": True,
    }
    assert not dataclasses.replace(floors["1.35"], kubelet_version_floor=None).has_env_files
