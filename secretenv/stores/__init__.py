"""Where secrets are read: Secrets Manager, SSM Parameter Store, DynamoDB, behind one Protocol.

The Protocol and its data are pure; only the modules beside this one touch botocore.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from secretenv.references import Source

Reason = Literal["not_found", "access_denied", "invalid", "unavailable"]
"""Who can mend it: the author or the owner of the secret, the owner of the role, the author, time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What one read gave."""

    value: str | bytes | Mapping[str, str] = field(repr=False)
    """Text, binary, or a path's parameters by full name."""
    version: str = ""
    """Changes when the value changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why one read gave nothing; the message names source, role or permission, never a value."""

    reason: Reason
    message: str


class Store(Protocol):
    """Reads secrets."""

    def fetch(self, sources: Collection[Source], *, timeout: float) -> Mapping[Source, Fetched | Refusal]:
        """An outcome for each; `timeout` is in seconds, for all of them. Raises nothing but bugs."""


class Versions(Protocol):
    """Tells whether secrets changed, cheaply."""

    def versions(self, sources: Collection[Source], *, timeout: float) -> Mapping[Source, str | Refusal]:
        """The version of each, comparable with `Fetched.version`."""
