"""What a test wants to know of outcomes."""

from collections.abc import Mapping
from typing import Any

from secretenv.references import Source
from secretenv.stores import Fetched, Refusal


def values(outcomes: Mapping[Source, Fetched | Refusal]) -> dict[Any, Any]:
    """The values of what was not refused."""
    return {source: outcome.value for source, outcome in outcomes.items() if isinstance(outcome, Fetched)}


def versions(outcomes: Mapping[Source, Fetched | Refusal]) -> dict[Any, str]:
    """The versions of what was not refused."""
    return {source: outcome.version for source, outcome in outcomes.items() if isinstance(outcome, Fetched)}


def refused(outcomes: Mapping[Source, Any], source: Source) -> Refusal:
    """The refusal of a source; it must be one."""
    outcome = outcomes[source]
    assert isinstance(outcome, Refusal)
    return outcome
