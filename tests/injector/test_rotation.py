"""Which takers have to be delivered again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from injector import rotation
from injector.state import Delivered, State
from secretenv.stores import Refusal

STATE = State(
    takers={
        "container a": Delivered(versions={"sm://db#user": "1", "sm://other": "1"}),
        "container b": Delivered(versions={"sm://other": "1"}, generation=3),
        "container c": Delivered(versions={}),
    }
)
GONE = Refusal(reason="not_found", message="gone")


def test_references() -> None:
    """Each is asked for once, whoever uses it."""
    assert rotation.references(STATE) == ["sm://db#user", "sm://other"]


@pytest.mark.parametrize(
    ("current", "changed"),
    [
        ({"sm://db#user": "1", "sm://other": "1"}, set()),
        ({"sm://db#user": "2", "sm://other": "1"}, {"container a"}),
        ({"sm://db#user": "1", "sm://other": "2"}, {"container a", "container b"}),
        ({"sm://db#user": GONE, "sm://other": "1"}, set()),
        ({"sm://db#user": GONE, "sm://other": "2"}, {"container a", "container b"}),
    ],
)
def test_compare(current: dict[str, str | Refusal], changed: set[str]) -> None:
    """A taker changes with its own references alone, and never by one that cannot be read."""
    found = rotation.compare(STATE, current)
    assert found.changed == changed
    assert found.refusals == {text: GONE for text, version in current.items() if version is GONE}


def test_rotated_and_served() -> None:
    """What is delivered anew has the next generation; what a container fetched itself keeps it."""
    assert rotation.rotated(STATE, "container b", {"x": "2"}).takers["container b"] == Delivered(
        versions={"x": "2"}, generation=4
    )
    assert rotation.served(STATE, "container b", {"x": "2"}).takers["container b"] == Delivered(
        versions={"x": "2"}, generation=3
    )


def test_stale_since() -> None:
    """The first time counts, until everything can be read again."""
    first = rotation.stale(STATE, is_stale=True, now=5.0)
    again = rotation.stale(first, is_stale=True, now=9.0)
    assert (first.stale_since, again.stale_since) == (5.0, 5.0)
    assert rotation.stale(again, is_stale=False, now=10.0).stale_since is None


@given(st.floats(min_value=30, max_value=86400), st.floats(min_value=0, max_value=1, exclude_max=True))
def test_jitter(interval: float, dice: float) -> None:
    """Polls are a fifth of the interval apart at most."""
    assert 0.8 * interval <= rotation.until_next(interval, dice) <= 1.2 * interval * (1 + 1e-9)
