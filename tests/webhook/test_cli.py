"""The command line: the seed's forms, `--help` that lists everything, and errors with their exit codes."""

import importlib.metadata
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from contract import exit_codes
from serving.flags import Setting
from tests.webhook.cases import IMAGE
from webhook import cli
from webhook import server as server_module
from webhook.flags import GLOBAL_SETTINGS, SERVER_SETTINGS, SETTINGS
from webhook.settings import ServerSettings, Settings

ROOT = Path(__file__).parents[2]
INSECURE = ["server", "--insecure-http", f"--image={IMAGE}"]


class Served:
    """Takes what would be served."""

    def __init__(self) -> None:
        self.settings: list[tuple[Settings, ServerSettings]] = []

    def __call__(self, settings: Settings, server: ServerSettings, environ: object) -> int:
        """Instead of a server."""
        assert environ is not None
        self.settings.append((settings, server))
        return exit_codes.OK


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Served:
    """No server starts; what it would have been started with is kept."""
    served = Served()
    monkeypatch.setattr(server_module, "serve", served)
    return served


def exit_code(arguments: Sequence[str]) -> int:
    """The process's exit code, whether main returns it or argparse ends."""
    try:
        return cli.main(arguments, {})
    except SystemExit as end:
        return int(end.code or 0)


@pytest.mark.parametrize(
    ("arguments", "log_json"),
    [
        pytest.param(["--json", *INSECURE], True, id="bare"),
        pytest.param(["--json=true", *INSECURE], True, id="=true"),
        pytest.param(["--json=1", *INSECURE], True, id="=1"),
        pytest.param(["--json=false", *INSECURE], False, id="=false"),
        pytest.param(INSECURE, False, id="absent"),
    ],
)
def test_json_in_gos_forms(arguments: list[str], log_json: bool, served: Served) -> None:  # noqa: FBT001 - a table's column
    """A switch needs no value, and takes one after '=' only: the word that follows is the command."""
    assert cli.main(arguments, {}) == exit_codes.OK

    [(_, server)] = served.settings
    assert server.log_json is log_json
    assert server.insecure_http


def test_seeds_command_line(served: Served) -> None:
    """The arguments of the seed's Deployment, letter by letter, and each option with a blank instead of '='."""
    arguments = [
        "--log-level=debug",
        "server",
        "--tls-cert-file=/etc/webhook/certs/tls.crt",
        "--tls-private-key-file=/etc/webhook/certs/tls.key",
        "--image=ealebed/token-injector:latest",
        "--pull-policy=Always",
    ]
    with_blanks = [word for argument in arguments for word in argument.split("=")]

    assert cli.main(arguments, {}) == exit_codes.OK
    assert cli.main(with_blanks, {}) == exit_codes.OK

    assert served.settings[0] == served.settings[1]
    settings, server = served.settings[0]
    assert (settings.image, settings.pull_policy) == ("ealebed/token-injector:latest", "Always")
    assert (server.log_level, server.tls_cert_file) == ("debug", "/etc/webhook/certs/tls.crt")


def test_variables_reach_the_settings(served: Served) -> None:
    """The seed's two and one of ours."""
    variables = {"LOG_LEVEL": "Info", "LOG_JSON": "true", "TOKEN_INJECTOR_IMAGE": IMAGE}

    assert cli.main(["server", "--insecure-http"], variables) == exit_codes.OK

    [(settings, server)] = served.settings
    assert (server.log_level, server.log_json, settings.image) == ("info", True, IMAGE)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["server", f"--image={IMAGE}"], "no certificate: give --tls-cert-file", id="no certificate"),
        pytest.param(["server", "--tls-cert-file=c", f"--image={IMAGE}"], "give both", id="no key"),
        pytest.param(["server", "--insecure-http"], "no image for the injected container", id="no image"),
        pytest.param(
            [*INSECURE, "--region=europe"], "--region: 'europe' is not valid: expected an AWS", id="bad value"
        ),
        pytest.param(["--json=maybe", *INSECURE], "--json: 'maybe' is not valid: expected true or", id="bad switch"),
        pytest.param([*INSECURE, "--imagee=x"], "unrecognized arguments: --imagee=x", id="unknown flag"),
        pytest.param([*INSECURE, "--imag=x"], "unrecognized arguments: --imag=x", id="no abbreviations"),
        pytest.param([*INSECURE, "now"], "unrecognized arguments: now", id="too much"),
        pytest.param([*INSECURE, "--region"], "--region: expected one argument", id="no value"),
        pytest.param(["serve"], "invalid choice: 'serve'", id="unknown command"),
        pytest.param([], "required: COMMAND", id="no command"),
    ],
)
def test_usage_errors(arguments: list[str], words: str, served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and a line on stderr that names the argument; nothing is served."""
    assert exit_code(arguments) == exit_codes.USAGE

    captured = capsys.readouterr()
    assert words in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""
    assert served.settings == []


def test_injector_env_stays_secret(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """A malformed entry is not repeated on stderr."""
    assert exit_code([*INSECURE, "--injector-env", "A B=hunter2"]) == exit_codes.USAGE

    assert "hunter2" not in capsys.readouterr().err
    assert served.settings == []


def help_text(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What --help prints, in one line."""
    assert exit_code([*arguments, "--help"]) == exit_codes.OK
    return " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("arguments", "settings"),
    [
        pytest.param([], GLOBAL_SETTINGS, id="token-injector-webhook"),
        pytest.param(["server"], [each for group in SERVER_SETTINGS.values() for each in group], id="server"),
    ],
)
def test_help_lists_every_setting(
    arguments: list[str], settings: Sequence[Setting], capsys: pytest.CaptureFixture[str]
) -> None:
    """With its variable and its default; and there is an example."""
    # Where argparse breaks lines at a hyphen it leaves a blank.
    text = help_text(arguments, capsys).replace("- ", "-")

    for setting in settings:
        assert f"--{setting.flag} {setting.metavar}" in text
        default = f"default {setting.default}; " if setting.default else ""
        assert f"({default}{setting.variable})" in text
    assert "example" in text


def test_every_setting_is_in_one_help() -> None:
    """No setting is left out of both tables."""
    assert len(SETTINGS) == len(GLOBAL_SETTINGS) + sum(map(len, SERVER_SETTINGS.values()))


def test_help_and_version_have_the_seeds_short_forms(capsys: pytest.CaptureFixture[str]) -> None:
    """-h and -v."""
    assert exit_code(["-h"]) == exit_codes.OK
    assert exit_code(["-v"]) == exit_codes.OK
    assert exit_code(["--version"]) == exit_codes.OK

    version = importlib.metadata.version("token-injector")
    assert capsys.readouterr().out.count(f"token-injector-webhook {version}\n") == 2


@pytest.mark.slow
def test_as_a_process() -> None:
    """`python -m webhook` hands on arguments, environment and exit code, and says a mistake in one line."""
    environ = {**os.environ, "TOKEN_INJECTOR_MODE": "aws"}

    finished = subprocess.run(
        [sys.executable, "-m", "webhook", "server"], cwd=ROOT, env=environ, capture_output=True, timeout=60, check=False
    )

    assert finished.returncode == exit_codes.USAGE
    message = "token-injector-webhook: TOKEN_INJECTOR_MODE: 'aws' is not valid: expected google or cluster\n"
    assert finished.stderr.decode() == message
    assert finished.stdout == b""


@pytest.mark.parametrize("variable", ["PIGGY_ENFORCE_SERVICE_ACCOUNT", "PIGGY_ENFORCE_INTEGRITY"])
def test_a_variable_that_only_the_broker_heeds(variable: str, tmp_path: Path) -> None:
    """In piggy it protects secrets where the webhook has it: whoever relies on that here is told at the start."""
    command = [sys.executable, "-m", "webhook", *INSECURE, f"--service-accounts={tmp_path}/none"]

    finished = subprocess.run(
        command, cwd=ROOT, env={**os.environ, variable: "true"}, capture_output=True, timeout=60, check=False
    )

    told = b"PIGGY_ENFORCE_SERVICE_ACCOUNT does nothing here" in finished.stderr
    assert (finished.returncode, told) == (exit_codes.USAGE, variable == "PIGGY_ENFORCE_SERVICE_ACCOUNT")
