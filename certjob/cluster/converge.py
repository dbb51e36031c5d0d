"""Observe, decide, apply one step, observe again, until nothing is left to do.

A conflict, an object that somebody else has just made, a connection that broke in the middle of a write: the answer to
each is to look again. Clock, sleep, keys and handshakes are parameters.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from certjob.cluster.look import Ask, Reader, look
from certjob.cluster.observed import Observed
from certjob.cluster.progress import told
from certjob.cluster.step import (
    Age,
    Asked,
    AwaitApiServers,
    AwaitPods,
    AwaitReplicas,
    Change,
    Done,
    IssueLeaf,
    LeaveAlone,
    next_step,
    rotation_is_under_way,
)
from certjob.cluster.target import Target
from certjob.cluster.write import Create, Making, Patch, Replace, Write, write
from certjob.decide import Unusable
from certjob.errors import DisagreementError, NotInstalledError
from kube.errors import ConflictError, UnavailableError

# Between two looks at replicas: the kubelet takes up to a minute to renew a mounted Secret.
_POLL = timedelta(seconds=2)
# After a conflict somebody else is at work: let them.
_YIELD = timedelta(milliseconds=200)
# Helm makes the Job before the configuration, and Kubernetes a Service's slices after it. A run that failed for that
# would be started again after 10 s at the earliest.
_INSTALLING = timedelta(seconds=10)
# A line for a log that stands still.
_TELL_AGAIN = timedelta(seconds=30)


class Api(Reader, Protocol):
    """Who reads and writes the API server: kube.client.Client."""

    def create(self, path: str, obj: dict[str, Any]) -> dict[str, Any]:
        """Add an object."""

    def replace(self, path: str, obj: dict[str, Any]) -> dict[str, Any]:
        """Put an object."""

    def patch(self, path: str, patch: list[dict[str, Any]]) -> dict[str, Any]:
        """Change an object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What the operator asked for."""

    target: Target
    making: Making
    renew: bool = False
    rotate_ca: bool = False
    adopt: bool = False
    timeout: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What a run touches."""

    api: Api
    ask: Ask
    now: Callable[[], datetime]
    clock: Callable[[], float]
    """Seconds that never go back."""
    sleep: Callable[[float], None]
    tell: Callable[[str], None]
    """Takes a line of progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended."""

    end: Done | LeaveAlone | AwaitReplicas
    changes: tuple[Change, ...]
    observed: Observed
    notes: tuple[str, ...] = ()


def converge(job: Job, world: World) -> Outcome:
    """Bring the cluster to what is wanted, within the time given. Raises CertjobError and KubeError.

    After its time, a run that waits for replicas says so by its outcome; one that could not reach the API server, or
    met a conflict each time, raises the last `UnavailableError` or `ConflictError`.
    """
    run = _Run(job, world)
    while (outcome := run.step()) is None:
        pass
    return outcome


class _Seen:
    """What was seen last, and since when."""

    def __init__(self) -> None:
        self._what: object = None
        self._since = 0.0

    def for_(self, what: object, clock: float) -> timedelta:
        """For how long it has been seen; for None, it has not."""
        if what is None or what != self._what:
            self._what, self._since = what, clock
        return timedelta(seconds=clock - self._since)


class _Run:
    """The little that is remembered from look to look: what was asked for, since when, and what was told."""

    def __init__(self, job: Job, world: World) -> None:
        self._job = job
        self._world = world
        self._began = world.clock()
        self._deadline = self._began + job.timeout.total_seconds()
        self._asked: Asked | None = None
        self._notes: tuple[str, ...] = ()
        self._changes: list[Change] = []
        self._trusted = _Seen()
        self._leaf = _Seen()
        self._told: tuple[str, float] = ("", 0.0)

    def step(self) -> Outcome | None:
        """One look and what follows from it; the outcome, if that was the end."""
        try:
            return self._step()
        except NotInstalledError as exc:
            if not self._is_installing():
                raise
            self._wait(f"it may be about to be installed, looking again: {exc}", _POLL)
        except ConflictError as exc:
            self._again(exc, f"somebody else was faster, looking again: {exc}", _YIELD)
        except UnavailableError as exc:
            pause = max(_POLL, timedelta(seconds=exc.retry_after or 0))
            self._again(exc, f"the API server does not answer, looking again: {exc}", pause)
        return None

    def _step(self) -> Outcome | None:
        job, world = self._job, self._world
        observed = look(world.api, job.target, world.ask)
        if self._asked is None:
            self._asked, self._notes = _asked(job, observed)
        now = world.now()
        step = next_step(observed, self._asked, now, age=self._age(observed))
        match step:
            case Done() if observed.owner is None and self._is_installing():
                self._wait(f"waiting for the EndpointSlice of the Service {job.target.service}, which names it", _POLL)
            case Done() | LeaveAlone():
                return self._outcome(step, observed)
            case AwaitApiServers(left=left) | AwaitPods(left=left):
                self._wait(told(step, observed), left)
            case AwaitReplicas():
                if self._is_late():
                    return self._outcome(step, observed)
                self._wait(told(step, observed), _POLL)
            case _:
                if isinstance(step, IssueLeaf) and self._is_late() and self._has_issued():
                    raise DisagreementError(
                        f"{job.target.called(job.target.secret)}: another run replaces the certificate again and again "
                        f"({step.reason}): give both the same --san"
                    )
                _apply(world.api, write(step, observed, job.making, now))
                self._changes.append(step)
                self._tell(told(step, observed))
        return None

    def _outcome(self, end: Done | LeaveAlone | AwaitReplicas, observed: Observed) -> Outcome:
        return Outcome(end=end, changes=tuple(self._changes), observed=observed, notes=self._notes)

    def _again(self, exc: ConflictError | UnavailableError, line: str, pause: timedelta) -> None:
        left = self._deadline - self._world.clock()
        if left <= 0:
            raise exc
        self._wait(line, min(timedelta(seconds=left), pause))

    def _wait(self, line: str, pause: timedelta) -> None:
        self._tell(line)
        self._world.sleep(pause.total_seconds())

    def _is_installing(self) -> bool:
        return self._world.clock() - self._began < _INSTALLING.total_seconds()

    def _is_late(self) -> bool:
        return self._world.clock() >= self._deadline

    def _has_issued(self) -> bool:
        return any(isinstance(change, IssueLeaf) for change in self._changes)

    def _age(self, observed: Observed) -> Age:
        authority, leaf, clock = observed.present.authority, observed.leaf, self._world.clock()
        is_trusted = not isinstance(authority, Unusable) and observed.configuration.trusts(authority)
        return Age(
            trust=self._trusted.for_(authority if is_trusted else None, clock), leaf=self._leaf.for_(leaf, clock)
        )

    def _tell(self, line: str) -> None:
        before, at = self._told
        clock = self._world.clock()
        if line != before or clock - at >= _TELL_AGAIN.total_seconds():
            self._told = (line, clock)
            self._world.tell(line)


def _asked(job: Job, observed: Observed) -> tuple[Asked, tuple[str, ...]]:
    """What flags mean for what there is: renew this leaf, rotate this CA. So they are done once, by whichever run."""
    present = observed.present
    asked = Asked(names=job.making.names, adopt=job.adopt)
    notes: tuple[str, ...] = ()
    if job.renew and not isinstance(present.leaf, Unusable):
        asked = replace(asked, renew=present.leaf)
    if job.rotate_ca and rotation_is_under_way(present):
        notes = ("a rotation was under way: it was finished; give --rotate-ca again for another one",)
    elif job.rotate_ca and not isinstance(present.authority, Unusable):
        asked = replace(asked, rotate=present.authority)
    return asked, notes


def _apply(api: Api, one: Write) -> None:
    match one:
        case Create():
            api.create(one.path, one.obj)
        case Replace():
            api.replace(one.path, one.obj)
        case Patch():
            api.patch(one.path, one.operations)
