"""What docs/secrets.md and docs/migration.md say of pods with secrets is what happens to them."""

import re

import pytest
import yaml

from contract import secrets
from tests.ctl.commands import run
from tests.docs.documents import ROOT, blocks_of

DOCUMENT = ROOT / "docs/secrets.md"
PODS = [block.text for block in blocks_of(DOCUMENT) if block.language == "yaml" and "kind: Pod" in block.text]
ACCOUNT = PODS[0].partition("---\n")[0]


@pytest.mark.parametrize("text", PODS, ids=lambda text: text.partition("name: ")[2][:10])
@pytest.mark.parametrize("floor", ["1.35", "1.33"])
def test_the_pods_of_the_page_would_start(text: str, floor: str) -> None:
    """Each example is let in by either delivery, with no word of warning about its secrets."""
    stream = text if "kind: ServiceAccount" in text else f"{ACCOUNT}---\n{text}"

    finished = run("check", "-f", "-", f"--kubelet-version-floor={floor}", stdin=stream)

    assert finished.code == 0, finished.out
    assert "ok: " in finished.out
    assert "error" not in finished.out


def test_the_smallest_example_says_what_it_needs() -> None:
    """The page's first pod is read as the role of its service account, and the policy names its one secret."""
    finished = run("explain", "-f", "-", "--kubelet-version-floor=1.35", stdin=PODS[0])

    assert "as the role             arn:aws:iam::123456789012:role/orders" in finished.out
    assert "secret:prod/db-??????" in finished.out


def test_the_exit_codes_of_the_launcher_are_all_there() -> None:
    """The table has each code of the contract once."""
    codes = {value for name, value in vars(secrets).items() if name.startswith("EXEC_") and isinstance(value, int)}
    codes -= {secrets.EXEC_TIMEOUT} - set(range(secrets.EXEC_UNREACHABLE, secrets.EXEC_NOT_FOUND + 1))

    assert [int(code) for code in re.findall(r"^\| (\d+) \| ", DOCUMENT.read_text(), re.MULTILINE)] == sorted(codes)


def test_the_launchers_place_is_the_contracts() -> None:
    """Where probes, hooks and people find it."""
    launcher = f"{secrets.APPLICATION_PATH}/{secrets.LAUNCHER_FILE}"

    assert f"{launcher} {secrets.EXEC_COMMAND} -- env" in DOCUMENT.read_text()
    assert secrets.FILES_PATH in DOCUMENT.read_text()


def test_a_pod_of_piggys_needs_nothing_of_ours() -> None:
    """The migration's promise: no label, no annotation, no conversion; check lets it in as it is."""
    pod = yaml.safe_load(PODS[0].partition("---\n")[2])
    pod["metadata"]["annotations"] = {"piggysec.com/aws-secret-name": "prod/db"}
    pod["spec"]["containers"][0]["env"] = [{"name": "DB_PASSWORD", "value": "piggy:password"}]

    finished = run("check", "-f", "-", "--kubelet-version-floor=1.35", stdin=f"{ACCOUNT}---\n{yaml.safe_dump(pod)}")

    assert finished.out == "Pod/shop/orders: ok: app: 1 reference by envfile\n"
