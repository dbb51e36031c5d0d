"""Two jobs in one injected container: neither waits for the other, and one sleeps as cheaply as two."""

import signal
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from contract import exit_codes, secrets
from tests.launcher.jobs import LATER, asleep, flags, plan
from tests.launcher.sidecar import FRESH, Sidecar, alive, children, wait_for

pytestmark = pytest.mark.slow

ASLEEP = 100  # kilobytes


def test_both_jobs(sidecar: Sidecar) -> None:
    """One launcher, two children at a time: the token's as ever, the secrets' with its sockets' number."""
    sidecar.jobs(token="sleep 0.5; echo next 60000 >&3", secrets="sleep 1; echo next 60000 >&3")
    run = sidecar.start("--file=/t/token", "--refresh=true", env=plan(sidecar.folder, "a", "b"))
    wait_for(lambda: len(children(run.process)) == 2)
    wait_for(lambda: asleep(run, sidecar))
    assert sidecar.runs_of("token") == [flags(Path("/t/token"))]
    assert sidecar.runs_of("secrets") == [f"{flags(Path('/t/token'))} --sockets=2"]
    assert (run.end(), run.said(), sidecar.log_text()) == (exit_codes.OK, "", "")


def test_the_secrets_child_fetches_the_first_token(sidecar: Sidecar) -> None:
    """It has all of the token's flags. The token's own children come a little later, whatever became of it."""
    sidecar.jobs(token="date +%s%N > began; " + LATER, secrets="exit 22")
    begin = time.time_ns()
    sidecar.start("--file=/t/token", "--audience", "a", "--refresh=true", env=plan(sidecar.folder))
    wait_for(lambda: sidecar.runs_of("secrets"))
    later = int(sidecar.note("began")) - begin
    common = "--file=/t/token --audience a --refresh=false --once-if-stale --report-fd=3"
    assert sidecar.runs_of("token") == [common]
    assert set(sidecar.runs_of("secrets")) == {f"{common} --sockets=0"}
    assert later >= 0.5e9  # a tenth of five seconds


def test_a_token_of_the_last_life_is_looked_at_at_once(sidecar: Sidecar) -> None:
    """Its volume outlives the container: where nothing can be read, no life is long enough for a pause."""
    sidecar.token.write_text("of the last life")
    sidecar.jobs(token="[ -e began ] || date +%s%N > began; " + LATER, secrets="echo error 13 gone >&3; exit 13")
    begin = time.time_ns()
    sidecar.start(env=plan(sidecar.folder) | {"TOKEN_INJECTOR_TIME_DIVISOR": "1"})
    assert int(sidecar.note("began")) - begin < 4e9


@pytest.mark.parametrize("empty", [{}, {secrets.PLAN: ""}])
def test_no_plan(sidecar: Sidecar, empty: Mapping[str, str]) -> None:
    """Without a plan there is one job, and no socket."""
    sidecar.jobs(token=FRESH, secrets=LATER)
    sidecar.start(env={secrets.SOCKETS: f"{sidecar.folder}/a", **empty})
    wait_for(lambda: len(sidecar.runs_of("token")) > 2)
    assert sidecar.runs_of("secrets") == []
    assert not (sidecar.folder / "a").exists()


def test_plan_without_sockets(sidecar: Sidecar) -> None:
    """Env files need none."""
    sidecar.jobs(secrets=FRESH)
    sidecar.start(env={secrets.PLAN: "{}"})
    wait_for(lambda: len(sidecar.runs_of("secrets")) > 2)
    assert set(sidecar.runs_of("secrets")) == {f"{flags(sidecar.token)} --sockets=0"}


def test_secrets_alone(sidecar: Sidecar) -> None:
    """`secrets --refresh=true` runs that job, plan or not, and hands on what it does not know."""
    sidecar.jobs(secrets=FRESH)
    run = sidecar.start("secrets", "--x=1", "--refresh=true", "y", env={secrets.SOCKETS: f"{sidecar.folder}/a"})
    wait_for(lambda: len(sidecar.runs_of("secrets")) > 2)
    assert set(sidecar.runs_of("secrets")) == {"secrets --x=1 y --report-fd=3 --sockets=1"}
    assert sidecar.runs_of("token") == []
    assert run.end() == exit_codes.OK


@pytest.mark.parametrize(
    ("arguments", "handed_on"),
    [
        ("--once", "secrets --once"),
        ("--refresh=false --deadline=5", "secrets --deadline=5"),
        ("", "secrets"),
        ("--help --once", "secrets --help"),
    ],
)
def test_becomes_the_secrets_command(sidecar: Sidecar, arguments: str, handed_on: str) -> None:
    """Without --refresh there is no process between the kubelet and Python, whose exit code counts."""
    sidecar.jobs(secrets="exit 13")
    done = sidecar.run("secrets", *arguments.split(), env=plan(sidecar.folder, "a"))
    assert done.returncode == 13
    assert sidecar.runs_of("secrets") == [handed_on]
    assert not (sidecar.folder / "a").exists()


def test_hanging_child_is_killed(sidecar: Sidecar) -> None:
    """It has as long as the token's child, and what hangs in one job delays nothing of the other."""
    sidecar.jobs(token=FRESH, secrets="trap '' TERM; sleep 60 & echo $$ $! >> family; sleep 60")
    run = sidecar.start(env={**plan(sidecar.folder, "a"), "TOKEN_INJECTOR_TIME_DIVISOR": "60"})
    wait_for(lambda: len(sidecar.runs_of("secrets")) > 2)
    assert sidecar.log_text() == "the secrets refresher hung and was killed\n"
    assert len(sidecar.runs_of("token")) > 5
    family = [int(process) for line in sidecar.note("family").splitlines()[:2] for process in line.split()]
    wait_for(lambda: not any(alive(process) for process in family))
    assert run.end() == exit_codes.SOURCE_UNAVAILABLE


FAILS = "if [ -e {0}-mended ]; then echo next 200 >&3; else echo error {1} {0} is away >&3; exit {1}; fi"


def test_last_words(sidecar: Sidecar) -> None:
    """The token's reason comes first, then the secrets', then nothing, whoever failed last."""
    sidecar.jobs(token=FAILS.format("token", 20), secrets=FAILS.format("secrets", 22))
    sidecar.start(env=plan(sidecar.folder))
    wait_for(lambda: sidecar.log_text() == "token is away\n")
    wait_for(lambda: len(sidecar.runs_of("secrets")) > 2)
    assert sidecar.log_text() == "token is away\n"
    (sidecar.folder / "token-mended").touch()
    wait_for(lambda: sidecar.log_text() == "secrets is away\n")
    runs = len(sidecar.runs_of("token"))
    wait_for(lambda: len(sidecar.runs_of("token")) > runs + 2)
    assert sidecar.log_text() == "secrets is away\n"
    (sidecar.folder / "secrets-mended").touch()
    wait_for(lambda: sidecar.log_text() == "")
    (sidecar.folder / "token-mended").unlink()
    wait_for(lambda: sidecar.log_text() == "token is away\n")


@pytest.mark.parametrize(("token", "secrets", "code"), [(20, 13, 13), (10, 22, 10), (10, 13, 10)])
def test_what_no_retry_mends_has_the_word(sidecar: Sidecar, token: int, secrets: int, code: int) -> None:
    """A passing failure does not hide it, and a container that ends with it has not completed."""
    sidecar.jobs(token=FAILS.format("token", token), secrets=FAILS.format("secrets", secrets))
    run = sidecar.start(env=plan(sidecar.folder))
    line = f"permanent: {code} {'token' if code == token else 'secrets'} is away\n"
    wait_for(lambda: sidecar.log_text() == line)
    tries = len(sidecar.runs_of("token"))
    wait_for(lambda: len(sidecar.runs_of("token")) > tries + 1)
    assert sidecar.log_text() == line
    done = sidecar.run("await", f"{sidecar.folder}/ready")
    assert done.returncode == code
    assert run.end() == code


@pytest.mark.parametrize("before", ["", "if ! [ -e waited ]; then touch waited; echo next 200 >&3; exit; fi; "])
def test_what_was_unavailable_until_the_hooks_time_was_over(sidecar: Sidecar, before: str) -> None:
    """The container ends with the code, and its reason is the last word: it has not completed.

    A child that came only to say that it is too early has delivered nothing either.
    """
    sidecar.token.write_text("t")
    sidecar.jobs(secrets=f"{before}echo error 22 AWS is away >&3; exit 22")
    run = sidecar.start(env=plan(sidecar.folder) | {secrets.STATE_DIRECTORY: str(sidecar.folder)})
    wait_for(lambda: sidecar.log_text() == "AWS is away\n")
    ready = f"{sidecar.folder}/{secrets.READY_FILE}"
    done = sidecar.run("await", str(sidecar.token), ready, "--timeout=1")
    assert done.returncode == exit_codes.AWAIT_TIMEOUT
    assert run.end() == exit_codes.SECRETS_UNAVAILABLE
    assert sidecar.log_text().endswith("AWS is away\n")


def test_what_was_there_and_is_not_renewed(sidecar: Sidecar) -> None:
    """A pod that is deleted while AWS is away has a sidecar that completed: nobody has to act."""
    (sidecar.folder / secrets.READY_FILE).write_text("ready\n")
    sidecar.token.write_text("t")
    sidecar.jobs(token="echo error 20 Google is away >&3; exit 20", secrets="echo error 22 AWS is away >&3; exit 22")
    run = sidecar.start(env=plan(sidecar.folder) | {secrets.STATE_DIRECTORY: str(sidecar.folder)})
    wait_for(lambda: sidecar.log_text() == "Google is away\n")
    tries = len(sidecar.runs_of("secrets"))
    wait_for(lambda: len(sidecar.runs_of("secrets")) > tries + 1)
    assert sidecar.log_text() == "Google is away\n"
    assert run.end() == exit_codes.OK


def test_what_never_was_there_has_the_word(sidecar: Sidecar) -> None:
    """Before what is there and is not renewed: the hook still waits for it."""
    sidecar.token.write_text("t")
    sidecar.jobs(token="echo error 20 Google is away >&3; exit 20", secrets="echo error 22 AWS is away >&3; exit 22")
    run = sidecar.start(env=plan(sidecar.folder) | {secrets.STATE_DIRECTORY: str(sidecar.folder)})
    wait_for(lambda: sidecar.log_text() == "AWS is away\n")
    tries = len(sidecar.runs_of("token"))
    wait_for(lambda: len(sidecar.runs_of("token")) > tries + 1)
    assert sidecar.log_text() == "AWS is away\n"
    assert run.end() == exit_codes.SECRETS_UNAVAILABLE


def test_killed_child(sidecar: Sidecar) -> None:
    """The reason says whose it was."""
    sidecar.jobs(secrets="kill -9 $$")
    sidecar.start(env=plan(sidecar.folder))
    wait_for(lambda: sidecar.log_text().startswith("the secrets refresher was ended by signal 9 (out of memory?"))


def test_the_hook_hears_of_both(sidecar: Sidecar) -> None:
    """`await` with the token there fails at once on a reference that cannot be resolved."""
    sidecar.jobs(secrets="sleep 0.3; echo error 13 sm://x is not there >&3; exit 13")
    sidecar.token.write_text("t")
    sidecar.start(env=plan(sidecar.folder))
    done = sidecar.run("await", str(sidecar.token), f"{sidecar.folder}/ready")
    assert done.returncode == 13
    assert done.stderr == "token-injector: sm://x is not there\n"


def test_sigterm_ends_both_at_once(native_sidecar: Sidecar, unshare: tuple[str, ...]) -> None:
    """Deaf children, sockets and waiting containers do not delay the pod's end: at best of three a second."""
    native_sidecar.jobs(
        token="trap '' TERM; echo >> both; sleep 60; :", secrets="trap '' TERM; echo >> both; sleep 60; :"
    )
    took = []
    for number in range(1, 4):
        run = native_sidecar.start_as_first(
            unshare, "--file=/t/token", "--refresh=true", env=plan(native_sidecar.folder, "a")
        )
        wait_for(lambda number=number: native_sidecar.note("both").count("\n") == 2 * number)  # type: ignore[misc]
        begin = time.monotonic()
        assert run.end(signal.SIGTERM) == exit_codes.OK
        took.append(time.monotonic() - begin)
    assert min(took) <= 1


def test_children_die_with_a_killed_launcher(sidecar: Sidecar) -> None:
    """SIGKILL leaves no last word; the kernel ends both."""
    both = "echo $$ >> processes; exec sleep 60"
    sidecar.jobs(token=both, secrets=both)
    run = sidecar.start(env=plan(sidecar.folder, "a"))
    wait_for(lambda: len(sidecar.note("processes").split()) == 2)
    run.end(signal.SIGKILL)
    wait_for(lambda: not any(alive(int(process)) for process in sidecar.note("processes").split()))


def test_asleep_it_costs_nothing(native_sidecar: Sidecar) -> None:
    """Two jobs and three sockets asleep: no wakeup, at most 0.1 MB that no other process shares."""
    native_sidecar.jobs(secrets=LATER)
    run = native_sidecar.start(env=plan(native_sidecar.folder, "a", "b", "c"))
    wait_for(lambda: asleep(run, native_sidecar))
    time.sleep(1.2)  # the floor between two starts is over
    proc = Path(f"/proc/{run.process}")
    before = (proc / "status").read_text().split("voluntary_ctxt_switches:")[1:]
    pages = dict(line.split(maxsplit=1) for line in (proc / "smaps_rollup").read_text().splitlines()[1:])
    tables = dict(line.split(maxsplit=1) for line in (proc / "status").read_text().splitlines() if "VmPTE" in line)
    time.sleep(2)
    assert (proc / "status").read_text().split("voluntary_ctxt_switches:")[1:] == before
    assert int(pages["Anonymous:"].split()[0]) + int(tables["VmPTE:"].split()[0]) <= ASLEEP
