"""The seed's flags in every form that Go accepts; every other one is the refresher's."""

import pytest

from contract import environ, exit_codes
from tests.launcher.sidecar import FRESH, Sidecar, wait_for

pytestmark = pytest.mark.slow

TRUE = ("-refresh", "--refresh", *(f"--refresh={word}" for word in ("1", "t", "T", "TRUE", "true", "True")))
FALSE = ("", *(f"-refresh={word}" for word in ("0", "f", "F", "FALSE", "false", "False")))
SUPERVISED = "--refresh=false --once-if-stale --report-fd=3"


@pytest.mark.parametrize("flag", [*TRUE, "--refresh=false --refresh"])
def test_refresh_is_true(native_sidecar: Sidecar, flag: str) -> None:
    """Each form starts the supervisor, which asks for one refresh with a report; of two the last counts."""
    native_sidecar.refresher(FRESH)
    run = native_sidecar.start("--file=/t/token", *flag.split())
    assert native_sidecar.note("runs").splitlines()[0] == f"--file=/t/token {SUPERVISED}"
    assert run.end() == exit_codes.OK


@pytest.mark.parametrize("flag", [*FALSE, "--refresh --refresh=false"])
def test_refresh_is_false(native_sidecar: Sidecar, flag: str) -> None:
    """Each form becomes the refresher, whose exit code is the container's."""
    native_sidecar.refresher("exit 20")
    assert native_sidecar.run("--file=/t/token", *flag.split()).returncode == exit_codes.SOURCE_UNAVAILABLE
    assert native_sidecar.note("runs") == "--file=/t/token --refresh=false\n"


def test_becomes_the_refresher(sidecar: Sidecar) -> None:
    """Without --refresh there is no process between the kubelet and the refresher."""
    sidecar.refresher("echo $$ > process; exec sleep 60")
    run = sidecar.start("--file=/t/token")
    assert int(sidecar.note("process")) == run.popen.pid


@pytest.mark.parametrize("form", ["--file=/t/token", "-file=/t/token", "--file /t/token", "-file /t/token"])
def test_file_forms(sidecar: Sidecar, form: str) -> None:
    """Both forms of --file are understood and handed on, unknown flags with them, in their order."""
    sidecar.refresher(FRESH)
    sidecar.start("--audience", "a", *form.split(), "--refresh=true", "-min-lifetime=60")
    assert sidecar.note("runs").splitlines()[0] == f"--audience a {form} -min-lifetime=60 {SUPERVISED}"


def test_file_takes_the_next_argument(native_sidecar: Sidecar) -> None:
    """As in Go, the value of --file is the next argument whatever it looks like."""
    native_sidecar.refresher(FRESH)
    native_sidecar.run("--file", "--refresh=true")
    assert native_sidecar.note("runs") == "--file --refresh=true --refresh=false\n"


@pytest.mark.parametrize(
    ("flag", "handed_on"),
    [("-h", "--help"), ("--help", "--help"), ("-v=true", "--version"), ("--version", "--version"), ("-v=0", "")],
)
def test_help_and_version(sidecar: Sidecar, flag: str, handed_on: str) -> None:
    """There is one help text and one version: the refresher's."""
    sidecar.refresher("exit 0")
    assert sidecar.run(flag).returncode == exit_codes.OK
    assert sidecar.note("runs") == f"{handed_on or '--refresh=false'}\n"


REFUSED = {
    "no file": (["--refresh"], "--refresh=true: needs a file for the token: add --file=PATH"),
    "empty file": (["--refresh", "--file="], "--refresh=true: needs a file"),
    "no value": (["--refresh", "--file"], "--file: needs a value"),
    "no boolean": (["--refresh=yes"], "--refresh=yes: expected true or false"),
    "empty boolean": (["--refresh="], "--refresh=: expected true or false"),
    "no boolean for help": (["--help=maybe"], "--help=maybe: expected true or false"),
    "three dashes": (["---refresh"], "---refresh: flags are"),
    "no name": (["-=x"], "-=x: flags are"),
    "two dashes": (["--", "--refresh"], "--: flags are"),
    "too many": (["x"] * 200, "too many"),
    "await without a file": (["await"], "await: expected files"),
    "await with an empty name": (["await", "/a", ""], "await: expected files"),
    "await with an unknown flag": (["await", "/a", "--wait"], "--wait: unknown flag"),
    "await with a wrong number": (["await", "/a", "--timeout=2m"], "--timeout=2m: expected a whole number"),
    "await without a number": (["await", "/a", "--timeout"], "--timeout: expected a whole number"),
    "unprintable": (["--refresh=\x1b[2J"], "--refresh=?[2J: expected"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(sidecar: Sidecar, case: str) -> None:
    """A wrong command line ends with 2 and names the argument, where people and where `await` look."""
    arguments, reason = REFUSED[case]
    sidecar.refresher(FRESH)
    done = sidecar.run(*arguments)
    assert done.returncode == exit_codes.USAGE
    assert reason in done.stderr
    assert done.stderr.startswith("token-injector: ")
    assert sidecar.log_text().startswith("permanent: 2 ")
    assert reason in sidecar.log_text()
    assert sidecar.runs() == 0


@pytest.mark.parametrize("divisor", ["0", "-1", "1.5", "x", "1000000000", "18446744073709551617"])
def test_wrong_divisor(native_sidecar: Sidecar, divisor: str) -> None:
    """A wrong time divisor stops the start and is named."""
    done = native_sidecar.run("--help", env={environ.TIME_DIVISOR: divisor})
    assert done.returncode == exit_codes.USAGE
    assert environ.TIME_DIVISOR in done.stderr


@pytest.mark.parametrize(("command", "reason"), [("  ", "expected a command"), ("x" * 5000, "too long")])
def test_wrong_command(native_sidecar: Sidecar, command: str, reason: str) -> None:
    """A wrong refresher command stops the start and is named."""
    done = native_sidecar.run("--file=/t/token", env={environ.REFRESHER_COMMAND: command})
    assert done.returncode == exit_codes.USAGE
    assert environ.REFRESHER_COMMAND in done.stderr
    assert reason in done.stderr


def test_missing_refresher(sidecar: Sidecar) -> None:
    """A refresher that is not in the image is named; no retry mends that, so `await` fails at once."""
    done = sidecar.run("--file=/t/token", env={environ.REFRESHER_COMMAND: "/nowhere/python3 -I"})
    assert done.returncode == exit_codes.USAGE
    assert "/nowhere/python3: No such file or directory" in done.stderr
    run = sidecar.start(env={environ.REFRESHER_COMMAND: "/nowhere/python3 -I"})
    wait_for(lambda: len(run.backoffs()) > 1)
    assert sidecar.log_text().startswith("permanent: 2 cannot start /nowhere/python3: No such file or directory; ")


def test_words_of_the_command(native_sidecar: Sidecar) -> None:
    """The command is split at spaces, however many; its program is looked up in PATH."""
    native_sidecar.refresher("exit 0")
    command = f"  sh   {native_sidecar.folder}/refresher.sh  -x "
    assert native_sidecar.run("--print", env={environ.REFRESHER_COMMAND: command}).returncode == exit_codes.OK
    assert native_sidecar.note("runs") == "-x --print --refresh=false\n"


def test_await_help(sidecar: Sidecar) -> None:
    """`await --help` prints its usage and waits for nothing."""
    done = sidecar.run("await", "--help")
    assert (done.returncode, done.stderr) == (exit_codes.OK, "")
    assert done.stdout.startswith("usage: token-injector await FILE...")
