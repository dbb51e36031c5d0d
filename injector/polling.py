"""Has what was delivered a new version, and is it delivered again? What cannot be read stays as it was delivered.

A process is told of a change only when all its new values can be had: a broken secret must not restart what runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from injector import reading, rotation, unresolved, wanted
from injector.delivering import deliverable, generations
from injector.errors import RefreshError
from injector.placing import place
from injector.wanted import Wanted
from secretenv.references import Syntax, Template, parse

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from injector.job import Job
    from injector.state import State
    from secretenv.references import Reference

# Of one poll, in real seconds; the next one comes anyway.
TIMEOUT = 10.0
# How references are written in the state.
CANONICAL = Syntax(ours=True, arns=True, piggy=None)


def polled(job: Job, now: State) -> State:
    """The state that remembers when it was, and when the next one is due, anew each time."""
    moment = job.world.monotonic()
    interval = rotation.until_next(job.plan.rotation_interval / job.divisor, job.world.dice())
    return now.replace(last_poll=moment, next_poll=moment + interval)


def poll(job: Job, now: State) -> State:
    """Compare, deliver what changed, log what is stale; raises RefreshError where a volume cannot be written."""
    sources = {text: _reference(text).source for text in rotation.references(now)}
    current = job.backend.store.versions(set(sources.values()), timeout=TIMEOUT)
    found = rotation.compare(now, {text: current[source] for text, source in sources.items()})
    now, reasons = _delivered_again(job, now, found.changed)
    reasons = [*(f"{text}: {refusal.message}" for text, refusal in found.refusals.items()), *reasons]
    now = rotation.stale(now, is_stale=bool(reasons), now=job.world.monotonic())
    if now.stale_since is None:
        job.world.log("debug", "polled", changed=len(found.changed))
    else:
        seconds = round(job.world.monotonic() - now.stale_since)
        job.world.log("warning", "stale", seconds=seconds, secrets=len(reasons), reasons=reasons[: unresolved.LISTED])
    return now


def _delivered_again(job: Job, now: State, changed: Collection[str]) -> tuple[State, list[str]]:
    """The state after it, and why some of it was not."""
    wants = [*wanted.of_plan(job.plan, job.environ, job.backend.prepare), *_asked_on_sockets(job, now)]
    wants = [one for one in wants if one.taker in changed]
    results = reading.read(wants, job.part, job.patience(give_up=job.world.monotonic() + TIMEOUT, attempts=1))
    reasons: list[str] = []
    for taker in sorted(changed):
        own = [one for one in wants if one.taker == taker]
        if missing := unresolved.refused((one for one in own if _had_value(one, now)), results):
            reasons.append(str(unresolved.error(missing)))
            continue
        try:
            files = deliverable(job.plan, own, results)
        except RefreshError as exc:
            reasons.append(str(exc))
            continue
        versions = reading.versions(own, results, job.part)[taker]
        if versions == now.takers[taker].versions:
            # Another replica of the broker, or of AWS, is behind the one that told the version.
            reasons.append(f"{taker}: there is a new version, but what is read is still the one that was delivered")
            continue
        now = rotation.rotated(now, taker, versions)
        for file in (*files, *generations(job.plan, now, taker)):
            place(file)
        job.world.log("info", "rotated", taker=taker, generation=now.takers[taker].generation)
    return now, reasons


def _had_value(one: Wanted, now: State) -> bool:
    """Else it stayed as it was written when it was delivered, and does so again: the pod keeps it."""
    delivered = now.takers[one.taker].versions
    return bool(one.references) and all(reading.unfiltered(reference) in delivered for reference in one.references)


def _asked_on_sockets(job: Job, now: State) -> Iterable[Wanted]:
    """What launchers found in their own environment: only the references are known, and that is enough to look."""
    for container in job.plan.containers:
        taker = wanted.container_taker(container.name)
        if container.own_environment:
            for text in now.takers[taker].versions:
                yield Wanted(taker=taker, name=text, text="", template=Template((_reference(text),)))


def _reference(text: str) -> Reference:
    template = parse(text, CANONICAL)
    if template is None:
        raise ValueError("the state holds a text that is no reference in canonical form")
    return template.references[0]
