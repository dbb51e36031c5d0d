"""Every YAML block of the documents is YAML; Kubernetes' own objects are valid, and alerts name metrics that exist."""

import re
from typing import Any

import kubernetes_validate
import pytest
import yaml

from docs.generate import metrics
from injector.metrics import metrics as of_sidecar
from injector.state import State
from tests.docs.documents import Block, blocks, heredocs

KUBERNETES = "1.36"
MANIFESTS = [
    pytest.param(text, id=block.name)
    for block in blocks("yaml", "sh")
    for text in ([block.text] if block.language == "yaml" else heredocs(block.text))
]
METRIC = re.compile(r"\btoken_injector_[a-z_]+")
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}
RULES = [block for block in blocks("yaml") if "kind: PrometheusRule" in block.text]


def documents(text: str) -> list[Any]:
    """The block's YAML documents."""
    return list(yaml.safe_load_all(text))


@pytest.mark.parametrize("text", MANIFESTS)
def test_kubernetes_objects_are_valid(text: str) -> None:
    """Strictly: a field that Kubernetes does not know is a mistake. Kinds of other software only have to be YAML."""
    for document in documents(text):
        assert isinstance(document, dict)
        if "kind" in document and ".coreos.com/" not in document["apiVersion"]:
            kubernetes_validate.validate(document, KUBERNETES, strict=True)


def known_metrics() -> set[str]:
    """As Prometheus names them: of the webhook and the broker, and of the sidecars."""
    ours = re.findall(r"# TYPE (\S+) (\S+)", of_sidecar(State(), day=0.0, polls=True))
    found = [*((name, kind) for name, kind, _, _ in metrics()), *ours]
    return {name + suffix for name, kind in found for suffix in SUFFIXES[kind]}


@pytest.mark.parametrize("block", RULES, ids=lambda block: block.document.name)
def test_alerts_are_about_metrics_that_exist(block: Block) -> None:
    """Each has a name of its own, an expression on our metrics, a severity and a sentence."""
    [rule] = documents(block.text)
    alerts = [alert for group in rule["spec"]["groups"] for alert in group["rules"]]

    assert len({alert["alert"] for alert in alerts}) == len(alerts) > 0
    for alert in alerts:
        names = set(METRIC.findall(alert["expr"]))
        assert names, alert
        assert names <= known_metrics(), alert
        assert alert["labels"]["severity"] in {"critical", "warning", "info"}
        assert alert["annotations"]["summary"].endswith(".")


@pytest.mark.parametrize("block", RULES, ids=lambda block: block.document.name)
def test_alerts_select_labels_that_exist(block: Block) -> None:
    """A matcher on a label that a metric has not would never fire."""
    labels = {name: set(found) for name, _, found, _ in metrics()}
    for name, matchers in re.findall(r"(token_injector_[a-z_]+)\{([^}]*)\}", block.text):
        used = set(re.findall(r"([a-z_]+)=", matchers))
        assert used <= labels[name], name


def test_every_document_names_only_metrics_that_exist() -> None:
    """In prose too."""
    said = {name for block in blocks("", "sh", "yaml") for name in METRIC.findall(block.text)}
    prose = {name for path in {block.document for block in blocks("yaml")} for name in METRIC.findall(path.read_text())}

    assert sorted((said | prose) - known_metrics() - {name for name, *_ in metrics()}) == []
