"""webhook.settings: what the schema takes, the flag's parser takes, and the reverse.

But for log-level's capitals, which an older command line may have and new values need not.
Each row: a flag, texts that both take, texts that both refuse.
"""

from typing import Any

import pytest

from charts.generate import GIVEN_BY_CHART
from serving.settings import SettingError
from tests.chart.charts import CHART, with_values
from webhook.flags import SETTINGS
from webhook.settings import parse_settings

SAMPLES: dict[str, tuple[list[Any], list[Any]]] = {
    "log-level": (["trace", "debug", "info", "warn", "warning", "error", "fatal", "panic"], ["", "loud", "info "]),
    "json": ([True, False], ["yes", ""]),
    "pull-policy": (["Always", "IfNotPresent", "Never"], ["always", ""]),
    "image-pull-secret": (["a", "a.b-c", "1"], ["", "A", "a_b", "-a", "a-", "a" * 254]),
    "volume-name": (["a", "a-1", "a" * 63], ["", "a.b", "A", "-a", "a" * 64]),
    "volume-path": (
        ["/a", "/var/run/secrets", "/.a", "/..a", "/...", "/a.b/..c"],
        ["", "/", "a", "/a/", "//a", "/a/../b", "/.", "/a/./b", "/a:b", "/$a", "/a b", "/a\n"],
    ),
    "volume-size-limit": (["1Mi", "1", "0.5Gi", "5m"], ["", "1MB", "Mi", "-1", "1e3", ".5", "1 Mi"]),
    "token-file": (["token", ".token", "a..b", "a", "-", "a" * 253], ["", ".", "..", "..a", "a/b", "a b", "a" * 254]),
    "refresher": (["auto", "native", "sidecar", "none"], ["cron", ""]),
    "refresher-program": (["launcher", "python"], ["bash", ""]),
    "kubelet-version-floor": (["auto", "v1.33.4-gke.100", "1.28", "1.30+"], ["", "1", "1.", "v", "1.28 ", "latest"]),
    "token-wait": ([1, 3600], [0, 3601, -1]),
    "injector-cpu-request": (["5m", "1"], ["none", "", "5M5"]),
    "injector-cpu-limit": (["none", "", "100m"], ["None", "5 m"]),
    "injector-memory-request": (["16Mi", "1G"], ["16MB", ""]),
    "injector-memory-limit": (["none", "", "64Mi"], ["64mb"]),
    "mode": (["google", "cluster"], ["aws", ""]),
    "audience": (["a", "https://x/y?z=1", "~" * 255], ["", "a b", "ä", "a\n", "a" * 256]),
    "cluster-audience": (["sts.amazonaws.com"], ["", "a b"]),
    "token-expiration": ([600, 3600, 86400], [599, 86401, 0]),
    "region": (["", "eu-west-1", "us-gov-east-1", "eusc-de-east-1"], ["eu", "EU-WEST-1", "eu-west-1a", "eu-west-1\n"]),
    "sts-regional-endpoints": (["regional", "legacy", "true", "false"], ["", "True", "global"]),
    "session-name": (
        ["", "{serviceaccount}-{namespace}", "x", "{cluster}"],
        ["{", "}", "{pod}", "{}", "{{namespace}}", "{namespace"],
    ),
    "cluster-name": (["blue"] * 4, []),
    "missing-role": (["allow", "deny"], ["warn", ""]),
    "entrypoint-lookup": ([True, False], ["yes", ""]),
    "entrypoint-timeout": ([1, 25], [0, 26]),
    "registry-allow": (
        ["docker.io", "*.pkg.dev", "registry.example:5000", "*.dkr.ecr.*.amazonaws.com", "[::1]:5000"],
        ["", "https://registry.example", "registry.example/shop", "a b", "a:b", "-a"],
    ),
    "registry-insecure": (["localhost:5000"], ["http://localhost:5000", ""]),
    "registry-local": (["localhost:5000"], ["", "localhost:"]),
    "registry-mirror": (
        ["docker.io=mirror.gcr.io", "docker.io=europe-docker.pkg.dev/p/hub", "*.example=[::1]:5000/a"],
        ["", "docker.io", "docker.io=https://mirror.gcr.io", "docker.io=mirror.gcr.io/", "docker.io=a/B"],
    ),
    "workers": ([1, 64], [0, 65]),
    "threads": ([1, 1024], [0, 1025]),
    "max-body-bytes": ([1024, 1 << 30], [1023, (1 << 30) + 1]),
    "read-timeout": ([1, 300], [0, 301]),
    "graceful-timeout": ([1, 300], [0, 301]),
}
BY_FLAG = {setting.flag: setting for setting in SETTINGS}


def refused(settings: dict[str, Any]) -> str:
    """What Helm says of these settings; empty if it takes them."""
    given = {flag: [value] if BY_FLAG[flag].repeatable else value for flag, value in settings.items()}
    finished = with_values({"webhook": {"settings": given}}, "template", "token-injector", str(CHART))
    return finished.stderr if finished.returncode else ""


def parses(flag: str, value: Any) -> bool:
    """Whether the flag's own parser takes the value, as a text."""
    try:
        BY_FLAG[flag].parse(str(value))
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("number", range(max(len(good) for good, _ in SAMPLES.values())))
def test_both_take_what_is_good(number: int) -> None:
    """The first sample of every flag together, then the second of those that have one, and so on."""
    settings = {flag: good[number] for flag, (good, _) in SAMPLES.items() if number < len(good)}

    assert [flag for flag, value in settings.items() if not parses(flag, value)] == []
    assert refused(settings) == ""


@pytest.mark.parametrize("number", range(max(len(bad) for _, bad in SAMPLES.values())))
def test_both_refuse_what_is_bad(number: int) -> None:
    """Helm names every flag whose value the webhook's start would fail with."""
    settings = {flag: bad[number] for flag, (_, bad) in SAMPLES.items() if number < len(bad)}

    said = refused(settings)

    assert [flag for flag, value in settings.items() if parses(flag, value)] == []
    assert [flag for flag in settings if f"/webhook/settings/{flag}" not in said] == []


def test_a_secret_value_is_not_repeated() -> None:
    """Helm prints what it refuses, so an environment entry, which may hold a secret, is left to the webhook."""
    secret = {flag for flag, setting in BY_FLAG.items() if setting.is_secret}

    assert secret == {"injector-env"}
    assert refused({"injector-env": "hunter2"}) == ""


# Each is right alone; together, or beside a default, they are what the webhook's start refuses.
TOGETHER: dict[str, dict[str, Any]] = {
    "a cluster without a name": {"session-name": "{cluster}-{namespace}"},
    "a cluster with a name": {"session-name": "{cluster}-{namespace}", "cluster-name": "blue"},
    "no cluster in the session's name": {"session-name": "{namespace}"},
    "a memory request above the default limit": {"injector-memory-request": "65Mi"},
    "a memory request at the default limit": {"injector-memory-request": "0.0625Gi"},
    "a memory limit below the default request": {"injector-memory-limit": "16M"},
    "a memory limit at the default request": {"injector-memory-limit": "16Mi"},
    "a memory limit in bytes": {"injector-memory-limit": "16777215"},
    "no memory limit": {"injector-memory-request": "1Gi", "injector-memory-limit": "none"},
    "an empty memory limit": {"injector-memory-request": "1Gi", "injector-memory-limit": ""},
    "a CPU limit below the default request": {"injector-cpu-limit": "4m"},
    "a CPU limit at the default request": {"injector-cpu-limit": "0.005"},
    "a CPU limit below the request": {"injector-cpu-request": "1k", "injector-cpu-limit": "999"},
    "a CPU request without a limit": {"injector-cpu-request": "8"},
    "a native sidecar on an old kubelet": {"refresher": "native", "kubelet-version-floor": "v1.28.9-gke.1"},
    "a native sidecar on a new kubelet": {"refresher": "native", "kubelet-version-floor": "1.29"},
    "a native sidecar on the oldest that there is": {"refresher": "native", "kubelet-version-floor": "auto"},
    "a pair on an old kubelet": {"refresher": "sidecar", "kubelet-version-floor": "1.28"},
}


@pytest.mark.parametrize("settings", TOGETHER.values(), ids=TOGETHER)
def test_what_is_wrong_together_is_refused_by_both(settings: dict[str, Any]) -> None:
    """Helm refuses what the webhook's start would, names the same flag, and takes the rest."""
    try:
        parse_settings({flag: [value] for flag, value in settings.items()}, {})
        flag = ""
    except SettingError as exc:
        (flag,) = [flag for flag in BY_FLAG if str(exc).startswith((f"--{flag} ", f"--{flag}="))]

    said = refused(settings)

    assert bool(said) is bool(flag), said
    assert f"webhook.settings.{flag}" in said or not flag


def test_every_table_is_about_what_a_user_writes() -> None:
    """A flag that the chart gives itself is in no sample."""
    assert not (SAMPLES.keys() | {flag for settings in TOGETHER.values() for flag in settings}) & GIVEN_BY_CHART
