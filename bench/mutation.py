"""`mutate()` alone, against decoding the review that holds the pod: the cheapest thing any webhook has to do."""

import json
import statistics
import time
from collections.abc import Callable

from bench.result import Result
from bench.review import ACCOUNT, NAMESPACE, SETTINGS, body
from webhook.mutate import mutate

BOUND = 1.5
_ROUNDS = 15
_CALLS = 300


def measure() -> list[Result]:
    """Medians of interleaved rounds of CPU time."""
    encoded = body()
    pod = json.loads(encoded)["request"]["object"]
    assert mutate(pod, NAMESPACE, ACCOUNT, SETTINGS, seed="x").patch
    floors, products = [], []
    for _ in range(_ROUNDS):
        floors.append(_microseconds(lambda: json.loads(encoded)))
        products.append(_microseconds(lambda: mutate(pod, NAMESPACE, ACCOUNT, SETTINGS, seed="x")))
    return [
        Result(
            name="mutate() of a pod with 30 variables",
            floor=f"json.loads of its {len(encoded):,} byte review",
            floor_value=statistics.median(floors),
            value=statistics.median(products),
            unit="us CPU",
            bound=BOUND,
        )
    ]


def _microseconds(call: Callable[[], object]) -> float:
    started = time.process_time()
    for _ in range(_CALLS):
        call()
    return (time.process_time() - started) / _CALLS * 1e6
