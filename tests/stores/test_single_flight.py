"""Concurrent reads of the same are one read, and nobody waits longer than he said."""

import time
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event, Lock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secretenv.stores.deadline import Deadline
from secretenv.stores.single_flight import SingleFlight
from secretenv.stores.together import MOST_AT_ONCE, together
from tests.stores.conftest import comes


def within(seconds: float) -> Deadline:
    """A deadline of the real clock; these tests end on events, not on it."""
    return Deadline(seconds, clock=time.monotonic)


def test_many_threads_one_read(followers: list[Event]) -> None:
    """Eight threads ask while the first one's read is under way; all have its value."""
    flights = SingleFlight[str, int]()
    arrived, reads = Barrier(8), []

    def read(keys: Collection[str]) -> Mapping[str, int]:
        reads.append(set(keys))
        assert comes(lambda: len(followers) == 7)
        return dict.fromkeys(keys, 7)

    def ask() -> dict[str, int]:
        arrived.wait(10)
        return flights.fetch(["k"], read, within(10))

    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(ask) for _ in range(8)]
        assert [each.result(10) for each in asked] == [{"k": 7}] * 8
    assert reads == [{"k"}]


def test_nothing_is_remembered() -> None:
    """When a read is over, the next one reads anew."""
    flights, numbers = SingleFlight[str, int](), iter(range(9))
    found = [flights.fetch(["k"], lambda keys: dict.fromkeys(keys, next(numbers)), within(5)) for _ in range(3)]
    assert found == [{"k": 0}, {"k": 1}, {"k": 2}]


def test_only_what_nobody_reads_is_read() -> None:
    """Overlapping sets share what they have in common, without waiting for each other's rest first."""
    flights = SingleFlight[str, str]()
    begun, go_on = Event(), Event()

    def slow(keys: Collection[str]) -> Mapping[str, str]:
        begun.set()
        assert go_on.wait(10)
        return {key: f"slow {key}" for key in keys}

    def quick(keys: Collection[str]) -> Mapping[str, str]:
        go_on.set()
        return {key: f"quick {key}" for key in keys}

    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(flights.fetch, ["a", "b"], slow, within(10))
        assert begun.wait(10)
        assert flights.fetch(["b", "c"], quick, within(10)) == {"b": "slow b", "c": "quick c"}
        assert first.result(10) == {"a": "slow a", "b": "slow b"}


def test_who_waited_in_vain_reads_himself() -> None:
    """The first caller had less time: his read gave nothing, and the second one's patience is not over."""
    flights = SingleFlight[str, int]()
    begun, give_up = Event(), Event()

    def in_vain(_: Collection[str]) -> Mapping[str, int]:
        begun.set()
        assert give_up.wait(10)
        return {}

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(flights.fetch, ["k"], in_vain, within(10))
        assert begun.wait(10)
        second = threads.submit(flights.fetch, ["k"], lambda keys: dict.fromkeys(keys, 1), within(10))
        give_up.set()
        assert first.result(10) == {}
        assert second.result(10) == {"k": 1}


def test_a_read_that_fails_frees_its_keys() -> None:
    """The bug reaches its caller, and the next one can read."""
    flights = SingleFlight[str, int]()

    def broken(_: Collection[str]) -> Mapping[str, int]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        flights.fetch(["k"], broken, within(5))
    assert flights.fetch(["k"], lambda keys: dict.fromkeys(keys, 1), within(5)) == {"k": 1}


def test_a_follower_leaves_at_his_deadline() -> None:
    """He has nothing then; the read goes on for others."""
    flights = SingleFlight[str, int]()
    begun, end = Event(), Event()

    def hanging(keys: Collection[str]) -> Mapping[str, int]:
        begun.set()
        assert end.wait(10)
        return dict.fromkeys(keys, 1)

    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(flights.fetch, ["k"], hanging, within(10))
        assert begun.wait(10)
        assert flights.fetch(["k"], hanging, within(0.05)) == {}
        end.set()
        assert first.result(10) == {"k": 1}


@settings(max_examples=30)
@given(st.lists(st.sets(st.integers(0, 5), min_size=1), min_size=1, max_size=6))
def test_every_caller_gets_what_he_asked(wanted: list[set[int]]) -> None:
    """Whatever overlaps, each has exactly his keys, and no key is read twice at a time."""
    flights = SingleFlight[int, int]()
    lock, reading = Lock(), set[int]()

    def read(keys: Collection[int]) -> Mapping[int, int]:
        with lock:
            assert reading.isdisjoint(keys)
            reading.update(keys)
        time.sleep(0.001)
        with lock:
            reading.difference_update(keys)
        return {key: key * key for key in keys}

    with ThreadPoolExecutor(len(wanted)) as threads:
        asked = [threads.submit(flights.fetch, keys, read, within(10)) for keys in wanted]
        found = [each.result(10) for each in asked]
    assert found == [{key: key * key for key in keys} for keys in wanted]


def test_together_is_at_once_and_within_bounds() -> None:
    """As many as a client has connections run at the same time; more wait for a thread."""
    everybody = Barrier(MOST_AT_ONCE)
    assert len(together([lambda: everybody.wait(10)] * MOST_AT_ONCE * 2, within(10))) == MOST_AT_ONCE * 2


def test_together_leaves_behind_what_is_late() -> None:
    """What came in time is kept; what raised is raised."""
    end = Event()
    assert together([lambda: "in time", lambda: end.wait(10) and "late"], within(2)) == ["in time"]
    end.set()
    with pytest.raises(ZeroDivisionError):
        together([lambda: 1 / 0], within(5))
    assert together([lambda: 1], Deadline(0, clock=lambda: 0.0)) == []
