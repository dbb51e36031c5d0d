"""The broker in the chart: off unless asked for, and started with what its own parser takes."""

from typing import Any

import pytest
import yaml

import certjob.flags
from certjob.names import serving_names
from contract.server import CERTIFICATE_DIR, TLS_CERT, TLS_KEY
from secretenv.broker import cli
from secretenv.broker.flags import SETTINGS
from secretenv.broker.grants_file import load_grants
from secretenv.broker.settings import BrokerSettings, parse_settings
from tests.chart.charts import (
    CHART,
    Manifest,
    arguments_of,
    case,
    of_component,
    of_kind,
    pod_templates,
    template,
    with_values,
)

SHARED: dict[str, Any] = {
    "arn": "arn:aws:iam::123456789012:role/broker",
    "grants": [{"name": "g", "serviceAccounts": ["shop:*"], "secrets": ["sm://shop/*"]}],
}


def pod_of(manifests: list[Manifest]) -> Manifest:
    """The broker's pod template."""
    (deployment,) = of_kind(of_component(manifests, "broker"), "Deployment")
    pod: Manifest = deployment["spec"]["template"]
    return pod


def settings_of(pod: Manifest) -> BrokerSettings:
    """The broker's settings, from the pod's arguments and environment, as its command line does it."""
    (container,) = pod["spec"]["containers"]
    environ = {entry["name"]: entry["value"] for entry in container.get("env", [])}
    parsed = vars(cli.build_parser().parse_args(arguments_of(pod)))
    given = {setting.flag: value for setting in SETTINGS if (value := parsed.get(setting.flag.replace("-", "_")))}
    return parse_settings(given, environ)


def test_it_is_off_by_default() -> None:
    """Nothing of it is there, and the certificate names the webhook alone."""
    rendered = case("defaults").expected

    assert of_component(rendered, "broker") == []
    assert "--also-service" not in yaml.safe_dump(rendered)


def test_it_starts_with_what_is_rendered() -> None:
    """Arguments parse and belong together; certificate, grants and token lie where the mounts are."""
    rendered = case("broker").expected
    pod = pod_of(rendered)
    (container,) = pod["spec"]["containers"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}

    settings = settings_of(pod)

    assert settings.listen_address == f":{ports['https']}"
    assert settings.telemetry_listen_address == f":{ports['telemetry']}"
    assert mounts["certs"] == CERTIFICATE_DIR
    assert (settings.tls_cert_file, settings.tls_private_key_file) == (
        f"{CERTIFICATE_DIR}/{TLS_CERT}",
        f"{CERTIFICATE_DIR}/{TLS_KEY}",
    )
    assert settings.takes_legacy
    assert settings.cache_seconds == 30
    assert len(settings.key_urls) == 2
    assert settings.shared_token_file.startswith(f"{mounts['web-identity']}/")
    (grants,) = of_kind(of_component(rendered, "broker"), "ConfigMap")
    (file,) = grants["data"]
    assert settings.grants_file == f"{mounts['grants']}/{file}"
    assert load_grants(grants["data"][file], file).grants[0].name == "shop"
    assert not any("subPath" in mount for mount in container["volumeMounts"])


def test_it_stands_behind_a_service_of_its_own_name() -> None:
    """Service, pods and disruption budget select the same; two replicas, spread."""
    broker = of_component(case("broker").expected, "broker")
    (service, _), (budget,), (deployment,) = (
        of_kind(broker, kind) for kind in ("Service", "PodDisruptionBudget", "Deployment")
    )
    labels = deployment["spec"]["template"]["metadata"]["labels"]

    assert service["metadata"]["name"] == "token-injector-broker"
    assert service["spec"]["selector"].items() <= labels.items()
    assert budget["spec"]["selector"]["matchLabels"] == service["spec"]["selector"]
    assert deployment["spec"]["replicas"] == 2
    assert len(deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]) == 2


def test_without_a_shared_role_it_has_no_identity() -> None:
    """No token but the API server's, no sidecar, no grants."""
    rendered = template({"broker": {"enabled": True}})
    pod = pod_of(rendered)

    assert settings_of(pod).shared_role_arn == ""
    assert "initContainers" not in pod["spec"]
    assert [volume["name"] for volume in pod["spec"]["volumes"]] == ["certs"]
    assert of_kind(rendered, "ConfigMap") == []


def test_a_clusters_token_for_the_shared_role() -> None:
    """Projected for AWS, where the cluster's own issuer is known there; no sidecar."""
    pod = pod_of(template({"broker": {"enabled": True, "sharedRole": {**SHARED, "mode": "cluster"}}}))
    (volume,) = [volume for volume in pod["spec"]["volumes"] if volume["name"] == "web-identity"]

    assert volume["projected"]["sources"][0]["serviceAccountToken"]["audience"] == "sts.amazonaws.com"
    assert "initContainers" not in pod["spec"]
    assert settings_of(pod).shared_token_file == "/var/run/secrets/aws/token/token"


def test_googles_token_for_the_shared_role() -> None:
    """From a sidecar with the metadata server of injected containers, where the broker looks, before it starts."""
    pod = pod_of(case("broker").expected)
    (sidecar,) = pod["spec"]["initContainers"]

    assert sidecar["env"] == [{"name": "GCE_METADATA_HOST", "value": "10.244.0.1:8080"}]
    assert f"--file={settings_of(pod).shared_token_file}" in sidecar["command"]
    assert settings_of(pod).shared_token_file in sidecar["lifecycle"]["postStart"]["exec"]["command"]
    assert sidecar["restartPolicy"] == "Always"


def test_cert_managers_certificate_names_it_too() -> None:
    """By the name that pods call."""
    rendered = template({"broker": {"enabled": True}, "certs": {"mode": "certManager"}})
    (certificate,) = [one for one in of_kind(rendered, "Certificate") if "dnsNames" in one["spec"]]

    assert "token-injector-broker.token-injector.svc" in certificate["spec"]["dnsNames"]


def test_piggys_address_is_answered_by_the_broker() -> None:
    """What PIGGY_ADDRESS of running pods names leads to the broker's own Service, and its certificate has that name."""
    rendered = case("broker").expected
    own, piggys = of_kind(of_component(rendered, "broker"), "Service")
    asked = "piggy-webhooks.piggy-webhooks.svc.cluster.local"
    target = f"{own['metadata']['name']}.{own['metadata']['namespace']}.svc.cluster.local"
    jobs = [pod for _, pod in pod_templates(rendered) if "certify" in arguments_of(pod)]

    assert (piggys["metadata"]["name"], piggys["metadata"]["namespace"]) == ("piggy-webhooks", "piggy-webhooks")
    assert piggys["spec"] == {"type": "ExternalName", "externalName": target}
    assert len(jobs) == 2
    for pod in jobs:
        given = certjob.flags.build_parser().parse_args(arguments_of(pod))
        names = serving_names(service=given.service, namespace=given.namespace, also=given.also_service, sans=given.san)
        assert {asked, target} <= {*names.dns}


def test_cert_managers_certificate_has_piggys_name() -> None:
    """As the cert job's."""
    legacy = {"legacyService": {"name": "piggy", "namespace": "tools"}, "settings": {"legacy-piggy": True}}
    values = {"broker": {"enabled": True, "sharedRole": SHARED, **legacy}, "certs": {"mode": "certManager"}}
    (certificate,) = [one for one in of_kind(template(values), "Certificate") if "dnsNames" in one["spec"]]

    assert {"piggy.tools", "piggy.tools.svc", "piggy.tools.svc.cluster.local"} <= {*certificate["spec"]["dnsNames"]}


@pytest.mark.parametrize(
    ("broker", "said"),
    [
        ({"port": 9090}, "broker.port and broker.telemetryPort are both 9090"),
        ({"sharedRole": {"arn": SHARED["arn"]}}, "broker.sharedRole.grants is empty"),
        ({"sharedRole": {"grants": SHARED["grants"]}}, "broker.sharedRole.arn is empty"),
        ({"settings": {"legacy-piggy": True}}, "broker.settings.legacy-piggy is about the shared role"),
        ({"settings": {"enforce-service-account": True}}, "is about the shared role"),
        ({"legacyService": {"name": "piggy"}}, "broker.legacyService.namespace belong together"),
        ({"legacyService": {"namespace": "piggy"}}, "broker.legacyService.namespace belong together"),
        ({"legacyService": {"name": "piggy", "namespace": "piggy"}}, "broker.settings.legacy-piggy is not"),
        ({"legacyService": {"name": "Piggy", "namespace": "piggy"}}, "/broker/legacyService/name"),
        ({"settings": {"grants": "x"}}, "/broker/settings"),
        ({"settings": {"cache-seconds": 0}}, "/broker/settings/cache-seconds"),
        ({"settings": {"web-identity-keys": ["x"]}}, "/broker/settings/web-identity-keys"),
        ({"sharedRole": {**SHARED, "arn": "broker"}}, "/broker/sharedRole/arn"),
        ({"sharedRole": {**SHARED, "grants": [{"name": "g"}]}}, "/broker/sharedRole/grants"),
        ({"sharedRole": {**SHARED, "grants": SHARED["grants"] * 2}}, "is already the name of grants[0]"),
    ],
)
def test_what_cannot_be_meant_is_refused(broker: dict[str, Any], said: str) -> None:
    """Helm names the key, before anything is in the cluster."""
    finished = with_values({"broker": {"enabled": True, **broker}}, "template", "token-injector", str(CHART))
    assert finished.returncode
    assert said in finished.stderr


def test_an_old_cluster_has_no_native_sidecar() -> None:
    """The token's sidecar would be an init container that never ends."""
    finished = with_values(
        {"broker": {"enabled": True, "sharedRole": SHARED}},
        *("template", "token-injector", str(CHART), "--kube-version", "1.28"),
    )
    assert "broker.sharedRole.mode is google" in finished.stderr
