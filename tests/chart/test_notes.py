"""NOTES.txt: what a person is told after the installation is what this installation needs."""

from contract.annotations import GOOGLE_SERVICE_ACCOUNT
from tests.chart.charts import ROOT, notes


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
