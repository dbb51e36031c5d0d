"""What every pod of the release keeps: the restricted profile, no label of ours, an end in time."""

from typing import Any

import pytest

from tests.chart.charts import CASES, LABEL, ChartCase, case, of_kind, pod_templates
from webhook.flags import SETTINGS
from webhook.settings import parse_settings

# The volumes of the restricted Pod Security Standard.
ALLOWED_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
DRAIN_SECONDS = 5


def violations(spec: dict[str, Any]) -> list[str]:
    """How a pod breaks the restricted Pod Security Standard, beyond what a schema says."""
    found = [key for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    pod = spec.get("securityContext", {})
    if pod.get("seccompProfile", {}).get("type") not in {"RuntimeDefault", "Localhost"}:
        found.append("seccompProfile")
    for volume in spec.get("volumes", []):
        found += [kind for kind in volume if kind != "name" and kind not in ALLOWED_VOLUMES]
    for container in spec["containers"] + spec.get("initContainers", []):
        own = container.get("securityContext", {})
        checks = {
            "allowPrivilegeEscalation": own.get("allowPrivilegeEscalation") is False,
            "capabilities": own.get("capabilities") == {"drop": ["ALL"]},
            "privileged": not own.get("privileged"),
            "runAsNonRoot": own.get("runAsNonRoot", pod.get("runAsNonRoot")) is True,
            "runAsUser": own.get("runAsUser", pod.get("runAsUser", 1)) != 0,
            "hostPort": not any("hostPort" in port for port in container.get("ports", [])),
        }
        found += [name for name, is_kept in checks.items() if not is_kept]
    return found


@pytest.mark.parametrize("case", CASES)
def test_every_pod_keeps_the_restricted_profile(case: ChartCase) -> None:
    """No pod would be refused in a namespace with pod-security.kubernetes.io/enforce: restricted."""
    pods = list(pod_templates(case.expected))

    assert pods
    assert [violations(pod["spec"]) for _, pod in pods] == [[] for _ in pods]


def test_the_check_of_the_profile_sees_a_violation() -> None:
    """A pod that says nothing, and one that asks for the host, are found."""
    assert violations({"containers": [{}]}) == [
        "seccompProfile",
        "allowPrivilegeEscalation",
        "capabilities",
        "runAsNonRoot",
    ]
    assert "hostPath" in violations({"containers": [], "volumes": [{"name": "root", "hostPath": {}}]})


@pytest.mark.parametrize("case", CASES)
def test_every_container_is_closed(case: ChartCase) -> None:
    """Root is read-only, memory is limited, CPU is not, and the user is the image's own."""
    for _, pod in pod_templates(case.expected):
        assert pod["spec"]["securityContext"]["runAsUser"] == 65532
        for container in pod["spec"]["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert set(container["resources"]["limits"]) == {"memory"}
            assert set(container["resources"]["requests"]) == {"cpu", "memory"}


@pytest.mark.parametrize("case", CASES)
def test_no_pod_carries_the_label(case: ChartCase) -> None:
    """A pod of ours that asked for injection would wait for itself."""
    for _, pod in pod_templates(case.expected):
        assert LABEL not in pod["metadata"]["labels"]


@pytest.mark.parametrize("case", CASES)
def test_tokens_are_mounted_where_they_are_used(case: ChartCase) -> None:
    """No service account mounts its token by itself; each pod says whether it needs one."""
    for account in of_kind(case.expected, "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False
    for kind, pod in pod_templates(case.expected):
        has_account = "serviceAccountName" in pod["spec"]
        assert pod["spec"]["automountServiceAccountToken"] is has_account, kind


@pytest.mark.parametrize("case", CASES)
def test_no_server_mounts_the_ca_key(case: ChartCase) -> None:
    """Of the two Secrets the pods of webhook and broker have the serving one; beside it, what a user names."""
    named = {"registry"} if case.folder.name == "registries" else set()
    pods = [pod for kind, pod in pod_templates(case.expected) if kind == "Deployment"]
    assert pods
    for pod in pods:
        secrets = {volume["secret"]["secretName"] for volume in pod["spec"]["volumes"] if "secret" in volume}

        (serving,) = secrets - named
        assert not serving.endswith("-ca")


@pytest.mark.parametrize(("name", "graceful_timeout"), [("defaults", None), ("everything", "40")])
def test_the_kubelet_waits_for_the_drain(name: str, graceful_timeout: str | None) -> None:
    """SIGKILL comes after the drain and the graceful timeout; the chart's default of it is the program's."""
    (deployment,) = of_kind(case(name).expected, "Deployment")
    given = {"graceful-timeout": [graceful_timeout]} if graceful_timeout else {}
    _, server = parse_settings(given, {})

    grace = deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]

    assert grace >= DRAIN_SECONDS + server.graceful_timeout + 5


def test_updates_never_lower_the_number_of_servers() -> None:
    """A new pod serves before an old one goes, and an eviction takes one at a time."""
    rendered = case("defaults").expected
    (deployment,) = of_kind(rendered, "Deployment")
    (budget,) = of_kind(rendered, "PodDisruptionBudget")

    assert deployment["spec"]["replicas"] == 2
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert deployment["spec"]["minReadySeconds"] > 0
    assert budget["spec"]["maxUnavailable"] == 1
    assert budget["spec"]["selector"] == deployment["spec"]["selector"]


def test_probes_ask_over_https() -> None:
    """A pod starts and lives by /healthz and gets reviews by /readyz, on the port of the reviews."""
    ((_, pod),) = [found for found in pod_templates(case("private-gke").expected) if found[0] == "Deployment"]
    (container,) = pod["spec"]["containers"]

    asked = {probe: container[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}

    assert {get["path"] for probe, get in asked.items() if probe != "readinessProbe"} == {"/healthz"}
    assert asked["readinessProbe"]["path"] == "/readyz"
    assert {(get["port"], get["scheme"]) for get in asked.values()} == {("https", "HTTPS")}
    assert {port["name"]: port["containerPort"] for port in container["ports"]} == {"https": 10250, "telemetry": 9090}


def test_no_job_is_a_hook_and_none_is_retried_for_ever() -> None:
    """`helm install --wait` must find the Job among the ordinary objects; hooks are the tests alone.

    Each try is a pod that stays: when the Job has failed, its log is there.
    """
    rendered = case("defaults").expected
    hooks = [m for m in rendered if "helm.sh/hook" in m["metadata"].get("annotations", {})]
    (job,) = of_kind(rendered, "Job")
    (cron_job,) = of_kind(rendered, "CronJob")

    assert {(hook["kind"], hook["metadata"]["annotations"]["helm.sh/hook"]) for hook in hooks} == {("Pod", "test")}
    assert job["metadata"]["name"] == "token-injector-certs-1"
    assert job["spec"] == cron_job["spec"]["jobTemplate"]["spec"]
    assert job["spec"]["backoffLimit"] > 0
    assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never"
    assert cron_job["spec"]["concurrencyPolicy"] == "Forbid"


def test_every_flag_of_the_settings_has_a_name_that_helm_can_hold() -> None:
    """The table's names are keys of a map: no dot, which --set would split."""
    assert [setting.flag for setting in SETTINGS if "." in setting.flag] == []
