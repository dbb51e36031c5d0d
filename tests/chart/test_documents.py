"""What is generated from the chart or for it is current: versions, table, schema, plain manifests, notes."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from charts import generate
from deploy import render
from tests.chart.charts import CASES, CHART, KUBERNETES, ROOT, ChartCase, helm, objects, of_kind, template
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


def test_an_overlay_replaces_both_images(tmp_path: Path) -> None:
    """The example in kustomization.yaml, uncommented: no image of the file is left."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not on PATH")
    text = (render.PATH.parent / "kustomization.yaml").read_text()
    head, images, rest = text.partition("# images:\n")
    example, end, tail = rest.partition("# As in the file:")
    uncommented = re.sub("^# ", "", images + example, flags=re.MULTILINE)
    (tmp_path / "kustomization.yaml").write_text(head + uncommented + end + tail)
    shutil.copy(render.PATH, tmp_path)

    command = [kubectl, "kustomize", str(tmp_path)]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert finished.returncode == 0, finished.stderr
    assert "ghcr.io" in render.PATH.read_text()
    assert "ghcr.io" not in finished.stdout
    assert finished.stdout.count("registry.example/token-injector/webhook:1.0") == 3
    assert finished.stdout.count("registry.example/token-injector/injector:1.0") == 1
