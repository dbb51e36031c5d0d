"""Which harms are done, at which rate of new pods, and what counts as a loss? A table."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from bench.faults.harms import (
    PAUSE_ETCD,
    RESTART_API_SERVER,
    api_server_restarted,
    certificates_rotated,
    etcd_paused,
    injector_out_of_memory,
    metadata_clock,
    metadata_faulty,
    node_drained,
    release_rolled_back,
    replicas_killed,
    replicas_replaced,
    volume_full,
)
from bench.faults.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One harm."""

    name: str
    harm: Callable[[World], str]
    rate: float = 5.0
    """Pods created per second."""
    watched: float = 5.0
    """Seconds for which the applications are watched after it."""
    renews: bool = False
    """Watched until every application has a token from after the harm: who never gets one loses it in this row."""
    quick: bool = False
    """In CI's subset."""
    needs: str = ""
    """A variable with a command."""
    in_flight: bool = False
    """Reviews in flight on a replica that is killed are refused, and counted."""
    api_server_away: bool = False
    """The harm is the API server's: creations that it does not answer are counted."""


def _faulty(**fault: Any) -> Callable[[World], str]:
    return partial(metadata_faulty, **fault)


ROWS: tuple[Row, ...] = (
    Row(
        name="API server restarted",
        harm=api_server_restarted,
        needs=RESTART_API_SERVER,
        api_server_away=True,
        quick=True,
        watched=15,
    ),
    Row(name="webhook: rollout, then each replica deleted", harm=replicas_replaced, rate=20, quick=True),
    Row(
        name="webhook: a replica killed every 5 s",
        harm=partial(replicas_killed, seconds=40),
        rate=20,
        in_flight=True,
        quick=True,
    ),
    Row(name="leaf renewed, CA rotated", harm=certificates_rotated, rate=10),
    Row(name="webhook: image upgraded and rolled back", harm=release_rolled_back, rate=10),
    Row(name="etcd paused for 10 s", harm=etcd_paused, needs=PAUSE_ETCD, api_server_away=True, watched=15),
    Row(name="metadata server: 404", harm=_faulty(fault="Status", code=404), rate=1, renews=True),
    Row(name="metadata server: 429", harm=_faulty(fault="Status", code=429, retry_after=1), rate=1, renews=True),
    Row(name="metadata server: 503", harm=_faulty(fault="Status", code=503), rate=1, renews=True, quick=True),
    Row(name="metadata server: 5 s delays", harm=_faulty(fault="Slow", seconds=5), rate=1, renews=True),
    Row(name="metadata server: truncated bodies", harm=_faulty(fault="Truncated", bytes=100), rate=1, renews=True),
    Row(name="metadata server: near-expiry tokens", harm=_faulty(fault="NearExpiry", seconds=5), rate=1, renews=True),
    Row(name="metadata server: clock ±5 min", harm=metadata_clock, rate=1, renews=True),
    Row(name="injector container out of memory", harm=injector_out_of_memory, rate=1, renews=True, quick=True),
    Row(name="token volume full", harm=volume_full, rate=1, renews=True),
    Row(name="node drained and uncordoned, 100 injected pods", harm=partial(node_drained, pods=100), rate=1),
)
