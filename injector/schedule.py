"""When is the next refresh? Pure: the clock's reading and the dice (0 <= dice < 1) are parameters.

Between 50 and 80 % of a token's life, at random, so that the pods of a node do not ask together; never sooner than
`floor` after a fetch. A life is min(exp - now, exp - iat): a wall clock set back does not make a token live longer.
"""

from __future__ import annotations

EARLIEST = 0.5
LATEST = 0.8
# In seconds before the time divisor.
FLOOR = 30.0
# Whatever a token claims, its binding may change: ask again within half a day.
CEILING = 12 * 3600.0
# A token issued this far in the future means that a clock is wrong, so its age says nothing.
CLOCK_SKEW = 60.0


def life_left(*, now: float, iat: int | None, exp: int) -> float:
    """The seconds that the token has left, never negative."""
    left = exp - now
    return max(0.0, left if iat is None else min(left, exp - iat))


def after_fetch(
    *, left: float, dice: float, enough: float = 0.0, floor: float = FLOOR, ceiling: float = CEILING
) -> float:
    """The seconds until the next refresh, just after a fetch that left a token with `left` seconds.

    A token with less than `enough` seconds is near its end: a better one is asked for as soon as `floor` allows.
    """
    return floor if left < enough else max(floor, min(ceiling, left * _share(dice)))


def while_fresh(
    *, now: float, iat: int | None, exp: int, dice: float, floor: float = FLOOR, ceiling: float = CEILING
) -> float | None:
    """The seconds until the next refresh if the token is fresh, or None: fetch now.

    Fresh is before EARLIEST of its whole life; the next refresh is at a random point of the same span as after a
    fetch, so that asking again never moves it out.
    """
    if iat is None or now < iat - CLOCK_SKEW:
        return None
    life = exp - iat
    age = life - life_left(now=now, iat=iat, exp=exp)
    if age >= EARLIEST * life:
        return None
    return max(floor, min(ceiling, life * _share(dice) - age))


def backoff(*, failures: int, dice: float, first: float, cap: float) -> float:
    """The seconds until the next try after this many failures in a row (1, 2, …): full jitter, doubling up to cap."""
    # 2 ** 63 is beyond every cap; more failures must not make a number that no float holds.
    return float(min(cap, first * 2 ** min(failures - 1, 63)) * dice)


def _share(dice: float) -> float:
    return EARLIEST + (LATEST - EARLIEST) * dice
