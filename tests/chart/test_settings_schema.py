"""webhook.settings: what the schema takes, the flag's parser takes, and the reverse.

But for log-level's capitals, which an older command line may have and new values need not.
Each row: a flag, texts that both take, texts that both refuse.
"""

from typing import Any

import pytest

from tests.chart.charts import CHART, with_values
from webhook.flags import SETTINGS

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
    "kubelet-version-floor": (["auto", "1.28", "v1.33.4-gke.100", "1.30+"], ["", "1", "1.", "v", "1.28 ", "latest"]),
    "token-wait": ([1, 3600], [0, 3601, -1]),
    "injector-cpu-request": (["5m", "1"], ["none", "", "5M5"]),
    "injector-cpu-limit": (["none", "", "100m"], ["None", "5 m"]),
    "injector-memory-request": (["16Mi"], ["16MB", ""]),
    "injector-memory-limit": (["none", "", "64Mi"], ["64mb"]),
    "mode": (["google", "cluster"], ["aws", ""]),
    "audience": (["a", "https://x/y?z=1", "~" * 255], ["", "a b", "ä", "a\n", "a" * 256]),
    "cluster-audience": (["sts.amazonaws.com"], ["", "a b"]),
    "token-expiration": ([600, 3600, 86400], [599, 86401, 0]),
    "region": (["", "eu-west-1", "us-gov-east-1", "eusc-de-east-1"], ["eu", "EU-WEST-1", "eu-west-1a", "eu-west-1\n"]),
    "sts-regional-endpoints": (["regional", "legacy", "true", "false"], ["", "True", "global"]),
    "session-name": (
        ["", "{cluster}-{namespace}", "x", "{serviceaccount}"],
        ["{", "}", "{pod}", "{}", "{{namespace}}", "{namespace"],
    ),
    "missing-role": (["allow", "deny"], ["warn", ""]),
    "entrypoint-lookup": ([True, False], ["yes", ""]),
    "entrypoint-timeout": ([1, 25], [0, 26]),
    "registry-allow": (
        ["docker.io", "*.pkg.dev", "registry.example:5000", "*.dkr.ecr.*.amazonaws.com", "[::1]:5000"],
        ["", "https://registry.example", "registry.example/shop", "a b", "a:b", "-a"],
    ),
    "registry-insecure": (["localhost:5000"], ["http://localhost:5000", ""]),
    "registry-local": (["localhost:5000"], ["", "localhost:"]),
    "registry-ca": (
        ["registry.example=/ca/ca.crt", "*.example:5000=/a b.pem"],
        ["", "/ca/ca.crt", "registry.example=ca.crt", "registry.example=", "registry.example"],
    ),
    "registry-mirror": (
        ["docker.io=mirror.gcr.io", "docker.io=europe-docker.pkg.dev/p/hub", "*.example=[::1]:5000/a"],
        ["", "docker.io", "docker.io=https://mirror.gcr.io", "docker.io=mirror.gcr.io/", "docker.io=a/B"],
    ),
    "registry-pull-secret": (["/pull/.dockerconfigjson", ""], []),
    "pull-secret-namespace": (["shop", "*", "a" * 63], ["", "Shop", "a.b", "-a", "a" * 64, "shop-*"]),
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
