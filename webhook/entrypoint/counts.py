"""What is counted of look-ups: how they end, and what each source of credentials is good for.

No image, registry or namespace is a label: there is no end to them. Pure: names, and one Protocol.
"""

from typing import Literal, Protocol

SourceName = Literal["pull_secret", "pod_pull_secret", "google", "ecr", "anonymous", "docker_login"]
"""Whose credentials: the operator's pull secret, the pod's and its service account's, Google's token, ECR's password,
none; and at a terminal, those of docker login."""
Attempted = Literal["found", "denied", "absent", "unreachable", "unusable", "unavailable"]
"""What a registry said to a credential. unavailable: the source itself could not give what it has."""
LookedUp = Literal["memory", "found", "failed", "crowded"]
"""How a question ended. crowded: too many others were under way."""


class Counts(Protocol):
    """Where it is counted; for many threads."""

    def looked_up(self, outcome: LookedUp, seconds: float) -> None:
        """One question was answered."""

    def attempted(self, source: SourceName, outcome: Attempted) -> None:
        """One registry was asked with one credential, or one source had a problem."""


class _Uncounted:
    """`Counts` for whoever has no metrics."""

    def looked_up(self, outcome: LookedUp, seconds: float) -> None:
        """Forget it."""

    def attempted(self, source: SourceName, outcome: Attempted) -> None:
        """Forget it."""


UNCOUNTED = _Uncounted()
