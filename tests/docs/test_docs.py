"""The documentation's examples run, and its generated parts are what the code says."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.docs.documents import DOCUMENTS, ROOT, blocks
from webhook.role_policy_file import load_role_policy

COMMANDS = {
    "kubectl token-injector": "ctl",
    "token-injector-webhook": "webhook",
    "token-injector-certs": "certjob",
    "token-injector": "injector",
}


def run(command: str, *, cwd: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run one of our commands as a user writes it."""
    program = next(name for name in COMMANDS if command.startswith(name))
    arguments = shlex.split(command.removeprefix(program))
    line = [sys.executable, "-m", COMMANDS[program], *arguments]
    return subprocess.run(line, cwd=cwd, input=stdin, capture_output=True, text=True, timeout=60, check=False)


def console_examples() -> list[object]:
    """Every "$ command" of the documents with the output that follows it."""
    return [
        pytest.param(command, output, id=f"{block.document.name}: {command[:40]}")
        for block in blocks("")
        for command, output in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block.text, re.MULTILINE)
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("command", "output"), console_examples())
def test_console_examples_print_what_they_show(command: str, output: str, tmp_path: Path) -> None:
    """A "$ command" in a document prints exactly what stands below it."""
    finished = run(command, cwd=tmp_path)

    assert (finished.stdout, finished.returncode) == (output, 0), finished.stderr


@pytest.mark.slow
def test_the_readme_pod_is_injected(tmp_path: Path) -> None:
    """The README's service account and pod, as they stand there, give an injected pod."""
    manifest = next(block.text for block in blocks("yaml") if block.document == ROOT / "README.md")

    finished = run("kubectl token-injector inject -f - --image=example/token-injector:1", cwd=tmp_path, stdin=manifest)

    assert finished.returncode == 0, finished.stderr
    pod = next(document for document in yaml.safe_load_all(finished.stdout) if document["kind"] == "Pod")
    assert [container["name"] for container in pod["spec"]["initContainers"]] == ["update-gcp-id-token"]


def test_the_role_policy_of_the_documentation_is_one() -> None:
    """The example is a valid policy, and it allows what its document says."""
    (example,) = (block.text for block in blocks("yaml") if block.document.name == "role-policy.md")

    policy = load_role_policy(example, "docs")

    assert policy.refusal("shop-eu", "arn:aws:iam::123456789012:role/shop/eu/orders") is None
    assert policy.refusal("payments", "arn:aws:iam::123456789012:role/guest") is None
    assert policy.refusal("payments", "arn:aws:iam::123456789012:role/shop/orders") is not None


@pytest.mark.slow
def test_generated_parts_are_current() -> None:
    """`make docs` would change nothing."""
    check = [sys.executable, str(ROOT / "docs/generate.py"), "--check"]

    finished = subprocess.run(check, capture_output=True, text=True, timeout=60, check=False)

    assert finished.returncode == 0, finished.stderr


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    """Every relative link of a document names a file of the repository, and a heading of it if it names one."""
    for target, _, heading in re.findall(r"\]\((?!https?:)([^)#\s]*)(#([^)]+))?\)", path.read_text()):
        found = (path.parent / target).resolve() if target else path
        assert found.exists(), target
        assert not heading or heading in anchors(found), f"{target}#{heading}"


def anchors(path: Path) -> set[str]:
    """A document's headings as GitHub links them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        "token-injector-webhook --help",
        "token-injector-webhook server --help",
        "token-injector --help",
        "token-injector-certs --help",
        "token-injector-certs certify --help",
        "token-injector-certs check --help",
        "kubectl token-injector --help",
        "kubectl token-injector inject --help",
        "kubectl token-injector check --help",
        "kubectl token-injector convert --help",
        "kubectl token-injector doctor --help",
        "kubectl token-injector entrypoint --help",
        "kubectl token-injector explain --help",
        "kubectl token-injector trust-policy --help",
    ],
)
def test_every_help_has_an_example(command: str, tmp_path: Path) -> None:
    """Help ends well, goes to stdout and shows an example."""
    finished = run(command, cwd=tmp_path)

    assert finished.returncode == 0, finished.stderr
    assert "example" in finished.stdout
