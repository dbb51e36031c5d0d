"""What does a worker say of itself to probes?

Pure data: whoever knows a part fills it in, telemetry writes it out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Whether this process can serve, part by part."""

    missing: Mapping[str, str]
    """Part to reason, for each part that is not ready."""
    problems: Mapping[str, str] = field(default_factory=dict)
    """Part to what is wrong with it, though it still serves from what it has."""
    details: Mapping[str, str] = field(default_factory=dict)
    """What was found out and now holds, in words."""

    @property
    def is_ready(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing


def always_ready() -> Readiness:
    """Nothing is missing."""
    return Readiness(missing={})


def said(parts: Mapping[str, str | None]) -> dict[str, str]:
    """Only the parts that say something."""
    return {part: words for part, words in parts.items() if words}
