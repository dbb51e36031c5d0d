"""A secret has changed: the application is ended, or told, when it should be and never otherwise."""

import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from contract import environ, secrets
from tests.launcher.application import CANARY, Application, answer
from tests.launcher.sidecar import wait_for
from tests.launcher.supervised import DEAF, HUP, HUPS, NOTES, RESTART, TERM, WAIT, Container

pytestmark = pytest.mark.slow

AT_ONCE = 5.0  # on a busy machine


def test_restart(container: Container) -> None:
    """A changed secret ends the application by SIGTERM and the container with the code of a rotation."""
    popen = container.start(RESTART, "--jitter=0", script=TERM)
    time.sleep(1)
    assert popen.poll() is None
    container.change()
    assert popen.wait(20) == secrets.EXEC_ROTATED
    assert container.noted() == ["ready", "term"]
    assert popen.stderr is not None
    said = popen.stderr.read().decode()
    assert container.application.log_text() == "a secret has changed; the container starts again\n"
    assert "a secret has changed: the application is ended in 0.000 s, and the container starts again" in said
    assert CANARY not in said


# By Kubernetes' names, https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/ (stopSignal).
STOPS = {"SIGQUIT": 3, "SIGUSR1": 10, "SIGIOT": 6, "SIGCLD": 17, "SIGPOLL": 29, "SIGSYS": 31}
REAL_TIME = {"SIGRTMIN": 34, "SIGRTMIN+3": 37, "SIGRTMAX-14": 50, "SIGRTMAX": 64}


@pytest.mark.parametrize("name", STOPS | REAL_TIME)
def test_restart_by_the_containers_own_stop_signal(native_container: Container, name: str) -> None:
    """It and no other; whoever does not end by it is killed as ever."""
    stop = f"--stop-signal={name}"
    popen = native_container.start(RESTART, "--jitter=0", stop, script=NOTES, env={environ.TIME_DIVISOR: "20"})
    native_container.change()
    assert popen.wait(20) == secrets.EXEC_ROTATED
    assert native_container.noted() == ["ready", str((STOPS | REAL_TIME)[name])]


def test_restart_by_sigkill(container: Container) -> None:
    """A container may name it."""
    popen = container.start(RESTART, "--jitter=0", "--stop-signal=SIGKILL", script=DEAF)
    container.change()
    begin = time.monotonic()
    assert popen.wait(20) == secrets.EXEC_ROTATED
    assert time.monotonic() - begin < 20


@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGTERM])
@pytest.mark.parametrize("how", [RESTART, HUP])
def test_the_kubelets_own_stop(native_container: Container, how: str, number: int) -> None:
    """It signals PID 1, and the launcher hands on every signal; after the stop signal a rotation does nothing more.

    A kubelet that does not know the field sends SIGTERM.
    """
    popen = native_container.start(
        how, "--jitter=0", "--stop-signal=SIGQUIT", script=NOTES, env={environ.TIME_DIVISOR: "100"}
    )
    popen.send_signal(number)
    wait_for(lambda: native_container.noted() == ["ready", str(int(number))])
    native_container.change()
    time.sleep(1)  # so long that a launcher which still looks at generations would have acted
    assert native_container.noted() == ["ready", str(int(number))]
    assert popen.poll() is None


def test_restart_of_a_deaf_application(container: Container) -> None:
    """It gets 30 s, divided here, and is then killed."""
    popen = container.start(RESTART, "--jitter=0", script=DEAF, env={environ.TIME_DIVISOR: "20"})
    begin = time.monotonic()
    container.change()
    assert popen.wait(20) == secrets.EXEC_ROTATED
    assert time.monotonic() - begin >= 1.5


def test_jitter(native_container: Container) -> None:
    """Containers that share a secret end at random moments; without a flag within a minute, divided here."""
    popen = native_container.start(RESTART, script=TERM, env={environ.TIME_DIVISOR: "30"})
    native_container.change()
    assert popen.wait(20) == secrets.EXEC_ROTATED
    assert popen.stderr is not None
    found = re.search(r"ended in ([0-9.]+) s", popen.stderr.read().decode())
    assert found
    assert 0 <= float(found[1]) <= 60 / 30


@pytest.mark.parametrize(
    ("during", "script", "code"),
    [
        ("watching", TERM, 5),
        ("jitter", TERM, 5),
        ("grace", f"trap 'trap \"exit 6\" TERM; echo term >> $0' TERM; {WAIT}", 6),
    ],
    ids=["watching", "jitter", "grace"],
)
def test_sigterm_acts_at_once(container: Container, during: str, script: str, code: int) -> None:
    """Who stops the container waits for no jitter and gets the application's own code."""
    jitter = "--jitter=100000" if during == "jitter" else "--jitter=0"
    # A third: the grace is 10 s, and a generation is looked at each 1.7 s.
    popen = container.start(RESTART, jitter, script=script, env={environ.TIME_DIVISOR: "3"})
    if during != "watching":
        container.change()
    if during == "jitter":
        time.sleep(2)
    elif during == "grace":
        wait_for(lambda: container.noted() == ["ready", "term"])
    begin = time.monotonic()
    popen.send_signal(signal.SIGTERM)
    assert popen.wait(10) == code
    assert time.monotonic() - begin < AT_ONCE


def test_no_restart_while_somebody_stops_it(container: Container) -> None:
    """After a SIGTERM from outside nobody looks at generations: the grace is the kubelet's."""
    deaf = f"trap 'echo term >> $0' TERM; {WAIT}"
    popen = container.start(RESTART, "--jitter=0", script=deaf, env={environ.TIME_DIVISOR: "100"})
    popen.send_signal(signal.SIGTERM)
    wait_for(lambda: container.noted() == ["ready", "term"])
    container.change()
    time.sleep(1)
    assert popen.poll() is None


def test_signal_on_each_change(container: Container) -> None:
    """The application is told each time, and only then."""
    popen = container.start(HUP, script=HUPS)
    for number in range(1, 4):
        time.sleep(0.7)
        assert container.noted() == ["ready", *["hup"] * (number - 1)]
        container.change()
        wait_for(lambda number=number: container.noted().count("hup") == number)  # type: ignore[misc]  # bound now
    popen.send_signal(signal.SIGTERM)
    assert popen.wait(10) == 128 + signal.SIGTERM


@pytest.mark.parametrize("name", ["USR1", "WINCH", "QUIT"])
def test_other_signals(native_container: Container, name: str) -> None:
    """Whichever the application reloads on."""
    native_container.start(f"--supervise=signal:{name}", script=NOTES)
    native_container.change()
    wait_for(lambda: native_container.noted() == ["ready", str(int(signal.Signals[f"SIG{name}"]))])


def rewritten(path: Path) -> None:
    """The same content, which is whole at each moment."""
    new = path.with_name("new")
    new.write_text(path.read_text())
    new.rename(path)


@pytest.mark.parametrize("what", [Path.unlink, rewritten], ids=["unreadable", "rewritten"])
def test_no_change(native_container: Container, what: Callable[[Path], None]) -> None:
    """A generation that is gone for a moment, or written again as it was, is none."""
    popen = native_container.start(RESTART, "--jitter=0", script=TERM)
    what(native_container.application.generation_file)
    time.sleep(1.5)
    assert popen.poll() is None


def test_the_first_generation_appears(native_container: Container) -> None:
    """Where there was none when the values were asked for, the first one is a change."""
    native_container.application.generation_file.unlink()
    popen = native_container.start(RESTART, "--jitter=0", script=TERM)
    native_container.application.generation_file.write_text("1")
    assert popen.wait(20) == secrets.EXEC_ROTATED


def test_a_change_before_the_answer_counts(native_application: Application) -> None:
    """The generation is read before the values are asked for: one that changes meanwhile is seen."""
    native_application.generation_file.write_text("1")

    def change(connection: object) -> None:
        del connection
        native_application.generation_file.write_text("2")

    def talk(connection: object) -> None:
        change(connection)
        connection.sendall(answer("S A=old"))  # type: ignore[attr-defined]  # a socket

    with native_application.peer(talk):
        popen = native_application.start(
            native_application.from_socket(), RESTART, "--jitter=0", command=["/bin/sleep", "60"]
        )
        assert popen.wait(20) == secrets.EXEC_ROTATED
