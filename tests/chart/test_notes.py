"""NOTES.txt: what a person is told after the installation is what this installation needs."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from contract.annotations import GOOGLE_SERVICE_ACCOUNT
from contract.annotations import SECRETS as SECRETS_ANNOTATION
from tests.chart.charts import CHART, ROOT, objects, with_values


def notes(values: dict[str, Any]) -> str:
    """What helm install prints at its end."""
    command = ("install", "token-injector", str(CHART), "--namespace", "aws", "--dry-run=client")
    finished = with_values(values, *command)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.partition("NOTES:\n")[2]


def test_google_mode_names_both_annotations() -> None:
    """A pod needs a Google identity beside its role; in cluster mode it needs none."""
    assert f" \\\n       {GOOGLE_SERVICE_ACCOUNT}=" in notes({})
    assert GOOGLE_SERVICE_ACCOUNT not in notes({"webhook": {"settings": {"mode": "cluster"}}})


def test_private_clusters_are_told_the_port() -> None:
    """Not where it is set already."""
    assert "--set webhook.port=10250, or a firewall rule for 8443" in notes({})
    assert "webhook.port" not in notes({"webhook": {"port": 10250}})


def test_troubleshooting_is_named() -> None:
    """The document is there."""
    assert "docs/troubleshooting.md" in notes({})
    assert (ROOT / "docs/troubleshooting.md").is_file()


def test_notes_without_settings() -> None:
    """They are rendered when YAML's `settings:` has nothing behind it."""
    assert "Kubelet version floor: auto" in notes({"webhook": {"settings": None}})


def test_notes_say_what_to_do_next() -> None:
    """Wait, annotate and label, test: each with its command; nothing is warned about by default."""
    text = notes({})

    assert "kubectl -n aws rollout status deployment/token-injector-webhook" in text
    assert "kubectl -n aws logs job/token-injector-certs-1" in text
    assert "amazonaws.com/role-arn=" in text
    assert 'admission.token-injector/enabled: "true"' in text
    assert "helm -n aws test token-injector --logs" in text
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
            {"webhook": {"extraEnv": [{"name": "PIGGY_ADDRESS", "value": "https://piggy"}]}},
            "WARNING: webhook.extraEnv has PIGGY_ADDRESS, and secrets.piggyDefaultNamespaces is empty",
        ),
        (
            {"webhook": {"watchNodes": False}},
            "auto, without the right to see nodes: the API server's minor version less 3",
        ),
        ({"webhook": {"settings": {"kubelet-version-floor": "1.28"}}}, "Kubelet version floor: 1.28, as set."),
        ({"certs": {"mode": "certManager"}}, "describe certificate token-injector-webhook-certs"),
    ],
    ids=[
        "ignore",
        "one replica",
        "latest",
        "latest injector",
        "piggy's defaults",
        "no nodes",
        "fixed floor",
        "cert-manager",
    ],
)
def test_notes_follow_the_values(values: dict[str, Any], said: str) -> None:
    """A risky value is warned about, and each other is spoken of as it is."""
    assert said in notes(values)


def test_piggys_defaults_with_namespaces_are_well() -> None:
    """Those pods are sent; and a region alone makes nothing a reference."""
    namespaces = [{"key": "kubernetes.io/metadata.name", "operator": "Exists"}]
    source = [{"name": "AWS_SECRET_NAME", "value": "prod/all"}]
    region = [{"name": "AWS_REGION", "value": "eu-west-1"}]

    assert "WARNING" not in notes({"webhook": {"extraEnv": source}, "secrets": {"piggyDefaultNamespaces": namespaces}})
    assert "WARNING" not in notes({"webhook": {"extraEnv": region}})


def test_a_digest_is_not_latest() -> None:
    """A digest fixes the version, whatever the tag says."""
    assert "WARNING" not in notes({"image": {"tag": "latest", "digest": f"sha256:{'0' * 64}"}})


SHARED = {
    "arn": "arn:aws:iam::123456789012:role/b",
    "grants": [{"name": "g", "serviceAccounts": ["*:*"], "secrets": ["sm://a"]}],
}
SECRETS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "on, without a broker": (
        {},
        ["annotate the pods; they need no label:", "There is no broker (broker.enabled)", "piggy-address are denied."],
    ),
    "with a broker": (
        {"broker": {"enabled": True}},
        ["The broker is https://token-injector-broker.aws.svc (docs/broker.md)", "each with its own role."],
    ),
    "with a shared role": (
        {"broker": {"enabled": True, "sharedRole": SHARED}},
        ["each with its own role, else with", "role/b what broker.sharedRole.grants allows."],
    ),
    "with another broker": (
        {"webhook": {"settings": {"broker-address": "https://broker.example"}}},
        ["piggy-address are read for by https://broker.example."],
    ),
    "off": ({"secrets": {"enabled": False}}, ["annotate the pods that have the label", "secrets.enabled is false:"]),
}


@pytest.mark.parametrize(("values", "said"), SECRETS.values(), ids=SECRETS)
def test_secrets_are_spoken_of(values: dict[str, Any], said: list[str]) -> None:
    """How a pod asks, whether a label is needed for it, and whether there is a broker."""
    text = notes(values)

    assert [part for part in said if part not in text] == []
    assert "kubectl token-injector check -f FILE" in text
    assert f'{SECRETS_ANNOTATION}: "true"' in text


@pytest.mark.parametrize(
    ("version", "values", "said"),
    [
        ("1.28", {}, "Manifests with piggysec.com annotations stay as they are."),
        ("1.27", {}, "Pods with piggysec.com annotations need the label too, or start with the text piggy:NAME."),
        ("1.28", {"secrets": {"enabled": False}}, "Pods with piggysec.com annotations need the label too"),
    ],
)
def test_piggys_pods_are_spoken_of(version: str, values: dict[str, Any], said: str, tmp_path: Path) -> None:
    """Below 1.28 they are not sent: helm prints no notes for another version, so that they are a document here."""
    chart = tmp_path / "chart"
    shutil.copytree(CHART, chart)
    written = (chart / "templates/NOTES.txt").read_text()
    (chart / "templates/_notes.tpl").write_text(f'{{{{- define "notes" }}}}{written}{{{{ end }}}}')
    (chart / "templates/notes.yaml").write_text('notes: {{ include "notes" . | toJson }}\n')

    finished = with_values(
        values, "template", "t", str(chart), "--kube-version", version, "--show-only", "templates/notes.yaml"
    )

    assert finished.returncode == 0, finished.stderr
    [document] = objects(finished.stdout)
    assert said in document["notes"]
    assert ("older than 1.28" in document["notes"]) is (version == "1.27")
