"""When the next refresh is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from injector import schedule

NOW = 1_700_000_000
HOUR = 3600
DICE = st.floats(min_value=0, max_value=1, exclude_max=True)
LIVES = st.integers(min_value=1, max_value=10 * 24 * HOUR)
CLOCKS = st.floats(min_value=0, max_value=4e9)


@pytest.mark.parametrize(("dice", "seconds"), [(0.0, 1800), (0.5, 2340), (0.999999, 2880)])
def test_after_a_fetch(dice: float, seconds: float) -> None:
    """An hour's token is refreshed after 30 to 48 minutes."""
    left = schedule.life_left(now=NOW, iat=NOW, exp=NOW + HOUR)
    assert schedule.after_fetch(left=left, dice=dice) == pytest.approx(seconds, rel=1e-3)


@given(left=st.floats(min_value=0, max_value=4e9), dice=DICE)
def test_never_hot(left: float, dice: float) -> None:
    """However short the token's life, refreshes are 30 s apart at least (T3), and half a day at most."""
    assert schedule.FLOOR <= schedule.after_fetch(left=left, dice=dice) <= schedule.CEILING


@given(left=st.floats(min_value=60, max_value=50_000), dice=DICE)
def test_share_of_what_is_left(left: float, dice: float) -> None:
    """Where floor and ceiling do not matter it is 50 to 80 % of what is left."""
    wait = schedule.after_fetch(left=left, dice=dice, floor=0, ceiling=1e9)
    assert 0.5 * left <= wait <= 0.8 * left


def test_near_its_end() -> None:
    """A token with too little left is followed by a try as soon as the floor allows."""
    assert schedule.after_fetch(left=290, dice=0.9, enough=300) == schedule.FLOOR
    assert schedule.after_fetch(left=310, dice=0.9, enough=300) > schedule.FLOOR


@given(now=CLOCKS, life=LIVES)
def test_clock_steps_make_no_life_longer(now: float, life: int) -> None:
    """With a wall clock set back, a token still lives no longer than it was issued for; never less than nothing."""
    assert 0 <= schedule.life_left(now=now, iat=NOW, exp=NOW + life) <= life


def test_no_issue_time() -> None:
    """Without iat only the wall clock can tell."""
    assert schedule.life_left(now=NOW, iat=None, exp=NOW + 100) == 100


@given(age=st.floats(min_value=0, max_value=1799), dice=DICE)
def test_fresh_token_keeps_its_span(age: float, dice: float) -> None:
    """A fresh token is refreshed at 50 to 80 % of its whole life, however often it is looked at."""
    wait = schedule.while_fresh(now=NOW + age, iat=NOW, exp=NOW + HOUR, dice=dice, floor=0)
    assert wait is not None
    assert age + wait + 1e-6 >= 0.5 * HOUR
    assert age + wait <= 0.8 * HOUR + 1e-6


@pytest.mark.parametrize("age", [1800, 2000, 3599, 3600, 5000])
def test_stale_from_half_its_life(age: float) -> None:
    """From half its life a token is stale: the launcher comes then and must get a new one."""
    assert schedule.while_fresh(now=NOW + age, iat=NOW, exp=NOW + HOUR, dice=0.5) is None


@pytest.mark.parametrize(("ahead", "fresh"), [(0, True), (59, True), (61, False), (7200, False)])
def test_token_from_the_future(ahead: float, fresh: bool) -> None:  # noqa: FBT001 - a table's column
    """A token issued well in the future says that a clock is wrong, so its age proves nothing."""
    assert (schedule.while_fresh(now=NOW - ahead, iat=NOW, exp=NOW + HOUR, dice=0.5) is not None) is fresh


def test_unknown_age_is_stale() -> None:
    """Without iat nobody knows whether half the life is over."""
    assert schedule.while_fresh(now=NOW, iat=None, exp=NOW + HOUR, dice=0.5) is None


@given(now=CLOCKS, life=LIVES, dice=DICE)
def test_any_clock(now: float, life: int, dice: float) -> None:
    """Whatever the clock says, the answer is None or between floor and ceiling."""
    wait = schedule.while_fresh(now=now, iat=NOW, exp=NOW + life, dice=dice)
    assert wait is None or schedule.FLOOR <= wait <= schedule.CEILING


@given(failures=st.integers(min_value=1, max_value=10**9), dice=DICE)
def test_backoff_is_bounded(failures: int, dice: float) -> None:
    """Full jitter: anything from nothing to the step, the step doubling from 1 s and never above 60 s."""
    wait = schedule.backoff(failures=failures, dice=dice, first=1, cap=60)
    assert 0 <= wait <= min(60, 2 ** min(failures - 1, 10))


def test_backoff_doubles() -> None:
    """The steps are 1, 2, 4, … 60, 60."""
    steps = [schedule.backoff(failures=n, dice=1, first=1, cap=60) for n in range(1, 9)]
    assert steps == [1, 2, 4, 8, 16, 32, 60, 60]
