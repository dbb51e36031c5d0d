"""What was delivered, as the next child has to know it: versions, never values. A JSON file in the state volume."""

from __future__ import annotations

import json
import os
from types import MappingProxyType
from typing import TYPE_CHECKING

from injector.placing import Placed, place
from injector.record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

STATE_FILE = "delivered.json"
MODE = 0o600


class Delivered(Record):
    """Of one taker: the version of each reference, by its canonical form, and how often its values changed."""

    versions: Mapping[str, str]
    generation: int = 1


class State(Record):
    """Of one pod. Times are of the monotonic clock, which all processes of a node share."""

    takers: Mapping[str, Delivered] = MappingProxyType({})
    """Empty: nothing was delivered yet, but the initial delay is over."""
    tries: int = 0
    """So often was asked in vain before the first delivery, where the plan counts."""
    next_poll: float = 0.0
    last_poll: float | None = None
    """When versions were last looked at; the delivery itself counts, as everything was read for it."""
    stale_since: float | None = None
    """When a poll first found that what was delivered can no longer be read."""


def read(directory: str) -> State | None:
    """None where there is none, or none that can be read: then everything is delivered again."""
    try:
        with open(os.path.join(directory, STATE_FILE), encoding="ascii") as file:
            found = json.load(file)
        takers = {name: Delivered(**taker) for name, taker in found.pop("takers").items()}
        return State(takers=takers, **found)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def write(directory: str, state: State) -> None:
    """Replace it; raises RefreshError."""
    takers = {name: vars(taker) for name, taker in state.takers.items()}
    content = {**vars(state), "takers": takers}
    place(Placed(path=os.path.join(directory, STATE_FILE), content=json.dumps(content).encode("ascii"), mode=MODE))
