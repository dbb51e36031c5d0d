"""One fetch under way, in one service and region: what its calls share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from secretenv.references import Source
from secretenv.stores import Fetched, Refusal
from secretenv.stores.deadline import Deadline
from secretenv.stores.refusals import ERRORS, denied_action, is_of_identity, named, refusal
from secretenv.stores.together import together

Outcome: TypeAlias = Fetched | Refusal
Outcomes: TypeAlias = dict[Source, Outcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A client, until when, and what the caller's role is called."""

    client: Any
    deadline: Deadline
    role: str
    forbidden: set[str]
    """Batch actions that AWS has denied; each is asked for once."""

    @property
    def region(self) -> str:
        """The one that is asked."""
        return str(self.client.meta.region_name)

    def together(self, calls: Sequence[Callable[[], Mapping[Source, Outcome]]]) -> Outcomes:
        """The outcomes of all that came back in time."""
        return {source: outcome for part in together(calls, self.deadline) for source, outcome in part.items()}

    def one(self, source: Source, call: Callable[[], Outcome]) -> Outcomes:
        """The outcome of a call for one source."""
        try:
            return {source: call()}
        except ERRORS as exc:
            return {source: refusal(exc, source, region=self.region, role=self.role)}

    def batch(self, action: str, sources: Sequence[Source], call: Callable[[], Outcomes]) -> Outcomes:
        """The outcomes of a call for several sources.

        It leaves out those that have to be asked for one by one: AWS refuses a batch without saying for whose sake.
        """
        if action in self.forbidden:
            return {}
        try:
            return call()
        except ERRORS as exc:
            denied = denied_action(exc)
            if denied in {"", action}:
                self.forbidden.add(action)
            outcomes: Outcomes = {
                source: refusal(exc, source, region=self.region, role=self.role) for source in sources
            }
            of_each = any(isinstance(each, Refusal) and each.reason == "unavailable" for each in outcomes.values())
            return outcomes if of_each or is_of_identity(exc) else {}


def incomplete(source: Source) -> Refusal:
    """An answer without what it must have: it was cut, or it is not AWS that answers."""
    return Refusal(reason="unavailable", message=f"{named(source)}: the answer of AWS is not complete")
