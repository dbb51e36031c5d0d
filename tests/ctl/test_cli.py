"""The command as a whole: help, version, exit codes, a real process."""

import importlib.metadata
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from contract import exit_codes
from tests.ctl.commands import GOLDEN, UNIQUE_ID, run, token

ROOT = Path(__file__).parents[2]


def process(argv: Sequence[str], stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run `python -m ctl`."""
    line = [sys.executable, "-m", "ctl", *argv]
    return subprocess.run(line, cwd=ROOT, input=stdin, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    "argv", [("--help",), ("inject", "-h"), ("doctor", "--help"), ("entrypoint", "-h"), ("trust-policy", "--help")]
)
def test_helps_name_the_plugin_and_give_an_example(argv: tuple[str, ...]) -> None:
    """As `kubectl token-injector`, with an example, to standard output."""
    finished = run(*argv)

    name = "kubectl token-injector" if argv[0].startswith("-") else f"kubectl token-injector {argv[0]}"
    assert (finished.code, finished.err) == (0, "")
    assert finished.out.startswith(f"usage: {name} ")
    assert "example" in finished.out
    assert finished.out.count(f"  {name} ") >= 1


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ((), "required: COMMAND"),
        (("inject",), "required: -f/--filename"),
        (("inject", "--fil", "x"), "required: -f/--filename"),
        (("injekt",), "invalid choice: 'injekt'"),
        (("doctor", "--token", "x"), "required: --role-trust-policy"),
    ],
)
def test_a_wrong_command_line_is_usage(argv: tuple[str, ...], message: str) -> None:
    """Exit code 2, to standard error; nothing is guessed from abbreviations."""
    finished = run(*argv)

    assert (finished.code, finished.out) == (2, "")
    assert message in finished.err


def test_version() -> None:
    """The package's."""
    version = importlib.metadata.version("token-injector")

    assert run("--version").out == f"kubectl token-injector {version}\n"


def test_the_console_script_is_a_kubectl_plugin() -> None:
    """On the PATH, kubectl finds `kubectl token-injector` as kubectl-token_injector."""
    (script,) = importlib.metadata.entry_points(group="console_scripts", name="kubectl-token_injector")

    assert script.value == "ctl.cli:main"


@pytest.mark.slow
def test_python_m_ctl() -> None:
    """The module runs: arguments, environment, standard input, exit code; no server is loaded, no cluster asked."""
    injected = process(["inject", "-f", "-", "--mode=cluster"], stdin=(GOLDEN / "manifests.yaml").read_text())
    written = process(["trust-policy", "--service-account-id", UNIQUE_ID])
    refused = process(["doctor", "--token", "missing", "--role-trust-policy", "-"])

    assert injected.returncode == 0, injected.stderr
    assert "Deployment/shop/web: warning: no AWS region in app" in injected.stderr
    assert "serviceAccountToken" in injected.stdout
    assert (written.returncode, written.stdout[0]) == (0, "{")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == (
        "kubectl token-injector: --token: missing: No such file or directory: give a file that can be read, or -\n"
    )


@pytest.mark.slow
def test_renderings_do_not_depend_on_the_process() -> None:
    """Two processes with different hash seeds write the same bytes."""
    line = [sys.executable, "-m", "ctl", "inject", "-f", str(GOLDEN / "manifests.yaml"), "--image=i"]
    outputs = {
        subprocess.run(
            line, cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, timeout=60, check=True
        ).stdout
        for seed in ("1", "2")
    }

    assert len(outputs) == 1


@pytest.mark.slow
def test_a_reader_that_hangs_up_is_no_error() -> None:
    """`inject … | head` ends without a traceback."""
    pods = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: []}\n---\n" * 500
    line = [sys.executable, "-m", "ctl", "inject", "-f", "-"]
    with subprocess.Popen(
        line, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        child.stdin.write(pods.encode())
        child.stdin.close()
        child.stdin = None
        assert b"Traceback" not in child.stderr.read()
        assert child.wait(60) == 0


@pytest.mark.slow
def test_no_server_is_loaded() -> None:
    """Importing the command loads neither Flask, nor gunicorn, nor the kubernetes client."""
    code = "import sys, ctl.cli; print({'flask', 'gunicorn', 'kubernetes', 'boto3', 'urllib3'} & sys.modules.keys())"

    finished = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )

    assert finished.stdout == "set()\n"


def test_a_token_on_the_command_line_is_not_repeated() -> None:
    """A token given in a wrong place ends up in no log by way of our error."""
    refused = run("doctor", "--token", "file", "--role-trust-policy", "file", token(), "ya29.secret")

    assert refused.code == exit_codes.USAGE
    assert "(a token, not repeated) (a token, not repeated)" in refused.err
    assert not any(part in refused.err for part in (*token().split("."), "secret"))


@pytest.mark.slow
@pytest.mark.parametrize("module", ["yaml", "jsonpatch"])
def test_without_the_extra_it_says_what_to_install(module: str) -> None:
    """An installation without `[ctl]` ends with one line and the usage code, with no traceback."""
    script = f"import sys; sys.modules[{module!r}] = None; from ctl.cli import main; sys.exit(main(['--help']))"
    finished = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )

    assert (finished.returncode, finished.stdout) == (exit_codes.USAGE, "")
    assert finished.stderr == f"kubectl token-injector: no module {module}: pip install 'token-injector[ctl]'\n"
