"""One run of the command `secrets`: what was asked, what the plan says, who reads, and until when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contract import exit_codes
from contract.secrets import PLAN
from injector.errors import RefreshError, printable
from injector.reading import Patience
from injector.record import Record
from injector.wanted import takers
from secretenv.plan import PlanError, from_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from injector.backend import Backend
    from injector.memory import Memory, Part
    from injector.once import World
    from injector.secrets_settings import Secrets
    from secretenv.plan import Plan


class Job(Record):
    """`give_up` is of the monotonic clock."""

    asked: Secrets
    plan: Plan
    environ: Mapping[str, str]
    backend: Backend
    memory: Memory
    world: World
    give_up: float

    @property
    def divisor(self) -> int:
        """By which every wait is divided."""
        return self.asked.shared.time_divisor

    @property
    def part(self) -> Part:
        """Of the memory, what the plan's containers and files have together."""
        return self.memory.part("this pod", takers=len(takers(self.plan)))

    def patience(self, *, give_up: float | None = None, attempts: int | None = None) -> Patience:
        """How long to ask; the plan's attempts and this job's end where nothing else is said."""
        return Patience(
            give_up=self.give_up if give_up is None else give_up,
            attempts=self.plan.attempts if attempts is None else attempts,
            keeps=self.plan.keeps_unresolved,
            world=self.world,
            divisor=self.divisor,
        )


def read_plan(text: str) -> Plan:
    """The plan, or what is wrong with it; raises RefreshError."""
    if not text:
        raise RefreshError(
            f"{PLAN} is empty: there is nothing to deliver; the webhook writes it into pods that refer to secrets",
            exit_code=exit_codes.USAGE,
        )
    try:
        return from_json(text)
    except PlanError as exc:
        raise RefreshError(
            f"{PLAN}: {printable(str(exc))}; the webhook wrote it: its release and the injected image's must fit",
            exit_code=exit_codes.USAGE,
        ) from exc
