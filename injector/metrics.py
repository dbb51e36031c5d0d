"""What does a scraper get of a pod's secrets? Prometheus' text form: how they fare, never a value or a secret's name.

Pure: the launcher serves the file, and no Python runs while nobody delivers.
https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from contract.secrets import METRICS_FILE
from injector.placing import Placed

if TYPE_CHECKING:
    from injector.job import Job
    from injector.state import State

PREFIX = "token_injector_secrets_"


def files(job: Job, now: State) -> list[Placed]:
    """The file, where anybody may ask for it."""
    if not job.asked.has_metrics:
        return []
    # The state's times are monotonic, a scraper's are of the day.
    day = job.world.now() - job.world.monotonic()
    text = metrics(now, day=day, polls=job.plan.rotation != "none")
    return [Placed(path=os.path.join(job.asked.state, METRICS_FILE), content=text.encode("ascii", "replace"))]


def metrics(now: State, *, day: float, polls: bool) -> str:
    """The text; `day` is added to the state's times, `polls` says whether anybody looks for new versions."""
    rotations = [(_label(taker), delivered.generation - 1) for taker, delivered in now.takers.items()]
    stale, poll = now.stale_since, now.last_poll if polls else None
    lines = [
        *_head("stale", "gauge", "1 while what was delivered can no longer be read, or not be delivered anew."),
        f"{PREFIX}stale {0 if stale is None else 1}",
        *_head("stale_since_timestamp_seconds", "gauge", "Since when; 0 while nothing is stale."),
        f"{PREFIX}stale_since_timestamp_seconds {_time(stale, day)}",
        *_head("last_poll_timestamp_seconds", "gauge", "When versions were last looked at; 0 without rotation."),
        f"{PREFIX}last_poll_timestamp_seconds {_time(poll, day)}",
        *_head("rotations_total", "counter", "How often what a container or a file has was delivered anew."),
        *(f'{PREFIX}rotations_total{{taker="{label}"}} {count}' for label, count in rotations),
    ]
    return "".join(f"{line}\n" for line in lines)


def _head(name: str, kind: str, about: str) -> tuple[str, str]:
    return f"# HELP {PREFIX}{name} {about}", f"# TYPE {PREFIX}{name} {kind}"


def _time(moment: float | None, day: float) -> int:
    return 0 if moment is None else round(moment + day)


def _label(taker: str) -> str:
    return taker.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
