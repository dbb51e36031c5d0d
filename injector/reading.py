"""How do templates become values before the deadline? What is unavailable is asked again; what was read, never twice.

Every wait is full jitter with a short cap: the application has not started yet.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from injector import schedule
from injector.record import Record
from secretenv.references import Template, canonical
from secretenv.resolve import Value, resolve
from secretenv.stores import Refusal

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from injector.memory import Part
    from injector.once import World
    from injector.wanted import Result, Wanted
    from secretenv.references import Reference, Source
    from secretenv.stores import Fetched

# Of one try of all that is not read yet; a try that begins just before the deadline gets the shortest.
TRY_TIMEOUT = 10.0
SHORTEST_TIMEOUT = 1.0
# Seconds before the time divisor.
BACKOFF_FIRST = 0.2
BACKOFF_CAP = 5.0


def versions(wants: Iterable[Wanted], results: Mapping[str, Result], memory: Part) -> dict[str, dict[str, str]]:
    """By taker, the version of each reference in what has a value, by its canonical form."""
    found: dict[str, dict[str, str]] = {}
    for one in wants:
        of_taker = found.setdefault(one.taker, {})
        if isinstance(results[one.key], Refusal):
            continue
        for reference in one.references:
            version = memory.version(reference.source)
            if version is not None:
                of_taker[unfiltered(reference)] = version
    return found


def unfiltered(reference: Reference) -> str:
    """The canonical form under which a reference's version is remembered."""
    return canonical(replace(reference, filters=()))


class _Known:
    """What one try read: nothing is asked a second time because it was refused."""

    def __init__(self, outcomes: Mapping[Source, Fetched | Refusal]) -> None:
        self._outcomes = outcomes

    def fetch(self, sources: Collection[Source], *, timeout: float) -> Mapping[Source, Fetched | Refusal]:  # noqa: ARG002 - it does not wait
        """An outcome for each."""
        return {source: self._outcomes[source] for source in sources}


class Patience(Record):
    """How long is asked again, and by which clock: `give_up` is monotonic, `attempts` 0 is any number.

    Where `keeps` says that what cannot be resolved stays as it was written, one permanent refusal does not end it all:
    what is unavailable may still come.
    """

    give_up: float
    attempts: int
    keeps: bool
    world: World
    divisor: int


def read(wanted: Iterable[Wanted], memory: Part, patience: Patience) -> dict[str, Result]:
    """A result for each key; unavailable ones are asked again."""
    return read_counted(wanted, memory, patience)[0]


def read_counted(wanted: Iterable[Wanted], memory: Part, patience: Patience) -> tuple[dict[str, Result], int]:
    """The results, and in how many tries."""
    world, tries = patience.world, 0
    results: dict[str, Result] = {}
    left = list(wanted)
    while left:
        tries += 1
        timeout = max(SHORTEST_TIMEOUT, min(TRY_TIMEOUT, patience.give_up - world.monotonic()))
        results |= _try(left, memory, timeout=timeout)
        refused = {key: found for key, found in results.items() if isinstance(found, Refusal)}
        left = [one for one in left if one.key in refused and refused[one.key].reason == "unavailable"]
        hopeless = not patience.keeps and len(refused) > len(left)
        if not left or hopeless or tries == patience.attempts or world.monotonic() >= patience.give_up:
            break
        world.log("warning", "secrets unavailable", tries=tries, missing=len(left), reason=refused[left[0].key].message)
        wait = schedule.backoff(
            failures=tries,
            dice=world.dice(),
            first=BACKOFF_FIRST / patience.divisor,
            cap=BACKOFF_CAP / patience.divisor,
        )
        # The last try is at the deadline itself.
        world.sleep(max(0.0, min(wait, patience.give_up - world.monotonic())))
    return results, tries


def _try(wanted: Collection[Wanted], memory: Part, *, timeout: float) -> dict[str, Result]:
    # One round of requests, for variables and files together.
    sources = {reference.source for one in wanted for reference in one.references}
    known = _Known(memory.fetch(sources, timeout=timeout))
    results: dict[str, Result] = {}
    for binary in (False, True):
        ones = [one for one in wanted if one.is_file is binary]
        results |= {one.key: one.template for one in ones if not isinstance(one.template, Template)}
        templates = {one.key: one.template for one in ones if isinstance(one.template, Template)}
        found = resolve(templates, known, timeout=timeout, binary=binary)
        results |= {key: value.data if isinstance(value, Value) else value for key, value in found.items()}
    return results
