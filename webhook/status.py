"""What does a worker show of itself to scrapers?

Pure data: whoever knows a part fills it in, metrics writes it out.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauges:
    """What the gauges show of the sources of the answers."""

    service_accounts: int
    """How many are known."""
    age: float | None
    """Seconds since they were confirmed; None if they never were."""
    floor_version: str = ""
    """1.33; "" while it is not known."""
    floor_source: str = ""
    """From a closed vocabulary (`kubelet_version.Source`)."""
    role_policy_loaded_at: float | None = None
    """Seconds since 1970; None where there is no policy."""
    role_policy_failures: int = 0
    """Changed policies that could not be used, since the start."""
