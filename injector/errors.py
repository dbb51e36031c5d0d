"""What can go wrong, by who can act: the pod's author or operator (UsageError), or time (RefreshError).

Every text says who, what and the fix; none of them may hold a token, so foreign text passes `printable` first.
"""

from __future__ import annotations

from contract import exit_codes

# Enough for the metadata server's own explanation, short enough for one line of the termination log.
EXCERPT = 300


class UsageError(Exception):
    """The command line or an environment variable is wrong."""

    exit_code = exit_codes.USAGE


class RefreshError(Exception):
    """No token this time; the exit code says whether a retry can mend it (contract/exit_codes.py)."""

    def __init__(self, reason: str, *, exit_code: int) -> None:
        super().__init__(reason)
        self.exit_code = exit_code

    @property
    def permanent(self) -> bool:
        """Whether somebody has to act before a retry can succeed; a wrong command line is not mended by one either."""
        return self.exit_code == exit_codes.USAGE or self.exit_code in exit_codes.PERMANENT


def printable(foreign: str, *, limit: int = EXCERPT) -> str:
    """Make one line of printable ASCII of a foreign text, and nothing of one that may hold a token.

    Every JWT starts with `eyJ` (base64 of `{"`), every Google access token with `ya29.`.
    """
    if "eyJ" in foreign or "ya29." in foreign:
        return "(withheld: it looks like a token)"
    line = " ".join("".join(c if " " <= c <= "~" else " " for c in foreign).split())
    return line if len(line) <= limit else line[: limit - 3] + "..."
