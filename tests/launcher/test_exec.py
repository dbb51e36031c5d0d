"""The application's container: what is asked, which environment the application gets, how it is started."""

import os
import stat
import sys

import pytest

from contract import environ, secrets
from tests.launcher.application import Application, Shown, answer, sets

pytestmark = pytest.mark.slow


WAYS = ("socket", "file")


# Become the application, or stay PID 1 beside it.
FLAGS = ((), ("--supervise=restart",))


def ask(application: Application, way: str, text: bytes, **more: object) -> Shown:
    """Run show.c with this answer."""
    if way == "file":
        application.env_file.write_bytes(text)
        return application.run(application.from_file(), **more)
    with application.peer(text):
        return application.run(application.from_socket(), **more)


def in_order(application: Application, entries: list[str]) -> list[str]:
    """An emulator starts its program with another order of variables."""
    return sorted(entries) if application.program.name == "foreign" else entries


@pytest.mark.parametrize("way", WAYS)
def test_environment(application: Application, way: str) -> None:
    """A variable that is set stands where it stood, an unset one is gone, a new one is last; all else is as it was."""
    variables = {"A": "1", "B": "sm://b", "C": "3", "D": "4", "E": "5", "AB": "6", "TOKEN_INJECTOR_OF_ANOTHER": "7"}
    done = ask(application, way, answer("S B=two", "U D", "S NEW=x", "S A=", "U NOT_THERE"), env=variables)
    assert done.code == 0, done.said
    expected = [
        "PATH=/usr/bin:/bin",
        "ASAN_OPTIONS=detect_leaks=0",
        *("A=", "B=two", "C=3", "E=5", "AB=6", "TOKEN_INJECTOR_OF_ANOTHER=7", "NEW=x"),
    ]
    assert in_order(application, done.variables()) == in_order(application, expected)


def test_the_launchers_own_variables_are_not_the_applications(application: Application) -> None:
    """Those that the launcher reads are taken out, unless the answer sets them."""
    variables = {secrets.PLAN: "{}", secrets.SOCKETS: "/s"}
    done = ask(application, "file", answer(f"S {environ.TIME_DIVISOR}=3"), env=variables)
    assert [entry for entry in done.variables() if "TOKEN_INJECTOR" in entry] == [f"{environ.TIME_DIVISOR}=3"]


REPEATED = """
import ctypes, sys
libc = ctypes.CDLL(None)
texts = lambda of: (ctypes.c_char_p * (len(of) + 1))(*[text.encode() for text in of], None)
log = [text for text in sys.argv[1].split(";")]
libc.execve(sys.argv[2].encode(), texts(sys.argv[2:]), texts([*log, "A=1", "odd", "=x", "A=2", "B=", "B=2", "C=sm://c"]))
"""


def test_odd_environments(native_application: Application) -> None:
    """Entries without a name or a value stay; of a name that stands there twice, one is left where it is set."""
    ours = f"{environ.TERMINATION_LOG}={native_application.log};{environ.TIME_DIVISOR}=10"
    before = (sys.executable, "-I", "-S", "-c", REPEATED, ours)
    done = ask(native_application, "socket", answer("S A=new", "U B", "S C=c"), before=before)
    assert done.variables() == ["A=new", "odd", "=x", "C=c"]
    assert native_application.requests == [b"token-injector secrets 1\nC=sm://c\0\0"]


@pytest.mark.parametrize("marker", secrets.MARKERS)
def test_request(application: Application, marker: str) -> None:
    """Variables with a marker anywhere in their values are sent, each as it is, and no other."""
    variables = {
        "PLAIN": "x",
        "WHOLE": f"{marker}name",
        "INSIDE": f"a\nb=${{{marker}c}}\udcff",
        marker.rstrip(":/"): "only the name",
        "CUT": marker[:-1],
    }
    with application.peer(answer()):
        assert application.run(application.from_socket(), env=variables).code == 0
    (request,) = application.requests
    assert request.startswith(secrets.MAGIC.encode())
    assert request.endswith(b"\0\0")
    sent = request.decode(errors="surrogateescape")[len(secrets.MAGIC) : -2].split("\0")
    # A marker may end with another one, as ssm:// does.
    marked = [name for name in variables if any(other in variables[name] for other in secrets.MARKERS)]
    assert {"WHOLE", "INSIDE"} <= set(marked) <= {"WHOLE", "INSIDE", "CUT"}
    assert in_order(application, sent) == in_order(application, [f"{name}={variables[name]}" for name in marked])


VALUES = {
    "empty": b"",
    "newlines": b"-----BEGIN-----\r\n\nx\n",
    "equals": b"=a==b=",
    "not UTF-8": bytes(range(1, 256)),
    "longest": b"x" * (secrets.VARIABLE_LIMIT - len("VALUE=") - 1),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", VALUES)
def test_values(application: Application, way: str, case: str) -> None:
    """Whatever Linux can hold comes through byte for byte."""
    done = ask(application, way, answer(b"S VALUE=" + VALUES[case]))
    assert done.all("variable")[-1] == b"VALUE=" + VALUES[case]


@pytest.mark.parametrize("way", WAYS)
def test_too_long_for_a_variable(application: Application, way: str) -> None:
    """One byte more than Linux takes: the advice is a file."""
    done = ask(application, way, answer(b"S VALUE=" + VALUES["longest"] + b"x"))
    assert done.code == secrets.EXEC_MALFORMED
    assert "a variable is longer than Linux allows; put its value into a file" in done.said


def test_too_long_for_a_process(application: Application) -> None:
    """Each variable fits, all of them do not: the advice is the same."""
    done = ask(application, "file", sets(**{f"VALUE{number}": "x" * 120_000 for number in range(60)}))
    assert done.code == secrets.EXEC_MALFORMED
    assert application.log_text() == f"{application.show}: Argument list too long; put the longest values into files\n"


BLOCK = """
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {1, 10, 15, 40, 64})
for number in (2, 13, 17, 45):
    signal.signal(number, signal.SIG_IGN)
os.execv(sys.argv[1], sys.argv[1:])
"""


STARTED = {
    "plain": (),
    "no stdin": ("/bin/sh", "-c", 'exec "$@" 0<&-', "sh"),
    "no stderr": ("/bin/sh", "-c", 'exec "$@" 2>&-', "sh"),
    "nothing but stdout": ("/bin/sh", "-c", 'exec "$@" 0<&- 2>&-', "sh"),
    "others": ("/bin/sh", "-c", 'exec "$@" 3</dev/null 5</dev/null 9</dev/null', "sh"),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("started", STARTED)
def test_kept(application: Application, started: str, way: str) -> None:
    """Folder, descriptors, process and session are as without the launcher, whatever they were."""
    place = application.folder / "working folder"
    place.mkdir()
    more = {"before": STARTED[started], "cwd": place}
    expected = application.run_line([*STARTED[started], str(application.show)], cwd=place)
    found = ask(application, way, sets(A="1"), **more)
    for what in ("argument", "folder", "descriptor", "user", "session"):
        assert found.all(what) == expected.all(what), what
    assert found.number("process") == application.started[-1].pid


@pytest.mark.parametrize("flags", FLAGS)
@pytest.mark.parametrize("before", [(), (sys.executable, "-I", "-S", "-c", BLOCK)], ids=["default", "inherited"])
def test_signals_kept(native_application: Application, before: tuple[str, ...], flags: tuple[str, ...]) -> None:
    """Blocked and ignored ones are as without the launcher. An emulator would keep some for itself."""
    expected = native_application.run_line([*before, str(native_application.show)])
    native_application.env_file.write_bytes(sets(A="1"))
    found = native_application.run(native_application.from_file(), *flags, before=before)
    for what in ("blocked", "ignored"):
        assert found.number(what) == expected.number(what), what
    assert (expected.number("blocked") != 0) == (before != ())


def test_arguments(application: Application) -> None:
    """Each one is handed on as it is; flags behind -- are the application's."""
    command = [str(application.show), "", "--from=unix:/x", "--", "a b\n", "\udcff"]
    done = ask(application, "file", sets(A="1"), command=command)
    assert done.all("argument") == [os.fsencode(text) for text in command]


def test_refused(application: Application) -> None:
    """The sidecar's reason is the message, printable, on one line; the values that came before it are not used."""
    application.log.write_text("the last life's\n")
    done = ask(application, "socket", answer("S A=canary", "E A: sm://x has no key \x1b[2J\nb", "S B=canary"))
    assert done.code == secrets.EXEC_REFUSED
    assert done.said == "token-injector: A: sm://x has no key ?[2J?b\n"
    assert application.log_text() == "A: sm://x has no key ?[2J?b\n"
    assert done.entries == ()


def test_env_file_is_not_made_readable(application: Application) -> None:
    """What the launcher reads it leaves as it is."""
    application.env_file.write_bytes(sets(A="1"))
    application.env_file.chmod(0o400)
    assert application.run(application.from_file()).code == 0
    assert stat.S_IMODE(application.env_file.stat().st_mode) == 0o400


EXPANDED = {
    "an argument": (["A"], {}),
    "another variable": (["A"], {"B": "u:sm://db#p@h"}),
    "a variable that was resolved beside it": (["A"], {"SET": "x"}),
    "the second name": (["PLAIN", "NONE", "A"], {}),
}


@pytest.mark.parametrize("flags", FLAGS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", EXPANDED)
def test_text_of_a_reference_that_the_kubelet_expanded(
    application: Application, case: str, way: str, flags: tuple[str, ...]
) -> None:
    """What would start with it does not; the reason names the variable, and neither of its texts."""
    names, more = EXPANDED[case]
    variables = {"A": "sm://db#p", "PLAIN": "plain", **more}
    text = answer("S A=canary-1", "S SET=x sm://db#p") if "SET" in more else answer("S A=canary-1")
    application.env_file.write_bytes(text)
    with application.peer(text):
        source = application.from_socket() if way == "socket" else application.from_file()
        done = application.run(
            *(source, *flags, *(f"{secrets.EXPANDED_FLAG}={name}" for name in names)),
            command=[str(application.show), "plain", "" if more else "--dsn=u:sm://db#p@h"],
            env=variables,
        )
    assert (done.code, done.entries) == (secrets.EXEC_USAGE, ())
    assert "A: it came as a reference, and $(...) put its text where nobody resolves it" in done.said
    assert done.said == f"token-injector: {application.log_text()}"
    assert "canary" not in done.said
    assert "sm:" not in done.said


def test_what_was_expanded_and_is_no_reference(application: Application) -> None:
    """A variable that came with its value may stand anywhere, and so may a text that nobody said is expanded."""
    application.env_file.write_bytes(answer("S B=two", "S C=three"))
    expanded = [f"{secrets.EXPANDED_FLAG}={name}" for name in ("A", "B", "EMPTY", "NOT_THERE")]
    done = application.run(
        *(application.from_file(), *expanded),
        command=[str(application.show), "see arn:x of it", "sm://c"],
        env={
            "A": "see arn:x of it",
            "A2": "see arn:x of it",
            "B": "sm://b",
            "C": "sm://c",
            "C2": "sm://c",
            "EMPTY": "",
        },
    )
    assert done.code == 0, done.said
    assert "B=two" in done.variables()
