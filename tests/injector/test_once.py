"""One token for an init container: retried until the deadline."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from contract import exit_codes
from injector.errors import RefreshError
from injector.once import World, once
from injector.refresh import Refreshed
from injector.settings import Settings

if TYPE_CHECKING:
    from tests.injector.conftest import FakeTime, ScriptedSource

HOUR = 3600
NOW = 1_700_000_000

Parse = Callable[..., Settings]
Make = Callable[..., str]


def busy(code: int = exit_codes.SOURCE_UNAVAILABLE) -> RefreshError:
    """The source does not answer now."""
    return RefreshError("busy", exit_code=code)


@pytest.fixture
def run(fake_time: "FakeTime") -> Callable[..., Refreshed]:
    """Runs `once` on the fake clock, dice at the top."""

    def run(settings: Settings, source: "ScriptedSource") -> Refreshed:
        world = World(
            now=fake_time.now,
            monotonic=fake_time.monotonic,
            sleep=fake_time.sleep,
            dice=lambda: 1.0,
            log=lambda *_, **__: None,
        )
        return once(settings, source=source, world=world)

    return run


def test_transient_errors_are_retried(
    tmp_path: Path, settings: Parse, token: Make, scripted: Any, fake_time: "FakeTime", run: Any
) -> None:
    """The metadata server may not be ready in a pod's first seconds (T9): 1, 2, 4 s between the tries."""
    text = token(exp=NOW + HOUR, iat=NOW)
    run(settings(), scripted(busy(), busy(), busy(exit_codes.TOKEN_REFUSED), text))
    assert (fake_time.sleeps, (tmp_path / "token").read_text()) == ([1, 2, 4], text)


def test_deadline(settings: Parse, scripted: Any, fake_time: "FakeTime", run: Any) -> None:
    """After 60 s the last reason is the result; the last try is at the deadline itself."""
    with pytest.raises(RefreshError, match="busy"):
        run(settings(), scripted(busy()))
    assert fake_time.passed == 60
    assert fake_time.sleeps == [1, 2, 4, 8, 16, 29]


def test_deadline_is_a_flag_and_divided(settings: Parse, scripted: Any, fake_time: "FakeTime", run: Any) -> None:
    """--deadline=10 with a divisor of 10 is one second, and the waits are divided too."""
    with pytest.raises(RefreshError, match="busy"):
        run(settings("--deadline=10", environ={"TOKEN_INJECTOR_TIME_DIVISOR": "10"}), scripted(busy()))
    assert fake_time.sleeps == pytest.approx([0.1, 0.2, 0.4, 0.3])


def test_request_timeouts_shrink_with_the_deadline(settings: Parse, scripted: Any, run: Any) -> None:
    """No request is given more time than is left, nor more than 10 s, nor less than one."""
    source = scripted(busy())
    with pytest.raises(RefreshError):
        run(settings("--deadline=12"), source)
    assert [timeout for _, timeout in source.asked] == [10, 10, 9, 5, 1]


@pytest.mark.parametrize("code", [exit_codes.NO_SERVICE_ACCOUNT, exit_codes.AUDIENCE_REFUSED])
def test_permanent_errors_end_at_once(
    settings: Parse, scripted: Any, fake_time: "FakeTime", run: Any, code: int
) -> None:
    """What no retry can mend is not retried."""
    with pytest.raises(RefreshError):
        run(settings(), scripted(busy(code)))
    assert fake_time.sleeps == []


def test_one_try_for_the_launcher(settings: Parse, scripted: Any, fake_time: "FakeTime", run: Any) -> None:
    """With --report-fd the launcher does the waiting."""
    source = scripted(busy())
    with pytest.raises(RefreshError):
        run(settings("--report-fd=3"), source)
    assert (fake_time.sleeps, len(source.asked)) == ([], 1)


def test_near_expiry_then_better(
    tmp_path: Path, settings: Parse, token: Make, scripted: Any, fake_time: "FakeTime", run: Any
) -> None:
    """A token near its end is written, and a better one still asked for."""
    short, good = token(exp=NOW + 30, iat=NOW - HOUR + 30), token(exp=NOW + HOUR, iat=NOW)
    found = run(settings(), scripted(short, busy(), good))
    assert (found.token.text, (tmp_path / "token").read_text()) == (good, good)
    assert fake_time.sleeps == [1, 2]


def test_near_expiry_and_nothing_better(
    settings: Parse, token: Make, scripted: Any, fake_time: "FakeTime", run: Any
) -> None:
    """If nothing better comes until the deadline, the short-lived token is the result."""
    found = run(settings("--min-lifetime=600"), scripted(text := token(exp=NOW + 300, iat=NOW - HOUR + 300)))
    assert (found.token.text, fake_time.passed) == (text, 60)


def test_near_expiry_that_expires_while_waiting(settings: Parse, token: Make, scripted: Any, run: Any) -> None:
    """A token that ended while a better one was asked for is no result."""
    with pytest.raises(RefreshError, match="has expired since") as caught:
        run(settings(), scripted(token(exp=NOW + 30, iat=NOW - HOUR + 30), busy()))
    assert caught.value.exit_code == exit_codes.TOKEN_REFUSED


def test_min_lifetime_zero(settings: Parse, token: Make, scripted: Any, fake_time: "FakeTime", run: Any) -> None:
    """--min-lifetime=0 takes whatever has not expired."""
    run(settings("--min-lifetime=0"), scripted(token(exp=NOW + 1, iat=NOW - HOUR)))
    assert fake_time.sleeps == []
