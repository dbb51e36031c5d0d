"""The command `secrets`: the plan in; files, answered sockets and the time of the next poll out.

The launcher's child lives for seconds; what it leaves for the next one is the state (versions, never values):
  nothing was delivered yet            -> resolve everything, then write everything, then ready, then serve;
                                          what cannot be reached in the plan's attempts, children before counted, fails
  a client waits on a socket           -> resolve afresh what its container wants, and answer
  the rotation's interval is over      -> compare versions, deliver again what changed
  none of these                        -> say when to come again
Without a launcher (an init container) everything is delivered once, and no state is kept.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from contract.secrets import LINGER, READY_FILE
from injector import metrics, polling, reading, serving, state, unresolved, wanted
from injector.answering import Answers
from injector.backend import backend
from injector.delivering import deliverable, generations, launchers
from injector.errors import RefreshError
from injector.job import Job, read_plan
from injector.memory import Memory
from injector.placing import Placed, place
from injector.report import Next
from injector.telling import Telling

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from injector.backend import Backend
    from injector.first_token import FirstToken
    from injector.once import World
    from injector.secrets_settings import Secrets
    from injector.serving import Served
    from injector.wanted import Result, Wanted
    from secretenv.plan import Plan

    Choose = Callable[[Plan, Mapping[str, str], World], Backend]

# A tick with nothing to poll; a container that asks does not wait for it.
IDLE = 24 * 3600.0
# Seconds before the time divisor: a later child was started by one client, and others seldom come with it; and what a
# client that came at the last moment has left.
SHORT_LINGER = 1
GRACE = 5


def deliver(
    asked: Secrets,
    environ: Mapping[str, str],
    world: World,
    *,
    token: FirstToken | None = None,
    choose: Choose = backend,
) -> Next:
    """Do what is due; raises RefreshError. Without a token nothing is read; `choose` gives who reads."""
    plan = read_plan(asked.plan)
    served = serving.inherited(asked.sockets, plan.containers)
    launched = asked.report_fd is not None
    before = state.read(asked.state) if launched else None
    delay = plan.initial_delay / asked.shared.time_divisor
    if delay and before is None:
        if launched:
            # The launcher ends a child that takes long, and it sleeps for less memory than we do.
            state.write(asked.state, state.State())
            return Next(seconds=delay)
        if token:
            token.wait()
        world.sleep(delay)
    delivered = before if before and before.takers else None
    waits = serving.anybody_waits(served)
    if delivered and not waits and not _poll_is_due(plan, delivered, world):
        return _until_next(plan, delivered, world)
    job = _job(asked, plan, environ, world, choose)
    if token and delivered and not waits:
        token.end()  # the launcher's other child tells why there is none, and the poll what is stale by that
    elif token:
        try:
            _await(token, job)
        except RefreshError:
            # Who waits has gone, or waits on; what is stale is told all the same.
            if delivered and _poll_is_due(plan, delivered, world):
                _polled(job, delivered)
            raise
    if not launched:
        # An init container has its time for the token, and then this; a child of the launcher has one for both.
        job = job.replace(give_up=_give_up(asked, world))
    return _later(job, delivered, served, waits=waits) if delivered else _first(job, served, before or state.State())


def _job(asked: Secrets, plan: Plan, environ: Mapping[str, str], world: World, choose: Choose) -> Job:
    # Before the token is awaited, because importing what reads takes about as long as fetching a token.
    reader = choose(plan, environ, world)
    reader = reader.replace(store=Telling(reader.store, plan, environ, world))
    return Job(
        asked=asked,
        plan=plan,
        environ=environ,
        backend=reader,
        memory=Memory(reader.store),
        world=world,
        give_up=_give_up(asked, world),
    )


def _give_up(asked: Secrets, world: World) -> float:
    return world.monotonic() + asked.deadline / asked.shared.time_divisor


def _first(job: Job, served: Sequence[Served], before: state.State) -> Next:
    """Everything is resolved before anything is written, and everything is written before anybody is told."""
    wants = wanted.of_plan(job.plan, job.environ, job.backend.prepare)
    results = _resolved(job, wants, before.tries)
    files = deliverable(job.plan, wants, results)
    for file in (*launchers(job.plan, job.asked.launcher), *files):
        place(file)
    job.world.log("info", "secrets delivered", wanted=len(wants), files=len(files))
    if job.asked.report_fd is None:
        return Next(seconds=IDLE)
    versions = reading.versions(wants, results, job.part)
    takers = {taker: state.Delivered(versions=versions.get(taker, {})) for taker in wanted.takers(job.plan)}
    now = polling.polled(job, state.State(takers=takers))
    for file in (*generations(job.plan, now), *metrics.files(job, now)):
        place(file)
    # Before the state: a child that finds one has no more to deliver, and would never say that everything is there.
    place(Placed(path=os.path.join(job.asked.state, READY_FILE), content=b"ready\n"))
    state.write(job.asked.state, now)
    return _until_next(job.plan, _serve(job, now, served, linger=LINGER), job.world)


def _later(job: Job, now: state.State, served: Sequence[Served], *, waits: bool) -> Next:
    """Who waits is served first; a poll that is not due stays where it was."""
    if waits:
        now = _serve(job, now, served, linger=SHORT_LINGER)
    if _poll_is_due(job.plan, now, job.world):
        now = _polled(job, now)
    return _until_next(job.plan, now, job.world)


def _polled(job: Job, now: state.State) -> state.State:
    now = polling.polled(job, polling.poll(job, now))
    state.write(job.asked.state, now)
    for file in metrics.files(job, now):
        place(file)
    return now


def _resolved(job: Job, wants: Sequence[Wanted], tried: int) -> dict[str, Result]:
    """A result for each; raises RefreshError where there is none that the pod can be started with."""
    left = max(1, job.plan.attempts - tried) if job.plan.attempts else 0
    results, tries = reading.read_counted(wants, job.part, job.patience(attempts=left))
    if missing := unresolved.refused(wants, results):
        for one, refusal in missing:
            job.world.log("warning", "unresolved", where=one.where, reason=refusal.message, refusal=refusal.reason)
        if blocking := unresolved.blocking(missing, keeps=job.plan.keeps_unresolved):
            raise _counted(job, unresolved.error(blocking), tried + tries)
    return results


def _counted(job: Job, error: RefreshError, tried: int) -> RefreshError:
    """The attempts are this container's, whichever child makes them; the kubelet's next one has them anew."""
    if error.permanent or not job.plan.attempts:
        return error
    is_over = tried >= job.plan.attempts
    if job.asked.report_fd is not None:
        state.write(job.asked.state, state.State(tries=0 if is_over else tried))
    return unresolved.given_up(error, tried) if is_over else error


def _serve(job: Job, now: state.State, served: Sequence[Served], *, linger: float) -> state.State:
    if not served:
        return now
    end = job.world.monotonic() + (linger + GRACE) / job.divisor
    answers = Answers(job, now, give_up=max(end, job.give_up))
    serving.Server(served, answers.answer).run(linger=linger / job.divisor, give_up=max(end, job.give_up))
    return answers.state


def _poll_is_due(plan: Plan, now: state.State, world: World) -> bool:
    return plan.rotation != "none" and world.monotonic() >= now.next_poll


def _until_next(plan: Plan, now: state.State, world: World) -> Next:
    if plan.rotation == "none":
        return Next(seconds=IDLE)
    return Next(seconds=max(0.0, now.next_poll - world.monotonic()))


def _await(token: FirstToken, job: Job) -> None:
    wants = wanted.of_plan(job.plan, job.environ, job.backend.prepare)
    job.backend.warm({reference.source for one in wants for reference in one.references})
    token.wait()
