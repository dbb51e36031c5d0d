"""What the chart writes is what the programs read: every rendered command line goes through their own parsers."""

import argparse

import pytest

import certjob.flags
from contract.pod import LAUNCHER
from contract.server import CERTIFICATE_DIR, TLS_CERT, TLS_KEY
from tests.chart.charts import (
    CASES,
    ChartCase,
    Manifest,
    arguments_of,
    case,
    of_component,
    of_kind,
    pod_templates,
    template,
)
from webhook import cli
from webhook.flags import SETTINGS
from webhook.settings import ServerSettings, Settings, check_server, parse_settings

JOB_CASES = [param for param in CASES if param.id not in {"cert-manager", "cert-manager-issuer", "existing-secret"}]
FILE_CASES = [param for param in CASES if param not in JOB_CASES]


def deployment_pod(one: ChartCase) -> Manifest:
    """The webhook's pod."""
    (pod,) = [pod for kind, pod in pod_templates(of_component(one.expected, "webhook")) if kind == "Deployment"]
    return pod


def settings_of(pod: Manifest) -> tuple[Settings, ServerSettings]:
    """The webhook's settings, from the pod's arguments and environment, as its command line does it."""
    (container,) = pod["spec"]["containers"]
    environ = {entry["name"]: entry["value"] for entry in container.get("env", [])}
    parsed = vars(cli.build_parser().parse_args(arguments_of(pod)))
    flags = [setting.flag for setting in SETTINGS]
    given = {flag: value for flag in flags if (value := parsed.get(flag.replace("-", "_")))}
    return parse_settings(given, environ)


@pytest.mark.parametrize("case", CASES)
def test_the_webhook_starts_with_what_is_rendered(case: ChartCase) -> None:
    """Its arguments parse, belong together and are enough for a server."""
    pod = deployment_pod(case)

    settings, server = settings_of(pod)

    check_server(settings, server)
    (container,) = pod["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert server.listen_address == f":{ports['https']}"
    assert server.telemetry_listen_address == f":{ports['telemetry']}"
    assert container["volumeMounts"][0]["mountPath"] == CERTIFICATE_DIR
    assert server.tls_cert_file == f"{CERTIFICATE_DIR}/{TLS_CERT}"
    assert server.tls_private_key_file == f"{CERTIFICATE_DIR}/{TLS_KEY}"


def test_settings_arrive_as_they_were_written() -> None:
    """Large numbers, lists, quotes and $(NAME) reach the program unchanged."""
    settings, server = settings_of(deployment_pod(case("everything")))

    assert server.max_body_bytes == 10485760
    assert server.log_json is False
    assert settings.kubelet_version_floor == (1, 28)
    assert settings.session_name == "{cluster}-{namespace}"
    assert settings.injector_env == (
        ("GCE_METADATA_HOST", "10.244.0.1:8080"),
        ("GREETING", 'say "$(hello)": # not a comment'),
        ("EMPTY", ""),
    )


def test_a_list_is_a_flag_given_again() -> None:
    """Both pull secrets arrive, and the injected image is the one of the values."""
    settings, _ = settings_of(deployment_pod(case("private-gke")))

    assert settings.image_pull_secrets == ("registry", "mirror")
    assert settings.image == "registry.example/injector:1.0"


def test_a_role_policy_is_mounted_where_the_flag_looks() -> None:
    """--role-policy names a file of the mounted ConfigMap; without a policy there is neither."""
    rendered = case("everything").expected
    pod = deployment_pod(case("everything"))
    (policy,) = of_kind(rendered, "ConfigMap")
    (mount,) = [mount for mount in pod["spec"]["containers"][0]["volumeMounts"] if mount["name"] == "role-policy"]
    (file,) = policy["data"]

    assert f"--role-policy={mount['mountPath']}/{file}" in arguments_of(pod)
    assert "subPath" not in mount
    assert not [argument for argument in arguments_of(deployment_pod(case("defaults"))) if "role-policy" in argument]


def runs(pod: Manifest) -> str:
    """The name of the pod's only container."""
    (container,) = pod["spec"]["containers"]
    return str(container["name"])


def parsed_by_certs(pod: Manifest) -> argparse.Namespace:
    """The cert job's view of a pod's arguments."""
    return certjob.flags.build_parser().parse_args(arguments_of(pod))


@pytest.mark.parametrize("case", JOB_CASES)
def test_the_cert_jobs_arguments_parse(case: ChartCase) -> None:
    """Job, CronJob and test pod name the rendered Service, configuration and the Secret that the webhook mounts."""
    (service,) = of_kind(of_component(case.expected, "webhook"), "Service")
    brokers = of_kind(of_component(case.expected, "broker"), "Service")
    also = [one["metadata"]["name"] for one in brokers if one["spec"]["type"] == "ClusterIP"]
    (configuration,) = of_kind(case.expected, "MutatingWebhookConfiguration")
    mounted = deployment_pod(case)["spec"]["volumes"][0]["secret"]["secretName"]
    pods = [found for found in pod_templates(case.expected) if runs(found[1]) in {"certs", "check"}]

    assert {kind for kind, _ in pods} == {"Job", "CronJob", "Pod"}
    for kind, pod in pods:
        arguments = parsed_by_certs(pod)
        assert arguments.command == ("check" if kind == "Pod" else "certify")
        assert (arguments.service, arguments.namespace) == (
            service["metadata"]["name"],
            service["metadata"]["namespace"],
        )
        assert arguments.also_service == also
        assert arguments.secret == mounted
        assert arguments.ca_secret not in {"", mounted}
        assert arguments.webhook_configuration == configuration["metadata"]["name"]


@pytest.mark.parametrize("case", FILE_CASES)
def test_without_a_cert_job_the_test_looks_at_the_files(case: ChartCase) -> None:
    """`helm test` checks the mounted certificate against its CA and the Service, with no permission at all."""
    (pod,) = [pod for _, pod in pod_templates(case.expected) if runs(pod) == "check"]
    (source, *more) = pod["spec"]["volumes"][0]["projected"]["sources"]
    files = {item["path"] for item in source["secret"]["items"]}
    for extra in more:
        (ca,) = [m for m in of_kind(case.expected, "ConfigMap") if m["metadata"]["name"] == extra["configMap"]["name"]]
        files |= set(ca["data"])

    (service,) = of_kind(case.expected, "Service")
    arguments = parsed_by_certs(pod)
    assert str(arguments.directory) == pod["spec"]["containers"][0]["volumeMounts"][0]["mountPath"]
    assert arguments.service == service["metadata"]["name"]
    assert arguments.namespace == service["metadata"]["namespace"]
    assert files == {"tls.crt", "tls.key", "ca.crt"}
    assert pod["spec"]["automountServiceAccountToken"] is False


@pytest.mark.parametrize("case", CASES)
def test_the_injected_image_is_tried(case: ChartCase) -> None:
    """`helm test` runs the launcher of the very image that the webhook injects, by the same pull policy."""
    (pod,) = [pod for _, pod in pod_templates(case.expected) if runs(pod) == "injector"]
    settings, _ = settings_of(deployment_pod(case))
    (container,) = pod["spec"]["containers"]

    assert (container["command"], container["args"]) == ([LAUNCHER], ["--version"])
    assert container["image"] == settings.image
    assert container["imagePullPolicy"] == settings.pull_policy
    assert pod["spec"].get("imagePullSecrets") == deployment_pod(case)["spec"].get("imagePullSecrets")


def test_without_an_injected_container_no_image_is_tried() -> None:
    """In cluster mode nobody needs the image, and it may not be there."""
    rendered = template({"webhook": {"settings": {"mode": "cluster"}}})

    assert [pod["metadata"]["name"] for pod in of_kind(rendered, "Pod")] == ["token-injector-check"]
