"""The troubleshooting page quotes what our programs say, and everything that a pod's author may be told."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import botocore.exceptions
import botocore.validate
import pytest

from contract import annotations, environ, exit_codes
from tests.docs.messages import HOLE, ROOT, Template, contains, fragments, templates, unknown_words
from tests.webhook.cases import golden_cases

PAGE = (ROOT / "docs/troubleshooting.md").read_text()
PROGRAMS = [
    path
    for folder in ("serving", "webhook", "injector", "secretenv", "certjob", "ctl", "kube", "contract")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in (".py", ".c") and "fuzz" not in path.parts
]
# Whatever these say is for the pod's author, and stands on the page.
COMPLETE = [
    ROOT / name
    for name in (
        "webhook/decide.py",
        "webhook/refuse.py",
        "webhook/advise.py",
        "webhook/precedence.py",
        "webhook/accounts.py",
        "webhook/ephemeral.py",
        "webhook/web_identity.py",
        "webhook/secrets/asked.py",
        "webhook/secrets/command.py",
        "webhook/secrets/decide.py",
        "webhook/secrets/delivery.py",
        "webhook/secrets/identity.py",
        "webhook/secrets/look_ups.py",
        "webhook/secrets/near.py",
        "webhook/secrets/needs.py",
        "webhook/secrets/own_identity.py",
        "webhook/secrets/piggy_variables.py",
        "webhook/secrets/resources.py",
        "webhook/secrets/staying.py",
        "injector/sources/gke_metadata.py",
        "injector/refresh.py",
        "injector/tokenfile.py",
        "injector/awaiting.py",
        "injector/job.py",
        "injector/secrets.py",
        "injector/unresolved.py",
        "injector/delivering.py",
        "injector/placing.py",
        "injector/backend.py",
        "injector/broker_client.py",
        "injector/serving.py",
        "injector/answering.py",
        "injector/memory.py",
        "injector/launcher/outcome.c",
        "injector/launcher/await.c",
        "injector/launcher/supervise.c",
        "injector/launcher/job.c",
        "injector/launcher/sockets.c",
        "injector/launcher/answer.c",
        "injector/launcher/ask.c",
        "injector/launcher/exec.c",
        "injector/launcher/become.c",
    )
]
# Texts of these modules that nobody is told: log events, names, and the forms that annotations.md shows.
NOT_TOLD = (
    "the new token has expired by this node's clock, which may be ahead",
    "old token not usable",
    "old token kept",
    "the source gave no later one",
    "no descriptor for signals and timers: ",
    "not served yet",
    "--supervise stays PID 1; when a secret changes, it ends COMMAND after at most --jitter seconds, or signals it.",
    "Starts COMMAND with its secrets in its environment. Without --from the socket or the file beside it is asked.",
    "usage: launcher exec [--from=unix:PATH|file:PATH] [--timeout=",
    "=NAME]...       [",
    "]       [--supervise=restart|signal:NAME [--stop-signal=SIGTERM] [--jitter=",
    " ends where a reference's text stands that was NAME's.",
    "]] -- COMMAND [ARGUMENT...]",
)


def column(head: str) -> list[str]:
    """The code spans in the first column of every table whose first head this is."""
    found: list[str] = []
    for table in re.findall(rf"^\| {head} \|.*\n(?:\|.*\n)+", PAGE, re.MULTILINE):
        for row in table.splitlines()[2:]:
            found += re.findall(r"`([^`]+)`", row.split(" | ")[0])
    return found


MESSAGES = column("message")
KNOWN = fragments(PROGRAMS) | {
    value for module in (annotations, environ) for value in vars(module).values() if isinstance(value, str)
}


@pytest.mark.parametrize("message", MESSAGES)
def test_each_quoted_message_is_said(message: str) -> None:
    """Every word of it stands in the code; what varies is written as …"""
    assert unknown_words(message, KNOWN) == []


def told() -> Iterator[object]:
    """Every text of the complete modules."""
    for path in COMPLETE:
        for template in templates(path):
            if not any(contains(text, template) for text in NOT_TOLD):
                yield pytest.param(template, id=f"{path.name}: {HOLE.join(template)[:60]}")


@pytest.mark.parametrize("template", list(told()))
def test_everything_that_an_author_may_be_told_is_on_the_page(template: Template) -> None:
    """Denials, warnings, and what the injected container leaves as its last words."""
    assert any(contains(message, template) for message in MESSAGES)


def golden_lines() -> Iterator[object]:
    """What the golden pods are told."""
    for case in golden_cases():
        for name in ("denied.txt", "warnings.txt"):
            path = case.folder / name
            if path.exists():
                for line in path.read_text().splitlines():
                    yield pytest.param(line, id=f"{case.folder.name}: {line[:40]}")


@pytest.mark.parametrize("line", list(golden_lines()))
def test_what_golden_pods_are_told_is_on_the_page(line: str) -> None:
    """Whole, not only in parts."""
    patterns = (".+".join(map(re.escape, message.split(HOLE))) for message in MESSAGES)

    assert any(re.fullmatch(pattern, line) for pattern in patterns)


def test_the_exit_codes_are_the_contracts() -> None:
    """The page's two tables have every code and no other."""
    shown = {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)}
    defined = {value for name, value in vars(exit_codes).items() if isinstance(value, int) and name.isupper()}

    assert shown == defined


def test_what_sts_says_is_what_the_strict_fake_says() -> None:
    """Code and text; the fake has both from AWS."""
    said = "\n".join(path.read_text() for path in sorted((ROOT / "demo/fakes/sts").glob("*.py")))
    parts = [part.strip() for message in column("STS says") for part in message.split(HOLE)]

    assert parts
    assert [part for part in parts if part not in said] == []


def test_what_an_sdk_says_is_what_botocore_says() -> None:
    """The texts of the installed botocore."""
    said = inspect.getsource(botocore.exceptions) + inspect.getsource(botocore.validate)
    parts = [part.strip() for message in column("an SDK says") for part in message.split(HOLE)]

    assert parts
    assert [part for part in parts if part not in said and part != "WebIdentityToken"] == []


def test_the_webhooks_name_is_the_configurations() -> None:
    """`kubectl` prints it before each denial."""
    [template] = Path(ROOT / "charts/token-injector/templates").glob("mutatingwebhookconfiguration.yaml")
    names = set(re.findall(r'webhook "([^"]+)"', PAGE))

    assert names == set(re.findall(r"^  - name: (\S+)$", template.read_text(), re.MULTILINE))
