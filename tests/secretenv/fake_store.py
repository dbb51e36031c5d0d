"""A store in memory: an implementation of the real Protocol, driven by what is put into it."""

from collections.abc import Collection, Mapping

from secretenv.references import Source
from secretenv.stores import Fetched, Refusal


class FakeStore:
    """Gives what it holds; remembers what it was asked for."""

    def __init__(self, values: Mapping[Source, str | bytes | Mapping[str, str] | Refusal]) -> None:
        self.values = values
        self.calls: list[tuple[Source, ...]] = []

    def fetch(self, sources: Collection[Source], *, timeout: float) -> Mapping[Source, Fetched | Refusal]:
        """An outcome for each."""
        assert timeout == 10
        self.calls.append(tuple(sources))
        missing = Refusal(reason="not_found", message="not there")
        outcomes = {source: self.values.get(source, missing) for source in sources}
        return {
            source: outcome if isinstance(outcome, Refusal) else Fetched(value=outcome, version="1")
            for source, outcome in outcomes.items()
        }
