"""What was delivered, as the next child has to know it: versions, never values. A JSON file in the state volume."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from injector.placing import Placed, place

if TYPE_CHECKING:
    from collections.abc import Mapping

STATE_FILE = "delivered.json"
MODE = 0o600


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """Of one taker: the version of each reference, by its canonical form, and how often its values changed."""

    versions: Mapping[str, str]
    generation: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Of one pod. Times are of the monotonic clock, which all processes of a node share."""

    takers: Mapping[str, Delivered] = field(default_factory=dict)
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
    content: dict[str, Any] = asdict(state)
    place(Placed(path=os.path.join(directory, STATE_FILE), content=json.dumps(content).encode("ascii"), mode=MODE))
