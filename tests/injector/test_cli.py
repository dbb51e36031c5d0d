"""The program as a process: what it prints, where its result goes, how it ends."""

import os
import select
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from contract import environ as names
from contract import exit_codes, pod
from demo.fakes.metadata import MetadataServer, Slow, Status, WrongAudience
from injector.help import HELP

if TYPE_CHECKING:
    from tests.injector.conftest import Tool

pytestmark = pytest.mark.slow


def test_first_token(python_tool: "Tool", metadata: MetadataServer) -> None:
    """The seed's command writes the token, nothing on stdout, and no token in the log."""
    found = python_tool.run(f"--file={python_tool.token_file}", "--refresh=false")
    assert (found.returncode, found.stdout) == (0, "")
    text = python_tool.token_file.read_text()
    assert text not in found.stderr
    assert '"event": "token written"' in found.stderr
    assert metadata.identity_requests()[0].query["audience"] == pod.GOOGLE_AUDIENCE


def test_print(python_tool: "Tool") -> None:
    """Only --print writes the token to stdout, as it is when nobody watches."""
    found = python_tool.run("--print", "--log-level=debug")
    assert found.stdout.count(".") == 2
    assert not found.stdout.endswith("\n")
    assert found.stdout not in found.stderr
    assert not python_tool.token_file.exists()


def test_no_file(python_tool: "Tool") -> None:
    """Without a file there is no token on stdout (T12), but what to write."""
    found = python_tool.run("--refresh=false")
    assert (found.returncode, found.stdout) == (exit_codes.USAGE, "")
    assert "--file=PATH is needed" in found.stderr
    assert python_tool.termination_log.read_text() == found.stderr.replace("token-injector: ", "permanent: 2 ", 1)
    assert python_tool.termination_log.read_text()


def test_help_and_version(python_tool: "Tool") -> None:
    """Both go to stdout and end well."""
    assert python_tool.run("-h").stdout == HELP
    assert python_tool.run("--version").stdout.startswith("token-injector ")


def test_example_of_the_help(python_tool: "Tool") -> None:
    """The help's example is a command line that works, on another path."""
    example = HELP.partition("example:\n")[2].split()
    assert example[0] == "token-injector"
    arguments = [argument.replace("/var/run/secrets/aws/token", str(python_tool.folder)) for argument in example[1:]]
    process = python_tool.start(*arguments)
    assert python_tool.run("await", str(python_tool.token_file)).returncode == 0
    assert process.end() == 0


@pytest.mark.parametrize(
    ("fault", "code"),
    [(Status(400), 11), (Status(403), 10), (Status(503), 20), (WrongAudience("x"), 21)],
)
def test_exit_codes_and_last_words(python_tool: "Tool", metadata: MetadataServer, fault: Status, code: int) -> None:
    """The exit code tells who has to act; the reason is on stderr and in the termination log."""
    metadata.script(*[fault] * 20)
    found = python_tool.run(f"--file={python_tool.token_file}", "--deadline=0")
    assert found.returncode == code
    last = python_tool.termination_log.read_text()
    assert last.startswith(f"permanent: {code} " if code < 20 else "the ")
    assert last.removeprefix(f"permanent: {code} ").rstrip() in found.stderr
    assert not python_tool.token_file.exists()


def test_retries_until_it_succeeds(python_tool: "Tool", metadata: MetadataServer) -> None:
    """An init container outlives the metadata server's first seconds (T9)."""
    metadata.script(Status(503), Status(429), Status(500))
    found = python_tool.run(f"--file={python_tool.token_file}", TOKEN_INJECTOR_TIME_DIVISOR="10")
    assert found.returncode == 0
    assert len(metadata.identity_requests()) == 4


def reported(tool: "Tool", *arguments: str) -> tuple[str, int]:
    """Run as the launcher does; give the report and the exit code."""
    reading, writing = os.pipe()
    try:
        found = subprocess.run(
            [*tool.command, *arguments, "--refresh=false", "--once-if-stale", "--report-fd=3"],
            env=tool.environ,
            preexec_fn=lambda: os.dup2(writing, 3),
            pass_fds=[3, writing],
            capture_output=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writing)
    with os.fdopen(reading) as report:
        return report.read(), found.returncode


def test_report(python_tool: "Tool", metadata: MetadataServer) -> None:
    """The launcher's child reports when to come again, or code and reason; the termination log is the launcher's."""
    word, _, milliseconds = reported(python_tool, f"--file={python_tool.token_file}")[0].partition(" ")
    assert word == "next"
    assert 1790_000 <= int(milliseconds) <= 2880_000
    again, code = reported(python_tool, f"--file={python_tool.token_file}")
    assert (again.split()[0], code, len(metadata.requests)) == ("next", 0, 1)
    metadata.bound = False
    python_tool.token_file.unlink()
    report, code = reported(python_tool, f"--file={python_tool.token_file}")
    assert report.startswith("error 10 the metadata server ")
    assert (code, python_tool.termination_log.read_text()) == (10, "")


def test_report_of_a_wrong_flag(python_tool: "Tool") -> None:
    """A wrong flag reaches the launcher as a reason too."""
    report, code = reported(python_tool, "--file=a", "--source=moon")
    assert report.startswith("error 2 --source=moon: expected one of")
    assert code == exit_codes.USAGE


def test_report_without_descriptor(python_tool: "Tool") -> None:
    """A descriptor that is not open is named."""
    found = python_tool.run(f"--file={python_tool.token_file}", "--report-fd=9")
    assert found.returncode == exit_codes.USAGE
    assert "--report-fd=9" in found.stderr


def test_file_source(python_tool: "Tool", metadata: MetadataServer) -> None:
    """--source=file takes a token that something else wrote, checks it, and asks no server."""
    given = python_tool.folder / "given"
    given.write_text(metadata.signer.id_token("a") + "\n")
    flags = ("--source=file", f"--source-file={given}", "--audience=a")
    assert python_tool.run(f"--file={python_tool.token_file}", *flags).returncode == 0
    assert python_tool.token_file.read_text() == given.read_text().strip()
    assert metadata.requests == []
    given.unlink()
    found = python_tool.run(f"--file={python_tool.folder / 'other'}", *flags, "--deadline=0")
    assert (found.returncode, "correct --source-file" in found.stderr) == (exit_codes.SOURCE_UNAVAILABLE, True)


def test_google_auth_missing(python_tool: "Tool") -> None:
    """A source that needs google-auth says what to install where it is not."""
    python_tool.command = (python_tool.command[0], "-S", *python_tool.command[1:])
    found = python_tool.run(f"--file={python_tool.token_file}", "--source=adc")
    assert found.returncode == exit_codes.USAGE
    assert "pip install 'token-injector[injector]'" in found.stderr


@pytest.mark.parametrize("fault", [Status(503), Slow(30)])
def test_sigterm_ends_an_init_container(python_tool: "Tool", metadata: MetadataServer, fault: Status) -> None:
    """Whether it sleeps or waits for an answer, it ends at once (128 + 15), and leaves no file."""
    metadata.script(*[fault] * 100)
    process = python_tool.start(f"--file={python_tool.token_file}")
    while not metadata.identity_requests():
        time.sleep(0.01)
    begun = time.monotonic()
    assert process.end() == 128 + signal.SIGTERM
    assert time.monotonic() - begun < 2
    assert sorted(path.name for path in python_tool.folder.iterdir()) == ["0.stderr", "0.stdout", "termination-log"]


def test_a_bug_is_reported(python_tool: "Tool") -> None:
    """An error that nobody foresaw ends with INTERNAL, its place in the log, and a request to report it."""
    program = (
        "import sys, injector.once\n"
        "injector.once.once = lambda *_, **__: 1 / 0\n"
        "from injector.cli import main\n"
        "sys.exit(main())\n"
    )
    python_tool.command = (python_tool.command[0], "-c", program)
    found = python_tool.run(f"--file={python_tool.token_file}")
    assert found.returncode == exit_codes.INTERNAL
    assert "ZeroDivisionError" in found.stderr
    assert "please report it" in python_tool.termination_log.read_text()


def test_ctrl_c(python_tool: "Tool") -> None:
    """A person who interrupts it sees no traceback."""
    log = python_tool.folder / "pipe"
    os.mkfifo(log)
    pipe = os.open(log, os.O_RDWR | os.O_NONBLOCK)
    os.write(pipe, b"not yet\n")
    process = python_tool.start("await", str(python_tool.token_file), **{names.TERMINATION_LOG: str(log)})
    # Who has read the termination log waits; before that, Python itself would be interrupted.
    while select.select([pipe], [], [], 0)[0]:
        assert process.popen.poll() is None
        time.sleep(0.01)
    os.close(pipe)
    process.popen.send_signal(signal.SIGINT)
    assert (process.popen.wait(10), process.output()) == (128 + signal.SIGINT, "")


@pytest.mark.parametrize("flag", ["--version", "--help", "--print"])
def test_a_full_stdout(python_tool: "Tool", flag: str) -> None:
    """Words that nobody could take are no success, and no bug of ours."""
    with Path("/dev/full").open("wb") as full:
        command = [*python_tool.command, flag]
        environ = python_tool.environ
        done = subprocess.run(command, env=environ, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == exit_codes.USAGE
    assert "standard output: No space left on device; send it where it can be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_closed_stderr(python_tool: "Tool") -> None:
    """A log that nobody can take costs no token."""
    ours, theirs = socket.socketpair()
    theirs.close()
    with ours:
        command = [*python_tool.command, f"--file={python_tool.token_file}"]
        subprocess.run(command, env=python_tool.environ, stderr=ours.fileno(), check=True, timeout=60)
    assert python_tool.token_file.exists()
