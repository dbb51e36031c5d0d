"""The token bucket: never faster than its rate, whenever it is asked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secretenv.stores.bucket import RATES, Bucket


def test_a_second_is_free_and_then_each_waits_its_turn() -> None:
    """Ten at once, then one each tenth of a second."""
    bucket = Bucket(per_second=10, now=0)
    assert [bucket.reserve(now=0, patience=9) for _ in range(10)] == [0] * 10
    waits = [bucket.reserve(now=0, patience=9) for _ in range(3)]
    assert waits == pytest.approx([0.1, 0.2, 0.3])


def test_who_cannot_wait_takes_nothing() -> None:
    """A refused caller does not push the next one back."""
    bucket = Bucket(per_second=1, now=0)
    assert bucket.reserve(now=0, patience=0) == 0
    assert bucket.reserve(now=0, patience=0.5) is None
    assert bucket.reserve(now=0, patience=1) == 1


def test_rest_does_not_pile_up() -> None:
    """After an hour no more than one second's worth comes at once."""
    bucket = Bucket(per_second=2, now=0)
    waits = [bucket.reserve(now=3600, patience=0) for _ in range(3)]
    assert waits == [0, 0, None]


@given(st.lists(st.floats(min_value=0, max_value=2), max_size=60), st.integers(min_value=1, max_value=20))
def test_no_window_has_more_than_its_rate(pauses: list[float], per_second: int) -> None:
    """In any second, and one second's worth before it, at most so many requests go out."""
    bucket = Bucket(per_second=per_second, now=0)
    now, sent = 0.0, []
    for pause in pauses:
        now += pause
        wait = bucket.reserve(now=now, patience=100)
        assert wait is not None
        sent.append(now + wait)
    for start in sent:
        within = sum(start <= at < start + 1 for at in sent)
        assert within <= 2 * per_second + 1


def test_a_clock_that_goes_back_gives_nothing() -> None:
    """Nor does it take what is there."""
    bucket = Bucket(per_second=1, now=10)
    assert bucket.reserve(now=5, patience=0) == 0
    assert bucket.reserve(now=10, patience=0) is None
    assert bucket.reserve(now=11, patience=0) == 0


def test_rates_are_below_the_default_quotas() -> None:
    """Reads of one quota share one bucket: Parameter Store's three; Secrets Manager's two, of which polls are many."""
    quotas = {"secretsmanager batches": 100, "secretsmanager": 10_000, "ssm": 40, "sts": 600}
    assert {rate.shared: rate.per_second * 4 for rate in RATES.values()} == quotas
    assert RATES["DescribeSecret"] is RATES["GetSecretValue"]
    assert RATES["GetParameter"] is RATES["GetParametersByPath"] is RATES["GetParameters"]
