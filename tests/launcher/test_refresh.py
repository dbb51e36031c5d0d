"""What the launcher makes of one refresh after the other: reports, exit codes, waits, last reasons."""

import contextlib
import os
import time

import pytest

from contract import environ, exit_codes
from contract.refresh import BACKOFF_CAP, BACKOFF_FIRST, REPORT_LIMIT
from tests.launcher.sidecar import DIVISOR, Sidecar, wait_for

pytestmark = pytest.mark.slow

FORM = "does not fit its exit code or its form"
LONGEST = REPORT_LIMIT - len("error 20 \n")

# Shell scripts, and what the last reason says about them.
TRANSIENT = {
    "reported": ("echo error 20 the source answered 503 >&3; exit 20", "the source answered 503"),
    "longest": (f"printf 'error 20 %0{LONGEST}d\\n' 0 >&3; exit 20", "0" * LONGEST),
    "bug": ("echo error 70 a bug >&3; exit 70", "a bug"),
    "in parts": ("printf err >&3; sleep 0.2; echo or 20 slow >&3; exit 20", "slow"),
    "silent": ("exit 0", "ended with exit code 0 and no report"),
    "crashed": ("exit 7", "ended with exit code 7 and no report"),
    "killed": ("kill -9 $$", "ended by signal 9 (out of memory?"),
    "aborted": ("kill -6 $$", "ended by signal 6"),
    "killed after its report": ("echo next 5 >&3; kill -9 $$", "ended by signal 9"),
    "too long": (f"printf '%0{REPORT_LIMIT + 1}d\\n' 0 >&3", "report is too long"),
    "endless": ("exec cat /dev/zero >&3", "report is too long"),
    "garbage": ("head -c 500 /dev/urandom >&3", FORM),
    "unfinished": ("printf 'next 500' >&3", FORM),
    "two lines": ("printf 'next 5\\nnext 6\\n' >&3", FORM),
    "empty line": ("echo >&3", FORM),
    "no number": ("echo next >&3", FORM),
    "negative": ("echo next -5 >&3", FORM),
    "fraction": ("echo next 5.5 >&3", FORM),
    "too big": ("echo next 18446744073709551616 >&3", FORM),
    "no reason": ("echo error 20 >&3; exit 20", FORM),
    "no code": ("echo error because >&3; exit 20", FORM),
    "code 0": ("echo error 0 fine >&3", FORM),
    "unprintable": ("printf 'error 20 \\033[2J\\n' >&3; exit 20", FORM),
    "NUL": ("printf 'next 5\\0\\n' >&3", FORM),
    "next, but failed": ("echo next 5 >&3; exit 20", FORM),
    "error, but no failure": ("echo error 20 x >&3; exit 0", FORM),
    "another code": ("echo error 10 x >&3; exit 20", FORM),
}


@pytest.mark.parametrize("case", TRANSIENT)
def test_transient(sidecar: Sidecar, case: str) -> None:
    """Whatever goes wrong is tried again, and the last reason is one line for people that stops no `await`.

    There never was a token, so that whoever ends it finds the code of what is wrong.
    """
    script, reason = TRANSIENT[case]
    sidecar.refresher(script)
    run = sidecar.start()
    wait_for(lambda: reason in sidecar.log_text())
    wait_for(lambda: sidecar.runs() > 1)
    assert run.end() == (exit_codes.INTERNAL if case == "bug" else exit_codes.SOURCE_UNAVAILABLE)
    assert reason in run.said()
    assert "\x1b" not in run.said()
    assert not sidecar.log_text().startswith("permanent: ")
    assert sidecar.log_text().count("\n") == 1


@pytest.mark.parametrize(
    ("script", "line"),
    [
        ("echo error 10 no service account is bound >&3; exit 10", "permanent: 10 no service account is bound\n"),
        ("echo error 19 x >&3; exit 19", "permanent: 19 x\n"),
        ("echo error 2 unknown flag --x >&3; exit 2", "permanent: 2 unknown flag --x\n"),
        ("exit 2", "permanent: 2 the token refresher ended with exit code 2 and no report; its log says why\n"),
    ],
)
def test_permanent(sidecar: Sidecar, script: str, line: str) -> None:
    """An error that no retry mends is marked for `await`; it is tried again all the same, somebody may mend it."""
    sidecar.refresher(script)
    sidecar.start()
    wait_for(lambda: sidecar.log_text() == line)
    wait_for(lambda: sidecar.runs() > 2)


def test_comes_again_when_told(sidecar: Sidecar) -> None:
    """After a success the launcher sleeps as long as it was told, and says nothing."""
    sidecar.refresher("date +%s%N >> times; echo next 400 >&3")
    run = sidecar.start()
    wait_for(lambda: sidecar.runs() > 3)
    times = [int(line) / 1e9 for line in sidecar.note("times").splitlines()]
    # The child's own start and end, on a busy machine, make the distance vary.
    assert times[2] - times[0] >= 2 * 0.4 - 0.3
    assert run.said() == ""


def test_success_empties_the_termination_log(sidecar: Sidecar) -> None:
    """An old reason is not shown for what happens later: it goes at the start and with a success."""
    sidecar.log.write_text("permanent: 10 of the container's last life\n")
    sidecar.refresher(
        "while ! [ -e go ]; do sleep 0.05; done\n"
        "[ -e ready ] && { echo next 60000 >&3; exit; }\n"
        "echo error 20 soon >&3; exit 20"
    )
    sidecar.start()
    wait_for(lambda: sidecar.log_text() == "")
    (sidecar.folder / "go").touch()
    wait_for(lambda: sidecar.log_text() == "soon\n")
    (sidecar.folder / "ready").touch()
    wait_for(lambda: sidecar.log_text() == "")


def test_backoff(sidecar: Sidecar) -> None:
    """Failures are retried after a random wait below a ceiling that doubles up to the cap, divided as every wait."""
    divisor = 100
    sidecar.refresher("exit 1")
    run = sidecar.start(env={environ.TIME_DIVISOR: str(divisor)})
    wait_for(lambda: len(run.backoffs()) >= 12)
    waits = run.backoffs()
    ceilings = [min(BACKOFF_CAP, BACKOFF_FIRST * 2**number) / divisor for number in range(len(waits))]
    assert all(wait <= ceiling for wait, ceiling in zip(waits, ceilings, strict=True))
    assert len(set(waits)) > len(waits) / 2


def test_backoff_begins_anew_after_a_success(sidecar: Sidecar) -> None:
    """One success forgets the failures before it."""
    sidecar.refresher('n=$(wc -l < runs); [ $n = 6 ] || exit 1; echo "next 1" >&3')
    run = sidecar.start()
    wait_for(lambda: len(run.backoffs()) >= 6)
    assert run.backoffs()[5] <= BACKOFF_FIRST / DIVISOR


def test_next_has_a_floor(sidecar: Sidecar) -> None:
    """A refresher that says 0 for ever makes no busy loop: a second, divided, lies between two refreshes."""
    sidecar.refresher("echo next 0 >&3")
    begin = time.monotonic()
    sidecar.start()
    wait_for(lambda: sidecar.runs() > 4)
    assert time.monotonic() - begin >= 4 * 1 / DIVISOR


@pytest.mark.parametrize("milliseconds", ["18446744073709551615", "86400001"])
def test_next_has_a_cap(sidecar: Sidecar, milliseconds: str) -> None:
    """A refresher that says a thousand years comes back within a day, divided here by a million."""
    sidecar.refresher(f"echo next {milliseconds} >&3")
    # So short that children are killed: what counts is that another one comes.
    sidecar.start(env={environ.TIME_DIVISOR: "100000"})
    wait_for(lambda: sidecar.runs() > 1)


def test_termination_log_that_cannot_be_written(sidecar: Sidecar) -> None:
    """That is said once, and the refreshes go on."""
    sidecar.refresher("exit 1")
    run = sidecar.start(env={environ.TERMINATION_LOG: f"{sidecar.folder}/none/log"})
    wait_for(lambda: len(run.backoffs()) > 2)
    assert run.said().count("the termination log cannot be written") == 1


def test_termination_log_is_made_where_a_setting_names_it(sidecar: Sidecar) -> None:
    """Outside Kubernetes nobody makes the file."""
    sidecar.log.unlink()
    sidecar.refresher("exit 1")
    sidecar.start()
    wait_for(lambda: sidecar.log.exists() and sidecar.log_text() != "")


def test_nobody_reads_the_log(sidecar: Sidecar) -> None:
    """A full pipe at stderr stops neither refreshes nor the end."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, bytes(4096))
    os.set_blocking(writing, True)
    sidecar.refresher("exit 1")
    run = sidecar.start(stderr=writing)
    wait_for(lambda: sidecar.runs() > 5)
    assert run.end() == exit_codes.SOURCE_UNAVAILABLE
    os.close(reading)
    os.close(writing)


def test_the_reader_of_the_log_went_away(sidecar: Sidecar) -> None:
    """A closed pipe at stderr does not end the launcher; its refresher's SIGPIPE is the refresher's."""
    reading, writing = os.pipe()
    os.close(reading)
    sidecar.refresher("exit 1")
    run = sidecar.start(stderr=writing)
    os.close(writing)
    wait_for(lambda: sidecar.runs() > 3)
    assert run.end() == exit_codes.SOURCE_UNAVAILABLE
