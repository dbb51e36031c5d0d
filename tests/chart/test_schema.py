"""values.schema.json: a wrong value is refused before anything is made, and the message names the key."""

import json
from typing import Any

import kubernetes_validate
import pytest

from charts.generate import GIVEN_BY_CHART
from tests.chart.charts import CHART, KUBERNETES, of_kind, template, with_values
from webhook.flags import SETTINGS

WRONG = {
    "an unknown key": ({"replicas": 2}, "replicas"),
    "an unknown key of the webhook": ({"webhook": {"hostNetwork": True}}, "hostNetwork"),
    "no replica": ({"webhook": {"replicas": 0}}, "/webhook/replicas"),
    "a port out of range": ({"webhook": {"port": 65536}}, "/webhook/port"),
    "a port that only root may listen on": ({"webhook": {"port": 443}}, "/webhook/port"),
    "a telemetry port that only root may listen on": ({"webhook": {"telemetryPort": 80}}, "/webhook/telemetryPort"),
    "a port in quotes": ({"webhook": {"port": "8443"}}, "/webhook/port"),
    "a missing port": ({"webhook": {"port": None}}, "port"),
    "another failure policy": ({"webhook": {"failurePolicy": "fail"}}, "/webhook/failurePolicy"),
    "a longer timeout than Kubernetes takes": ({"webhook": {"timeoutSeconds": 31}}, "/webhook/timeoutSeconds"),
    "an unknown setting": ({"webhook": {"settings": {"volume": "x"}}}, "'volume'"),
    "a setting of the chart's own": ({"webhook": {"settings": {"listen-address": ":1"}}}, "'listen-address'"),
    "no TLS": ({"webhook": {"settings": {"insecure-http": True}}}, "'insecure-http'"),
    "a version that YAML read as a number": (
        {"webhook": {"settings": {"kubelet-version-floor": 1.3}}},
        "/webhook/settings/kubelet-version-floor",
    ),
    "a setting's other value": ({"webhook": {"settings": {"refresher": "cron"}}}, "/webhook/settings/refresher"),
    "a setting out of range": ({"webhook": {"settings": {"workers": 65}}}, "/webhook/settings/workers"),
    "a switch in words": ({"webhook": {"settings": {"json": "yes"}}}, "/webhook/settings/json"),
    "one value for a list": (
        {"webhook": {"settings": {"image-pull-secret": "x"}}},
        "/webhook/settings/image-pull-secret",
    ),
    "an unknown certs.mode": ({"certs": {"mode": "inProcess"}}, "/certs/mode"),
    "an existing Secret without a name": (
        {"certs": {"mode": "existingSecret", "existingSecret": {"caBundle": "-----BEGIN CERTIFICATE-----"}}},
        "/certs/existingSecret/name",
    ),
    "an existing Secret without its CA": (
        {"certs": {"mode": "existingSecret", "existingSecret": {"name": "webhook-tls"}}},
        "/certs/existingSecret/caBundle",
    ),
    "an issuer without a name": (
        {"certs": {"mode": "certManager", "certManager": {"issuerRef": {"kind": "ClusterIssuer"}}}},
        "'name'",
    ),
    "a name that no object can have": ({"names": {"service": "Admission_Webhook"}}, "/names/service"),
    "an unknown name": ({"names": {"svc": "x"}}, "'svc'"),
    "a CronJob's name that is too long": ({"names": {"certsJob": "a" * 53}}, "/names/certsJob"),
    "a name that YAML reads as a number": ({"names": {"webhookConfiguration": "123"}}, "/names/webhookConfiguration"),
    "a prefix that YAML reads as a number": ({"fullnameOverride": "123"}, "/fullnameOverride"),
    "a repository that would be a map": ({"image": {"repository": "a: b"}}, "/image/repository"),
    "an existing Secret that no Secret can be": (
        {"certs": {"existingSecret": {"name": "a: b"}}},
        "/certs/existingSecret/name",
    ),
    "a renewal every night": ({"certs": {"job": {"extraArgs": ["--renew"]}}}, "/certs/job/extraArgs/0"),
    "a rotation every night": (
        {"certs": {"job": {"extraArgs": ["--lifetime=90d", "--rotate-ca"]}}},
        "/certs/job/extraArgs/1",
    ),
    "a repository with its tag": ({"image": {"repository": "x/y:1"}}, "/image/repository"),
    "a repository with a port and its tag": (
        {"injector": {"image": {"repository": "host:5000/x:1"}}},
        "/injector/image/repository",
    ),
    "a repository with its digest": ({"image": {"repository": "x@sha256:12"}}, "/image/repository"),
    "a digest that is none": ({"image": {"digest": "sha256:12"}}, "/image/digest"),
    "a tag with a colon": ({"image": {"tag": "a:b"}}, "/image/tag"),
    "our label on our pods": (
        {"podLabels": {"admission.token-injector/enabled": "true"}},
        "admission.token-injector/enabled",
    ),
    "a label by which pods are selected": (
        {"podLabels": {"app.kubernetes.io/component": "x"}},
        "app.kubernetes.io/component",
    ),
    "a role policy without rules": ({"rolePolicy": {"shop": ["*"]}}, "'rules'"),
    "a rule without roles": ({"rolePolicy": {"rules": [{"name": "a", "namespaces": ["a"]}]}}, "/rolePolicy/rules/0"),
    "a role policy whose list of rules is empty": ({"rolePolicy": {"rules": []}}, "/rolePolicy/rules"),
    "a selector that Kubernetes does not know": (
        {"selectors": {"objectExpressions": [{"key": "a", "operator": "Equals"}]}},
        "/selectors/objectExpressions/0/operator",
    ),
    "a CA without a host": ({"registries": {"ca": [{"configMap": {"name": "a"}}]}}, "/registries/ca/0"),
    "a CA without a place": ({"registries": {"ca": [{"hosts": ["a"]}]}}, "/registries/ca/0"),
    "a CA in two places": (
        {"registries": {"ca": [{"hosts": ["a"], "configMap": {"name": "a"}, "secret": {"name": "a"}}]}},
        "/registries/ca/0",
    ),
    "a CA for a URL": (
        {"registries": {"ca": [{"hosts": ["https://a"], "secret": {"name": "a"}}]}},
        "/registries/ca/0/hosts/0",
    ),
    "a pattern of namespaces": (
        {"registries": {"podPullSecrets": [{"namespace": "shop-*"}]}},
        "/registries/podPullSecrets/0/namespace",
    ),
    "a grant of no Secret": (
        {"registries": {"podPullSecrets": [{"namespace": "shop", "names": []}]}},
        "/registries/podPullSecrets/0/names",
    ),
    "a role that is no ARN": ({"registries": {"ecrRole": {"arn": "webhook"}}}, "/registries/ecrRole/arn"),
    "a pull secret that no Secret can be": ({"registries": {"pullSecret": "a/b"}}, "/registries/pullSecret"),
    "a file of the webhook's pod": (
        {"webhook": {"settings": {"registry-pull-secret": "/x"}}},
        "'registry-pull-secret'",
    ),
    "an API server without a port": ({"networkPolicy": {"apiServerPorts": []}}, "/networkPolicy/apiServerPorts"),
}


@pytest.mark.parametrize(("values", "named"), WRONG.values(), ids=WRONG)
def test_wrong_values_are_refused(values: dict[str, Any], named: str) -> None:
    """Helm renders nothing and names the key."""
    finished = with_values(values, "template", "token-injector", str(CHART))

    assert finished.returncode != 0
    assert finished.stdout == ""
    assert "values don't meet the specifications of the schema" in finished.stderr
    assert named in finished.stderr


EMPTY = ["webhook.settings", "webhook.extraEnv", "webhook.resources", "webhook.affinity", "names", "imagePullSecrets"]
EMPTY += ["webhook.serviceAccount.annotations", "registries.pullSecret", "registries.ca", "registries.podPullSecrets"]
EMPTY += [
    "rolePolicy",
    "podLabels",
    "selectors.excludedNamespaces",
    "certs.certManager.issuerRef",
    "certs.job.extraArgs",
]
NEEDED = ["image", "injector", "injector.image", "webhook", "selectors", "certs", "certs.job", "networkPolicy"]
NEEDED += ["registries", "registries.ecrRole", "webhook.serviceAccount"]


@pytest.mark.parametrize("key", EMPTY)
def test_a_key_without_a_value_is_an_empty_one(key: str) -> None:
    """YAML's `settings:` with nothing behind it is null, which Helm takes for: without the default."""
    assert template({}, f"--set={key}=null")


@pytest.mark.parametrize("key", NEEDED)
def test_a_part_that_is_needed_cannot_be_null(key: str) -> None:
    """The schema names it, before a template falls over it."""
    finished = with_values({}, "template", "token-injector", str(CHART), f"--set={key}=null")

    assert finished.returncode != 0
    assert f"'{key.rpartition('.')[2]}'" in finished.stderr
    assert "nil" not in finished.stderr


UNUSED = {
    "certs.existingSecret.name": ("existingSecret", {"existingSecret": {"name": "webhook-tls"}}),
    "certs.existingSecret.caBundle": (
        "existingSecret",
        {"mode": "certManager", "existingSecret": {"caBundle": "-----BEGIN CERTIFICATE-----"}},
    ),
    "certs.certManager.issuerRef": ("certManager", {"certManager": {"issuerRef": {"name": "ours"}}}),
}


@pytest.mark.parametrize(("key", "needed", "certs"), [(key, *row) for key, row in UNUSED.items()], ids=UNUSED)
def test_a_certificate_that_no_one_would_use_is_refused(key: str, needed: str, certs: dict[str, Any]) -> None:
    """Who names a Secret or an issuer means it; without the mode it would do nothing."""
    finished = with_values({"certs": certs}, "template", "token-injector", str(CHART))

    assert finished.returncode != 0
    mode = certs.get("mode", "job")
    assert (
        f"{key} is set, and certs.mode is {mode}, which does not use it: set certs.mode to {needed}" in finished.stderr
    )


def test_two_listeners_on_one_port_are_refused() -> None:
    """What a schema cannot say, the template does, and names both keys."""
    finished = with_values({"webhook": {"port": 9090}}, "template", "token-injector", str(CHART))

    assert finished.returncode != 0
    assert "webhook.port and webhook.telemetryPort are both 9090" in finished.stderr


@pytest.mark.parametrize("mode", ["job", "existingSecret"])
def test_what_looks_like_a_number_stays_a_text(mode: str) -> None:
    """A namespace, a Secret and a class may be named 123."""
    given = {"existingSecret": {"name": "123", "caBundle": "-----BEGIN CERTIFICATE-----"}}
    values = {"priorityClassName": "123", "certs": {"mode": mode, **(given if mode == "existingSecret" else {})}}
    numbered = template(values, "--namespace", "123")

    for manifest in numbered:
        assert manifest["metadata"].get("namespace", "123") == "123"
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


@pytest.mark.parametrize(
    "repository", ["host:5000/x", "host.example:5000/a/b_c/d-e", "x", "localhost/x", "eu.gcr.io/p/q__r", "HOST/x"]
)
def test_registries_with_and_without_a_port(repository: str) -> None:
    """A colon before a slash is the registry's port; the chart's tag comes behind."""
    (deployment,) = of_kind(template({"image": {"repository": repository, "tag": "1"}}), "Deployment")

    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"{repository}:1"


def test_as_a_part_of_another_chart() -> None:
    """Helm hands `global` to every subchart; it is taken."""
    assert template({"global": {"region": "eu"}})


def test_every_setting_is_in_the_schema() -> None:
    """The webhook's flags, less those that the chart gives itself: no more and no fewer, each with its meaning."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    settings = schema["properties"]["webhook"]["properties"]["settings"]

    assert set(settings["properties"]) == {setting.flag for setting in SETTINGS} - GIVEN_BY_CHART
    assert settings["additionalProperties"] is False
    for setting in SETTINGS:
        if setting.flag not in GIVEN_BY_CHART:
            assert settings["properties"][setting.flag]["description"].startswith(setting.about)
