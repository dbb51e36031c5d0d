"""What is generated from the chart or for it is current: versions, table, schema, plain manifests, notes."""

import re
import shutil
import subprocess
import sys
import tomllib
from typing import Any

import kubernetes_validate
import pytest
import yaml

from charts import generate
from deploy import render
from tests.chart.charts import CASES, CHART, KUBERNETES, ROOT, ChartCase, helm, objects, of_kind, template, with_values
from tests.chart.test_pods import violations

CHART_YAML = yaml.safe_load((CHART / "Chart.yaml").read_text())


@pytest.mark.parametrize("case", CASES)
def test_lint_finds_nothing(case: ChartCase) -> None:
    """`helm lint --strict` passes with every set of values."""
    finished = helm("lint", "--strict", str(CHART), "--values", str(case.folder / "values.yaml"))

    assert finished.returncode == 0, finished.stdout


def test_versions_are_the_projects() -> None:
    """Chart, application and Python package carry one version, and the images of the annotation too."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    images = yaml.safe_load(CHART_YAML["annotations"]["artifacthub.io/images"])

    assert (CHART_YAML["version"], CHART_YAML["appVersion"]) == (version, version)
    assert {image["image"].partition(":")[2] for image in images} == {version}


def test_older_clusters_are_refused() -> None:
    """Below 1.25 Helm says no; GKE's suffix does not make a version older."""
    arguments = ("template", "token-injector", str(CHART), "--kube-version")

    refused = helm(*arguments, "1.24.9")
    assert refused.returncode != 0
    assert "kubeVersion" in refused.stderr
    assert helm(*arguments, "v1.25.3-gke.100").returncode == 0


def test_generated_parts_are_current() -> None:
    """`make manifests` would change neither the schema nor the table."""
    check = [sys.executable, str(ROOT / "charts/generate.py"), "--check"]

    finished = subprocess.run(check, capture_output=True, text=True, timeout=60, check=False)

    assert finished.returncode == 0, finished.stderr


def test_every_value_is_in_the_table() -> None:
    """No key of values.yaml is without a comment, its own or one of a key above or below it."""
    text = (CHART / "values.yaml").read_text()
    described = {path for path, _ in generate.described_values(text)}

    def undescribed(path: tuple[str, ...], value: Any) -> list[tuple[str, ...]]:
        if path in described:
            return []
        if not isinstance(value, dict) or not value:
            return [path]
        return [found for key, below in value.items() for found in undescribed((*path, key), below)]

    assert undescribed((), yaml.safe_load(text)) == []


def test_plain_manifests_are_the_chart() -> None:
    """`make manifests` would not change deploy/token-injector.yaml."""
    found = shutil.which("helm")
    if found is None:
        pytest.skip("helm is not on PATH")

    assert render.PATH.read_text() == render.render(found)


def test_plain_manifests_differ_from_the_chart_as_said() -> None:
    """Beside Helm's labels only: a namespace more, no hook, a Job with a fixed name, the configuration first."""
    plain = objects(render.PATH.read_text())
    chart = [m for m in template({}) if "helm.sh/hook" not in m["metadata"].get("annotations", {})]
    (namespace,) = of_kind(plain, "Namespace")

    def reduced(manifest: dict[str, Any]) -> str:
        text = yaml.safe_dump(manifest).replace("name: token-injector-certs-1\n", "name: token-injector-certs\n")
        return re.sub(r" *(helm\.sh/chart|app\.kubernetes\.io/managed-by): .*\n", "", text)

    assert sorted(map(reduced, chart)) == sorted(yaml.safe_dump(m) for m in plain if m["kind"] != "Namespace")
    assert [m["kind"] for m in plain[:2]] == ["MutatingWebhookConfiguration", "Namespace"]
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for manifest in plain:
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
    (deployment,) = of_kind(plain, "Deployment")
    assert violations(deployment["spec"]["template"]["spec"]) == []


def test_kustomize_takes_the_plain_manifests() -> None:
    """`kubectl kustomize deploy` gives the same objects in the same order."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not on PATH")

    command = [kubectl, "kustomize", str(render.PATH.parent)]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert finished.returncode == 0, finished.stderr
    assert objects(finished.stdout) == objects(render.PATH.read_text())


def notes(values: dict[str, Any]) -> str:
    """What helm install prints at its end."""
    command = ("install", "token-injector", str(CHART), "--namespace", "aws", "--dry-run=client")
    finished = with_values(values, *command)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.partition("NOTES:\n")[2]


def test_notes_say_what_to_do_next() -> None:
    """Wait, annotate and label, test: each with its command; nothing is warned about by default."""
    text = notes({})

    assert "kubectl -n aws rollout status deployment/token-injector-webhook" in text
    assert "kubectl -n aws logs job/token-injector-certs-1" in text
    assert "amazonaws.com/role-arn=" in text
    assert 'admission.token-injector/enabled: "true"' in text
    assert "helm -n aws test token-injector" in text
    assert "Kubelet version floor: auto: the oldest kubelet of the cluster's nodes. Native" in text
    assert "WARNING" not in text


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"webhook": {"failurePolicy": "Ignore"}}, "WARNING: webhook.failurePolicy is Ignore"),
        ({"webhook": {"replicas": 1}}, "WARNING: webhook.replicas is 1"),
        ({"image": {"tag": "latest"}}, "WARNING: image.tag is latest"),
        ({"injector": {"image": {"tag": "latest"}}}, "WARNING: injector.image.tag is latest"),
        (
            {"webhook": {"watchNodes": False}},
            "auto, without the right to see nodes: the API server's minor version less 3",
        ),
        ({"webhook": {"settings": {"kubelet-version-floor": "1.28"}}}, "Kubelet version floor: 1.28, as set."),
        ({"certs": {"mode": "certManager"}}, "describe certificate token-injector-webhook-certs"),
    ],
    ids=["ignore", "one replica", "latest", "latest injector", "no nodes", "fixed floor", "cert-manager"],
)
def test_notes_follow_the_values(values: dict[str, Any], said: str) -> None:
    """A risky value is warned about, and each other is spoken of as it is."""
    assert said in notes(values)


def test_a_digest_is_not_latest() -> None:
    """A digest fixes the version, whatever the tag says."""
    assert "WARNING" not in notes({"image": {"tag": "latest", "digest": f"sha256:{'0' * 64}"}})
