"""Which program do the arguments of the webhook's image ask for?"""

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from certjob.flags import build_parser as certjob_parser
from contract import exit_codes
from images import entrypoint
from secretenv.broker.cli import build_parser as broker_parser
from webhook.cli import build_parser as webhook_parser

PARSERS = {"webhook.cli": webhook_parser, "certjob.cli": certjob_parser, "secretenv.broker.cli": broker_parser}
ROOT = Path(__file__).parents[2]
KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: x
clusters: [{{name: c, cluster: {{server: "http://127.0.0.1:{port}"}}}}]
users: [{{name: u, user: {{token: t}}}}]
contexts: [{{name: x, context: {{cluster: c, user: u}}}}]
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The entrypoint as a process."""
    line = [sys.executable, "-m", "images.entrypoint", *arguments]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("arguments", "program"),
    [
        (["server"], "webhook.cli"),
        (["--log-level=debug", "--json", "server", "--image=x"], "webhook.cli"),
        (["--log-level", "debug", "server", "--image", "check"], "webhook.cli"),
        (["certify", "--service", "server"], "certjob.cli"),
        (["check", "--dir=certs"], "certjob.cli"),
        (["--json", "broker", "--region=eu-west-1"], "secretenv.broker.cli"),
        (["--help"], None),
        ([], None),
    ],
)
def test_the_first_command_decides(arguments: list[str], program: str | None) -> None:
    """The seed's globals come before a command, and a flag's value after it is no command."""
    assert entrypoint.program(arguments) == program


def test_every_command_exists() -> None:
    """Each command is known to the program that gets it."""
    for command, module in entrypoint.PROGRAMS.items():
        parser = PARSERS[module]()
        assert re.search(rf"^ +{command} ", parser.format_help(), re.MULTILINE), command


@pytest.mark.parametrize("arguments", [[], ["--log-level=debug"], ["secret-token"]])
def test_without_a_command(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """It says what there is, repeats nothing of what it was given, and fails as a wrong command line does."""
    assert entrypoint.main(arguments) == exit_codes.USAGE
    said = capsys.readouterr().err
    assert "expected server, certify, check or broker" in said
    assert entrypoint.HELP in said
    assert "secret-token" not in said


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    """--help and --version are answered without a program."""
    assert entrypoint.main(["--help"]) == entrypoint.main(["-v"]) == exit_codes.OK
    said = capsys.readouterr().out
    assert said.startswith(entrypoint.HELP)
    assert re.search(r"^token-injector \d+\.\d+\.\d+$", said, re.MULTILINE)


@pytest.mark.slow
def test_the_program_gets_its_arguments(tmp_path: Path) -> None:
    """`certify` makes the files; `server` complains as the webhook does; the exit codes are the programs'."""
    assert run("certify", f"--output-dir={tmp_path}").returncode == exit_codes.OK
    assert (tmp_path / "tls.crt").exists()
    done = run("--json", "server")
    assert (done.returncode, done.stderr.partition(":")[0]) == (exit_codes.USAGE, "token-injector-webhook")


@pytest.mark.slow
def test_sigterm_ends_a_run_that_waits(tmp_path: Path) -> None:
    """By a handler, as PID 1 ignores what it has none for: a drained node does not wait for the cert job's SIGKILL."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        (tmp_path / "kubeconfig").write_text(KUBECONFIG.format(port=port))
        line = [sys.executable, "-m", "images.entrypoint", "certify", "--kubeconfig", str(tmp_path / "kubeconfig")]
        with subprocess.Popen(line, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr
            assert "looking again" in process.stderr.readline()
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == entrypoint.TERMINATED
