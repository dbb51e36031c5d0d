"""Which takers' references have another version than the one that was delivered, and what is stale? Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from injector.record import Record
from injector.state import Delivered, State
from secretenv.stores import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

# Of the interval, at random: pods that started together must neither poll nor restart together.
JITTER = 0.2


class Found(Record):
    """What a poll of versions says about what was delivered."""

    changed: frozenset[str]
    """The takers of which at least one reference has a new version."""
    refusals: Mapping[str, Refusal]
    """References whose version could not be read."""


def references(state: State) -> list[str]:
    """Every reference that was delivered to anybody, once."""
    return list(dict.fromkeys(reference for taker in state.takers.values() for reference in taker.versions))


def compare(state: State, current: Mapping[str, str | Refusal]) -> Found:
    """A version that could not be read is no change: what was delivered stays."""
    changed = {
        name
        for name, taker in state.takers.items()
        for reference, version in taker.versions.items()
        if current[reference] != version and not isinstance(current[reference], Refusal)
    }
    refusals = {reference: found for reference, found in current.items() if isinstance(found, Refusal)}
    return Found(changed=frozenset(changed), refusals=refusals)


def rotated(state: State, name: str, versions: Mapping[str, str]) -> State:
    """The state after this taker was delivered anew: its generation is the next."""
    taker = Delivered(versions=versions, generation=state.takers[name].generation + 1)
    return state.replace(takers={**state.takers, name: taker})


def served(state: State, name: str, versions: Mapping[str, str]) -> State:
    """The state after this taker fetched its values by itself: nothing changed for a process that has just begun."""
    taker = state.takers.get(name, Delivered(versions={}))
    return state.replace(takers={**state.takers, name: taker.replace(versions=versions)})


def stale(state: State, *, is_stale: bool, now: float) -> State:
    """The state that remembers since when."""
    if not is_stale:
        return state.replace(stale_since=None)
    return state if state.stale_since is not None else state.replace(stale_since=now)


def until_next(interval: float, dice: float) -> float:
    """Seconds until the next poll."""
    return interval * (1 - JITTER + 2 * JITTER * dice)
