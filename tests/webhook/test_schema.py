"""Golden pods against Kubernetes' own schema: what the webhook makes, an API server takes."""

from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.webhook.cases import GoldenCase, golden_cases

KUBERNETES = "1.36"
# The one case that no schema of today can know.
UNKNOWN = "unknown-fields"
CASES = [pytest.param(case, id=case.folder.name) for case in golden_cases()]
INJECTED = [
    pytest.param(case, id=case.folder.name)
    for case in golden_cases()
    if (case.folder / "expected.yaml").exists() and case.folder.name != UNKNOWN
]


@pytest.mark.parametrize("case", [case for case in CASES if case.id != UNKNOWN])
def test_authors_pods_are_valid(case: GoldenCase) -> None:
    """The cases are pods that an API server would send."""
    kubernetes_validate.validate(case.pod, KUBERNETES, strict=True)
    kubernetes_validate.validate(case.account if case.old is None else case.old, KUBERNETES, strict=True)


@pytest.mark.parametrize("case", INJECTED)
def test_expected_pods_are_valid(case: GoldenCase) -> None:
    """In strict mode: no field of ours is misspelt."""
    expected: dict[str, Any] = yaml.safe_load((case.folder / "expected.yaml").read_text())

    kubernetes_validate.validate(expected, KUBERNETES, strict=True)
    names = [
        container["name"]
        for kind in ("initContainers", "containers", "ephemeralContainers")
        for container in expected["spec"].get(kind) or ()
    ]
    assert len(names) == len(set(names))


def test_validation_bites() -> None:
    """The validator refuses a field that does not exist: the tests above mean something."""
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "app", "restartpolicy": "Always"}]}}

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(pod, KUBERNETES, strict=True)
