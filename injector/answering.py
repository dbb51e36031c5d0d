"""What does a container's launcher get on its socket? Its own plan's values, resolved when it asks, or the reason.

Any thread may ask. What was read by this process is not read again, so the first answers cost nothing.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from contract import exit_codes
from contract.secrets import ASIDE, REFERENCES_BYTES, REFERENCES_LIMIT
from injector import reading, rotation, state, unresolved, wanted
from injector.delivering import answer_of
from injector.errors import RefreshError, printable
from injector.log import log_bug
from secretenv.answer import MessageError, parse_request, refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from injector.job import Job
    from injector.wanted import Wanted
    from secretenv.plan import ContainerPlan

_ASIDE = ASIDE.partition("=")[0]
# A launcher's reason is one line in its own termination log.
REASON = 1000


class Answers:
    """Answers, and the state after them: what a container fetched by itself is what was delivered to it."""

    def __init__(self, job: Job, now: state.State, *, give_up: float) -> None:
        self._job = job
        self._give_up = give_up
        self._lock = threading.Lock()
        self.state = now

    def answer(self, container: ContainerPlan, request: bytes) -> bytes | None:
        """The answer; None: what was asked for is unavailable, and the launcher asks again."""
        try:
            return self._answer(container, request)
        except MessageError as exc:
            return refusal(f"the request cannot be read: {printable(str(exc))}")
        except RefreshError as exc:
            self._job.world.log("error", "not served", container=container.name, reason=str(exc))
            return refusal(printable(str(exc), limit=REASON))
        except Exception as exc:  # noqa: BLE001 - the outermost place of this thread: a bug is logged, once
            log_bug(self._job.world.log, exc)
            return refusal("a bug of the token tool; its log has the place, please report it")

    def _answer(self, container: ContainerPlan, request: bytes) -> bytes | None:
        job = self._job
        sent = parse_request(request)
        prepare = job.backend.prepare
        asked = wanted.of_request(container, job.plan, sent, prepare)
        _refuse_many(container, asked)
        own = wanted.of_container(container, job.plan, job.environ, prepare)
        wants, patience = (*own, *asked), job.patience(give_up=self._give_up)
        # The plan's is the pod's own affair, and what a container has asked for beyond it, that container's.
        part = job.memory.part(f"container {container.name}")
        results = reading.read(own, job.part, patience) | reading.read(asked, part, patience)
        missing = unresolved.refused(wants, results)
        if blocking := unresolved.blocking(missing, keeps=job.plan.keeps_unresolved):
            error = unresolved.error(blocking)
            if not error.permanent and job.plan.attempts:
                raise unresolved.given_up(error, job.plan.attempts)
            if not error.permanent:
                job.world.log("warning", "not served yet", container=container.name, reason=str(error))
                return None
            raise error
        answer = answer_of(wants, results)
        if _ASIDE not in sent:
            self._remember(container, reading.versions(wants, results, part))
        job.world.log("info", "container served", container=container.name, variables=len(wants))
        return answer

    def _remember(self, container: ContainerPlan, versions: Mapping[str, Mapping[str, str]]) -> None:
        """In memory is what was written. Where that fails the answer is given, and at worst a poll takes it for old."""
        taker = wanted.container_taker(container.name)
        with self._lock:
            now = rotation.served(self.state, taker, versions.get(taker, {}))
            try:
                state.write(self._job.asked.state, now)
            except RefreshError as exc:
                self._job.world.log("error", "not remembered", container=container.name, reason=str(exc))
            else:
                self.state = now


def _refuse_many(container: ContainerPlan, asked: Sequence[Wanted]) -> None:
    """By nothing that a container sends do its neighbours or the state suffer. Raises RefreshError."""
    references = [reading.unfiltered(reference) for one in asked for reference in one.references]
    size = sum(map(len, references))
    if len(references) > REFERENCES_LIMIT or size > REFERENCES_BYTES:
        raise RefreshError(
            f"the variables of container {container.name} that come from Secrets hold {len(references)} references of "
            f"{size} bytes, and at most {REFERENCES_LIMIT} of {REFERENCES_BYTES} bytes are resolved; write them into "
            "the pod itself, or make fewer",
            exit_code=exit_codes.SECRET_UNRESOLVED,
        )
