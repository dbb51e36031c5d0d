"""Golden renders: each folder of golden/ is a fact about what the chart makes of some values.

`make golden` rewrites what is expected (REWRITE_GOLDEN=1); read the diff before you commit it.
"""

import os

import kubernetes_validate
import pytest

from tests.chart.charts import CASES, KUBERNETES, ChartCase, helm, of_kind

CLUSTER_SCOPED = {"ClusterRole", "ClusterRoleBinding", "MutatingWebhookConfiguration"}
# No schema of theirs is installed; the golden files show them whole.
CERT_MANAGER = {"Issuer", "Certificate"}


@pytest.mark.parametrize("case", CASES)
def test_rendered_as_expected(case: ChartCase) -> None:
    """Helm makes of the values exactly what the folder holds."""
    finished = helm(*case.command)

    assert finished.returncode == 0, finished.stderr
    if os.environ.get("REWRITE_GOLDEN"):
        (case.folder / "expected.yaml").write_text(finished.stdout)
    assert (case.folder / "expected.yaml").read_text() == finished.stdout


@pytest.mark.parametrize("case", CASES)
def test_cases_are_complete(case: ChartCase) -> None:
    """A case is values and what they give, and nothing else."""
    assert {path.name for path in case.folder.iterdir()} == {"values.yaml", "expected.yaml"}
    assert case.command


@pytest.mark.parametrize("case", CASES)
def test_every_object_is_valid(case: ChartCase) -> None:
    """Every object passes Kubernetes' own schema, unknown fields refused."""
    validated = [manifest for manifest in case.expected if manifest["kind"] not in CERT_MANAGER]

    assert validated
    for manifest in validated:
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


@pytest.mark.parametrize("case", CASES)
def test_only_cert_managers_kinds_are_not_validated(case: ChartCase) -> None:
    """What the schema test leaves out is cert-manager's, and only in its mode."""
    left_out = [manifest for manifest in case.expected if manifest["kind"] in CERT_MANAGER]

    assert {manifest["apiVersion"] for manifest in left_out} <= {"cert-manager.io/v1"}
    assert bool(left_out) is case.folder.name.startswith("cert-manager")


@pytest.mark.parametrize("case", CASES)
def test_every_object_says_its_namespace(case: ChartCase) -> None:
    """Cluster-scoped objects have none; every other is in the release's, whatever kubectl's context says.

    But for what is granted in another.
    """
    release_namespace = case.command[case.command.index("--namespace") + 1]

    for manifest in case.expected:
        namespace = manifest["metadata"].get("namespace")
        expected = None if manifest["kind"] in CLUSTER_SCOPED else release_namespace
        is_grant = manifest["metadata"]["name"].endswith("-pull-secrets")
        is_piggys = manifest["metadata"]["name"] == namespace == "piggy-webhooks"
        assert namespace == expected or is_piggys or (is_grant and namespace in {"shop", "bank"}), manifest["kind"]


@pytest.mark.parametrize("case", CASES)
def test_names_are_unique_and_referred_to(case: ChartCase) -> None:
    """No two objects share kind and name, and every service account that a pod or a binding names exists."""
    names = [(one["kind"], one["metadata"]["name"], one["metadata"].get("namespace")) for one in case.expected]
    accounts = {name for kind, name, _ in names if kind == "ServiceAccount"}
    bindings = of_kind(case.expected, "RoleBinding") + of_kind(case.expected, "ClusterRoleBinding")

    assert len(set(names)) == len(names)
    assert {subject["name"] for binding in bindings for subject in binding["subjects"]} == accounts
    for binding in bindings:
        assert (binding["roleRef"]["kind"], binding["roleRef"]["name"], binding["metadata"].get("namespace")) in names
