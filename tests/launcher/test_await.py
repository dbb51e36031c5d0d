"""The postStart hook: it ends with the first token, fails at once on a permanent reason, and never hangs."""

import fcntl
import signal
import time

import pytest

from contract import environ, exit_codes
from tests.launcher.sidecar import Sidecar, holds_signals, wait_for

pytestmark = pytest.mark.slow


def test_token_is_there(sidecar: Sidecar) -> None:
    """With a token there is nothing to wait for, even where an old reason stands in the log."""
    sidecar.token.write_text("t")
    sidecar.log.write_text("permanent: 10 old\n")
    done = sidecar.run("await", str(sidecar.token))
    assert (done.returncode, done.stdout, done.stderr) == (exit_codes.OK, "", "")


@pytest.mark.parametrize("look", ["watched", "not watched"])
def test_token_arrives(native_sidecar: Sidecar, look: str) -> None:
    """The rename of the first token ends the wait, with inotify or, where a node has no watch left, without."""
    # Descriptor 3 is for signals: no other may be opened.
    limit = ("sh", "-c", 'ulimit -n 4; exec "$@"', "sh") if look == "not watched" else ()
    run = native_sidecar.start("await", str(native_sidecar.token), before=limit)
    new = native_sidecar.folder / "new"
    new.write_text("t")
    watched = look == "watched"
    wait_for(lambda: "anon_inode:inotify" in run.descriptors() if watched else holds_signals(run.process))
    time.sleep(0.3)
    assert run.popen.poll() is None
    assert ("anon_inode:inotify" in run.descriptors()) == watched
    new.rename(native_sidecar.token)
    assert run.popen.wait(5) == exit_codes.OK  # of the 12 s that it may wait


def test_token_behind_a_link(sidecar: Sidecar) -> None:
    """What no watch on the folder sees is seen a moment later."""
    elsewhere = sidecar.folder / "elsewhere"
    elsewhere.mkdir()
    sidecar.token.symlink_to(elsewhere / "token")
    run = sidecar.start("await", str(sidecar.token))
    time.sleep(0.3)
    (elsewhere / "token").write_text("t")
    assert run.popen.wait(5) == exit_codes.OK


def test_empty_file_and_folder_are_no_token(sidecar: Sidecar) -> None:
    """Only a file with something in it counts, whatever stands there first."""
    sidecar.token.mkdir()
    run = sidecar.start("await", str(sidecar.token))
    time.sleep(0.3)
    sidecar.token.rmdir()
    sidecar.token.touch()
    time.sleep(0.3)
    assert run.popen.poll() is None
    sidecar.token.write_text("t")
    assert run.popen.wait(10) == exit_codes.OK


@pytest.mark.parametrize("name", ["made-later/token", "token"])
def test_folder_of_the_token(sidecar: Sidecar, name: str) -> None:
    """A folder that is made while it waits is seen, and so is a token in the working folder."""
    inside = f'cd {sidecar.folder}; exec "$@"'
    run = sidecar.start("await", name, before=("sh", "-c", inside, "sh"))
    time.sleep(0.2)
    path = sidecar.folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("t")
    assert run.popen.wait(10) == exit_codes.OK


@pytest.mark.parametrize(
    ("line", "code", "reason"),
    [
        ("permanent: 10 no service account\n", 10, "no service account"),
        ("permanent: 11 audience refused", 11, "audience refused"),
        ("permanent: 2 unknown flag\nrest of a longer line\n", 2, "unknown flag"),
        ("permanent: because\n", 10, "because"),
        ("permanent: 20 not permanent\n", 10, "20 not permanent"),
        ("permanent: 10 \x1b[2J\n", 10, "?[2J"),
        ("permanent: ", 10, ""),
    ],
)
def test_permanent_reason(sidecar: Sidecar, line: str, code: int, reason: str) -> None:
    """It fails at once with the refresher's code and repeats the reason; the log stays for the kubelet."""
    sidecar.log.write_text(line)
    begin = time.monotonic()
    done = sidecar.run("await", str(sidecar.token))
    assert time.monotonic() - begin < 5
    assert (done.returncode, done.stderr) == (code, f"token-injector: {reason}\n")
    assert sidecar.log_text() == line


def test_permanent_reason_arrives(sidecar: Sidecar) -> None:
    """A transient reason does not end the wait, a permanent one does."""
    run = sidecar.start("await", str(sidecar.token))
    sidecar.log.write_text("the source answered 503\n")
    time.sleep(0.4)
    assert run.popen.poll() is None
    sidecar.log.write_text("permanent: 10 no service account\n")
    assert run.popen.wait(10) == exit_codes.NO_SERVICE_ACCOUNT


@pytest.mark.parametrize(
    ("last", "says"), [("answered 503\n", "answered 503"), ("", "gave no reason; look at its log")]
)
def test_timeout(sidecar: Sidecar, last: str, says: str) -> None:
    """After its time, divided as every wait, it fails and leaves why in the log, with the last reason."""
    sidecar.log.write_text(last)
    begin = time.monotonic()
    done = sidecar.run("await", str(sidecar.token), "--timeout", "10")
    assert 1 <= time.monotonic() - begin < 10
    assert done.returncode == exit_codes.AWAIT_TIMEOUT
    assert sidecar.log_text().startswith(f"after 10 s there is nothing in {sidecar.token}: ")
    assert sidecar.log_text().endswith(f"{says}\n")
    assert done.stderr == f"token-injector: {sidecar.log_text()}"


@pytest.mark.parametrize("first", ["token", "ready"])
def test_several_files(sidecar: Sidecar, first: str) -> None:
    """It waits for the last of them, whichever that is, in folders of their own."""
    ready = sidecar.folder / "state" / "ready"
    ready.parent.mkdir()
    files = {"token": sidecar.token, "ready": ready}
    run = sidecar.start("await", str(sidecar.token), str(ready))
    files.pop(first).write_text("1")
    time.sleep(0.3)
    assert run.popen.poll() is None
    (last,) = files.values()
    last.write_text("1")
    assert run.popen.wait(10) == exit_codes.OK


def test_says_which_is_missing(sidecar: Sidecar) -> None:
    """Of several files those are named that did not come."""
    sidecar.token.write_text("t")
    done = sidecar.run("await", f"{sidecar.folder}/ready", str(sidecar.token), f"{sidecar.folder}/more", "--timeout=1")
    assert done.returncode == exit_codes.AWAIT_TIMEOUT
    assert f"after 1 s there is nothing in {sidecar.folder}/ready and {sidecar.folder}/more: " in sidecar.log_text()


def test_timeout_of_zero(sidecar: Sidecar) -> None:
    """One look, and no wait."""
    assert sidecar.run("await", "--timeout=0", str(sidecar.token)).returncode == exit_codes.AWAIT_TIMEOUT


def test_no_termination_log(sidecar: Sidecar) -> None:
    """A log that nobody can read or write changes nothing but what is said."""
    none = {environ.TERMINATION_LOG: f"{sidecar.folder}/none/log"}
    done = sidecar.run("await", str(sidecar.token), "--timeout=1", env=none)
    assert done.returncode == exit_codes.AWAIT_TIMEOUT
    assert "gave no reason" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("place", ["plain", "ignoring", "PID 1"])
def test_ends_at_once(sidecar: Sidecar, unshare: tuple[str, ...], place: str, number: int) -> None:
    """A signal ends it at once, with the code that shells give to that; no token is no success."""
    ignoring = ("sh", "-c", "trap '' TERM INT; exec \"$@\"", "sh")
    arguments = ("await", str(sidecar.token))
    if place == "PID 1":
        run = sidecar.start_as_first(unshare, *arguments)
    else:
        run = sidecar.start(*arguments, before=ignoring if place == "ignoring" else ())
    wait_for(lambda: holds_signals(run.process))
    assert run.end(number, seconds=5) == 128 + number


def test_with_the_launcher(sidecar: Sidecar) -> None:
    """Both sides together: the launcher's refresher finds no service account, and the hook fails with its reason."""
    sidecar.refresher("sleep 0.3; echo error 10 no service account is bound >&3; exit 10")
    sidecar.start()
    done = sidecar.run("await", str(sidecar.token))
    assert done.returncode == exit_codes.NO_SERVICE_ACCOUNT
    assert done.stderr == "token-injector: no service account is bound\n"


def test_never_a_moment_without_a_reason(sidecar: Sidecar) -> None:
    """While the launcher rewrites its permanent reason again and again, no reader finds less than the line."""
    sidecar.refresher("echo error 10 no service account is bound >&3; exit 10")
    run = sidecar.start(env={environ.TIME_DIVISOR: "1000"})
    wait_for(lambda: sidecar.log_text() != "")
    permanent = "permanent: 10 no service account is bound\n"
    seen: set[str] = set()

    def read() -> bool:
        seen.update(sidecar.log_text() for _ in range(20_000))
        return permanent in seen

    # On a busy machine some of the refreshers, which have 60 ms, hang: perhaps all that were seen, perhaps the last.
    wait_for(read)
    assert run.end() in {exit_codes.NO_SERVICE_ACCOUNT, exit_codes.SOURCE_UNAVAILABLE}
    assert {line for line in seen if not line.startswith("the token refresher")} == {permanent}


def test_two_that_write_at_once(sidecar: Sidecar) -> None:
    """The last word is one of theirs, whole: never the text of one, cut to the length of the other."""
    names = ["/a", "/" + "b" * 100, "/" + "c" * 300]
    for _ in range(15):
        runs = [sidecar.start("await", name, "--timeout=1", env={environ.TIME_DIVISOR: "100"}) for name in names]
        assert [run.popen.wait(10) for run in runs] == [exit_codes.AWAIT_TIMEOUT] * len(names)
        assert f"token-injector: {sidecar.log_text()}" in [run.said() for run in runs]


def test_a_log_that_somebody_has_locked(sidecar: Sidecar) -> None:
    """An application that holds the lock holds nobody up."""
    with sidecar.log.open("w") as log:
        fcntl.flock(log, fcntl.LOCK_EX)
        done = sidecar.run("await", "/nothing", "--timeout=0")
    assert done.returncode == exit_codes.AWAIT_TIMEOUT
    assert "/nothing" in sidecar.log_text()
