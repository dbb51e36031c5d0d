"""What the broker counts and writes, in memory."""

from collections import Counter
from collections.abc import Mapping
from typing import Any


class Counted:
    """Metrics and events."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str]] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.origins: Counter[str] = Counter()
        self.calls: Counter[tuple[str, str]] = Counter()
        self.bugs = 0
        self.events: list[Mapping[str, Any]] = []

    def answered(self, protocol: str, outcome: str, seconds: float) -> None:
        """One request was answered."""
        assert seconds >= 0
        self.requests[protocol, outcome] += 1

    def references(self, outcomes: Mapping[str, int]) -> None:
        """So many references ended how."""
        self.outcomes.update(outcomes)

    def served(self, origin: str, number: int) -> None:
        """So many sources came from there."""
        if number:
            self.origins[origin] += number

    def asked(self, api: str, outcome: str) -> None:
        """One request to AWS."""
        self.calls[api, outcome] += 1

    def bug(self) -> None:
        """Count it."""
        self.bugs += 1

    def render(self) -> bytes:
        """Nothing."""
        return b""

    def write(self, event: str, fields: Mapping[str, Any]) -> None:
        """Remember it."""
        assert event == "secrets"
        self.events.append(fields)
