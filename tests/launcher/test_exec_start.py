"""Which program the launcher becomes, what it says when it cannot, and its command line."""

from pathlib import Path

import pytest

from contract import environ, secrets
from tests.launcher.application import Application, answer, sets

pytestmark = pytest.mark.slow

# Become the application, or stay PID 1 beside it.
FLAGS = ((), ("--supervise=restart",))


SCRIPT = "#!/bin/sh\necho ran\n"


def program(path: Path, text: str = SCRIPT, mode: int = 0o755) -> Path:
    """Write a program."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def test_path_of_the_application(application: Application) -> None:
    """The program is looked up in the PATH that the answer gives, past what cannot be run, as runtimes do."""
    (application.folder / "a" / "tool").mkdir(parents=True)
    program(application.folder / "b" / "tool", mode=0o644)
    program(application.folder / "c" / "tool")
    folders = ":".join(str(application.folder / name) for name in ("a", "b", "none", "c"))
    application.env_file.write_bytes(answer(f"S PATH={folders}"))
    popen = application.start(application.from_file(), command=["tool"], env={"PATH": "/none"})
    assert (popen.communicate(timeout=30)[0], popen.returncode) == (b"ran\n", 0)


@pytest.mark.parametrize("path", ["", "/none:", ":/none", "/none::/none"])
def test_working_folder_in_path(application: Application, path: str) -> None:
    """An empty element of PATH is the working folder."""
    program(application.folder / "tool")
    application.env_file.write_bytes(answer(f"S PATH={path}"))
    popen = application.start(application.from_file(), command=["tool"], cwd=application.folder)
    assert (popen.communicate(timeout=30)[0], popen.returncode) == (b"ran\n", 0)


def test_no_path(application: Application) -> None:
    """Without a PATH it is the runtime's."""
    application.env_file.write_bytes(answer("U PATH"))
    popen = application.start(application.from_file(), command=["sh", "-c", "echo ran"])
    assert (popen.communicate(timeout=30)[0], popen.returncode) == (b"ran\n", 0)


FAILING = {
    "not there": ("/none/x", 127, "/none/x: No such file or directory; it, or the interpreter or loader that it names"),
    "not in PATH": ("none-such", 127, "none-such: No such file or directory; it, or"),
    "empty": ("", 127, ": No such file or directory; it, or"),
    "below a file": ("/etc/passwd/x", 127, "/etc/passwd/x: Not a directory; it, or"),
    "no interpreter": ("script", 127, "No such file or directory; it, or the interpreter or loader"),
    "not executable": ("/etc/passwd", 126, "/etc/passwd: Permission denied"),
    "a folder": ("/etc", 126, "/etc: Permission denied"),
    "no program": ("garbage", 126, "Exec format error"),
}


@pytest.mark.parametrize("flags", FLAGS)
@pytest.mark.parametrize("case", FAILING)
def test_program_that_cannot_be_started(application: Application, case: str, flags: tuple[str, ...]) -> None:
    """The shell's exit codes; the reason is where people look, and nothing of the secrets is."""
    command, code, reason = FAILING[case]
    program(application.folder / "script", "#!/none/interpreter\n")
    program(application.folder / "garbage", "no program\n")
    command = str(application.folder / command) if command in {"script", "garbage"} else command
    application.env_file.write_bytes(sets(A="canary"))
    done = application.run(application.from_file(), *flags, command=[command])
    assert done.code == code
    assert reason in done.said
    assert done.said == f"token-injector: {application.log_text()}"
    assert "canary" not in done.said


@pytest.mark.parametrize("flags", FLAGS)
def test_exit_codes_of_the_application(application: Application, flags: tuple[str, ...]) -> None:
    """They pass through, those that the launcher has for itself too, and say nothing."""
    application.env_file.write_bytes(answer())
    for code in (0, 1, 77, 123, 255):
        done = application.run(application.from_file(), *flags, env={"SHOW_CODE": str(code)})
        assert (done.code, done.said, application.log_text()) == (code, "", "")


WRONG = {
    "no command": (["--from=file:/x", "--"], "exec: expected a command after --"),
    "no dashes": (["--from=file:/x", "sh"], "sh: expected a command after --"),
    "nothing": ([], "exec: expected a command after --"),
    "another scheme": (["--from=tcp:x", "--", "a"], "--from=tcp:x: expected --from=unix:PATH or --from=file:PATH"),
    "no path": (["--from=unix:", "--", "a"], "--from=unix:: expected --from=unix:PATH"),
    "no source": (["--from", "--", "a"], "--from: expected --from=unix:PATH"),
    "no number": (["--timeout=2m", "--", "a"], "--timeout=2m: expected a whole number"),
    "another supervision": (["--supervise=reload", "--", "a"], "--supervise=reload: expected --supervise=restart"),
    "no signal": (["--supervise=signal:NONE", "--", "a"], "--supervise=signal:NONE: expected"),
    "a signal nobody gets": (["--supervise=signal:KILL", "--", "a"], "--supervise=signal:KILL: expected"),
    "an empty signal": (["--supervise=signal:", "--", "a"], "--supervise=signal:: expected"),
    "no stop signal": (["--stop-signal", "--", "a"], "--stop-signal: expected --stop-signal=NAME"),
    "another stop signal": (["--stop-signal=TERM", "--", "a"], "--stop-signal=TERM: expected --stop-signal=NAME"),
    "beyond the last": (["--stop-signal=SIGRTMIN+31", "--", "a"], "--stop-signal=SIGRTMIN+31: expected"),
    "before the first": (["--stop-signal=SIGRTMAX-", "--", "a"], "--stop-signal=SIGRTMAX-: expected"),
    "no log": (["--termination-log", "--", "a"], "--termination-log: expected --termination-log=/PATH"),
    "a log of no folder": (["--termination-log=log", "--", "a"], "--termination-log=log: expected"),
    "no jitter": (["--jitter", "--", "a"], "--jitter: expected a whole number"),
    "unknown": (["--form=x", "--", "a"], "--form=x: unknown flag; exec knows"),
    "three dashes": (["---from", "--", "a"], "---from: flags are"),
    "too long": ([f"--from=file:/{'x' * 5000}/env", "--", "a"], "--from: the path is too long"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_command_line(application: Application, case: str) -> None:
    """It ends with its own code and names the argument and the form."""
    arguments, reason = WRONG[case]
    done = application.run_line([*application.program.command, secrets.EXEC_COMMAND, *arguments])
    assert done.code == secrets.EXEC_USAGE
    assert reason in done.said
    assert application.log_text() == done.said.removeprefix("token-injector: ")


def test_wrong_divisor(native_application: Application) -> None:
    """A wrong variable of the tests' is told with the launcher's own code."""
    done = native_application.run("--from=file:/x", env={environ.TIME_DIVISOR: "0"})
    assert done.code == secrets.EXEC_USAGE
    assert environ.TIME_DIVISOR in done.said


def test_help(application: Application) -> None:
    """The usage, and nothing is asked."""
    popen = application.start("--help")
    out, err = popen.communicate(timeout=30)
    assert (popen.returncode, err) == (0, b"")
    assert out.startswith(b"usage: launcher exec [--from=")


@pytest.mark.parametrize("there", ["both", "file"])
def test_source_beside_the_launcher(application: Application, there: str) -> None:
    """Who names no source, as a probe, a hook or a person, gets the socket's or else the file's in its folder."""
    launcher = application.folder / secrets.LAUNCHER_FILE
    launcher.symlink_to(application.program.command[-1])
    line = [*application.program.command[:-1], str(launcher), secrets.EXEC_COMMAND, "--", str(application.show)]
    application.env_file.write_bytes(sets(FROM="file"))
    if there == "file":
        done = application.run_line(line)
    else:
        with application.peer(sets(FROM="socket")):
            done = application.run_line(line)
            # It is no start of the container, and says so.
            assert application.requests == [f"{secrets.MAGIC}{secrets.ASIDE}\0\0".encode()]
    assert done.variables()[-1] == f"FROM={'file' if there == 'file' else 'socket'}"


def test_nothing_beside_the_launcher(application: Application) -> None:
    """A container without secrets is told so at once, on stderr alone: the last words are the container's."""
    launcher = application.folder / "elsewhere" / secrets.LAUNCHER_FILE
    launcher.parent.mkdir()
    launcher.symlink_to(application.program.command[-1])
    line = [*application.program.command[:-1], str(launcher), secrets.EXEC_COMMAND, "--", "x"]
    done = application.run_line(line)
    assert done.code == secrets.EXEC_USAGE
    assert "--from: needed: neither socket nor env is beside the launcher" in done.said
    assert application.log_text() == ""


def test_log_that_cannot_be_written(application: Application) -> None:
    """A read-only container without that file still says why on stderr."""
    done = application.run("--from=file:/none", "--timeout=0", env={environ.TERMINATION_LOG: "/none/log"})
    assert done.code == secrets.EXEC_UNREACHABLE
    assert "/none: no secrets after 0 s: No such file or directory" in done.said


@pytest.mark.parametrize("flags", FLAGS)
def test_log_where_the_pod_has_it(application: Application, flags: tuple[str, ...]) -> None:
    """The last words stand in the file of terminationMessagePath, and the application knows nothing of it."""
    log = application.folder / "elsewhere"
    log.touch()
    flags = (f"{secrets.TERMINATION_LOG_FLAG}={log}", *flags)
    application.env_file.write_bytes(answer())

    failed = application.run("--from=file:/none", "--timeout=0", *flags)
    reason = log.read_text()
    started = application.run(application.from_file(), *flags)

    assert (failed.code, reason) == (secrets.EXEC_UNREACHABLE, failed.said.removeprefix("token-injector: "))
    assert application.log_text() == ""
    assert started.code == 0
    assert str(log) not in " ".join(started.variables())
