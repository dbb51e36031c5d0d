"""Waiting for the first token."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from contract import exit_codes
from injector.awaiting import POLL, await_files
from injector.errors import RefreshError
from injector.settings import Await, parse

if TYPE_CHECKING:
    from tests.injector.conftest import FakeTime


def waiting(tmp_path: Path, *, timeout: int = 120, divisor: int = 1) -> Await:
    """`await` for a file in the test's folder."""
    environ = {"TOKEN_INJECTOR_TERMINATION_LOG": str(tmp_path / "log"), "TOKEN_INJECTOR_TIME_DIVISOR": str(divisor)}
    found = parse(["await", str(tmp_path / "token"), f"--timeout={timeout}"], environ)
    assert isinstance(found, Await)
    return found


def test_token_is_there(tmp_path: Path, fake_time: "FakeTime") -> None:
    """With a token in the file nobody waits, whatever an old reason says."""
    (tmp_path / "token").write_text("a.b.c")
    (tmp_path / "log").write_text("permanent: 10 yesterday\n")
    await_files(waiting(tmp_path), monotonic=fake_time.monotonic, sleep=fake_time.sleep)
    assert fake_time.sleeps == []


def test_a_folder_is_no_token(tmp_path: Path, fake_time: "FakeTime") -> None:
    """A folder has a size too, and no token in it."""
    (tmp_path / "token").mkdir()
    with pytest.raises(RefreshError, match="there is nothing in"):
        await_files(waiting(tmp_path, timeout=1), monotonic=fake_time.monotonic, sleep=fake_time.sleep)


def test_token_comes(tmp_path: Path, fake_time: "FakeTime") -> None:
    """The wait ends when the file has something in it; an empty one does not count."""
    (tmp_path / "token").touch()

    def sleep(seconds: float) -> None:
        fake_time.sleep(seconds)
        if fake_time.passed > 2:
            (tmp_path / "token").write_text("a.b.c")

    await_files(waiting(tmp_path), monotonic=fake_time.monotonic, sleep=sleep)
    assert 2 < fake_time.passed < 2 + 2 * POLL


def test_several_files(tmp_path: Path, fake_time: "FakeTime") -> None:
    """The wait ends when each has something in it; a late one is named, one that came is not."""
    environ = {"TOKEN_INJECTOR_TERMINATION_LOG": str(tmp_path / "log")}
    asked = parse(["await", str(tmp_path / "token"), str(tmp_path / "ready"), "--timeout=2"], environ)
    assert isinstance(asked, Await)
    (tmp_path / "token").write_text("a.b.c")
    with pytest.raises(RefreshError, match=f"^after 2 s there is nothing in {tmp_path}/ready: ") as caught:
        await_files(asked, monotonic=fake_time.monotonic, sleep=fake_time.sleep)
    assert caught.value.exit_code == exit_codes.AWAIT_TIMEOUT
    (tmp_path / "ready").write_text("1")
    await_files(asked, monotonic=fake_time.monotonic, sleep=fake_time.sleep)


def test_permanent_reason(tmp_path: Path, fake_time: "FakeTime") -> None:
    """A reason that no retry can mend ends the wait at once, with its code and its words."""
    (tmp_path / "log").write_text("permanent: 11 the audience is refused\n")
    with pytest.raises(RefreshError, match=r"^the audience is refused$") as caught:
        await_files(waiting(tmp_path), monotonic=fake_time.monotonic, sleep=fake_time.sleep)
    assert (caught.value.exit_code, fake_time.passed) == (exit_codes.AUDIENCE_REFUSED, 0)


@pytest.mark.parametrize(("timeout", "divisor", "seconds"), [(120, 1, 120), (5, 1, 5), (120, 60, 2), (0, 1, 0)])
def test_timeout(tmp_path: Path, fake_time: "FakeTime", timeout: int, divisor: int, seconds: float) -> None:
    """After the timeout the termination log says so, and keeps the last reason."""
    (tmp_path / "log").write_text("the metadata server is busy\n")
    with pytest.raises(RefreshError) as caught:
        await_files(
            waiting(tmp_path, timeout=timeout, divisor=divisor), monotonic=fake_time.monotonic, sleep=fake_time.sleep
        )
    assert caught.value.exit_code == exit_codes.AWAIT_TIMEOUT
    assert fake_time.passed == pytest.approx(seconds, abs=2 * POLL)
    reason = f"after {timeout} s there is nothing in {tmp_path / 'token'}: the metadata server is busy"
    assert (str(caught.value), (tmp_path / "log").read_text()) == (reason, f"{reason}\n")


def test_timeout_without_a_reason(tmp_path: Path, fake_time: "FakeTime") -> None:
    """Without a reason the reader is sent to the log."""
    with pytest.raises(RefreshError, match="look at its log"):
        await_files(waiting(tmp_path), monotonic=fake_time.monotonic, sleep=fake_time.sleep)
