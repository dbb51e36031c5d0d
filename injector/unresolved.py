"""Why is there no value, and who has to act? Pure: refusals in, one error out, whose code says whether to retry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contract import exit_codes
from injector.errors import RefreshError
from secretenv.stores import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from injector.wanted import Result, Wanted
    from secretenv.stores import Reason

# In the order in which they have to be mended: what nobody mends first, no other fix helps.
EXIT_CODES: dict[Reason, int] = {
    "invalid": exit_codes.SECRET_UNRESOLVED,
    "not_found": exit_codes.SECRET_UNRESOLVED,
    "access_denied": exit_codes.SECRET_REFUSED,
    "unavailable": exit_codes.SECRETS_UNAVAILABLE,
}
# A reason has the room of one line in the termination log; the log has them all.
LISTED = 4


def refused(wanted: Iterable[Wanted], results: Mapping[str, Result]) -> list[tuple[Wanted, Refusal]]:
    """What has no value, the permanent ones first."""
    found = [(one, result) for one in wanted if isinstance(result := results[one.key], Refusal)]
    order = list(EXIT_CODES)
    return sorted(found, key=lambda pair: order.index(pair[1].reason))


def blocking(found: list[tuple[Wanted, Refusal]], *, keeps: bool) -> list[tuple[Wanted, Refusal]]:
    """What a container cannot start without: all of it; where the pod keeps what it cannot resolve, what may yet be."""
    return [pair for pair in found if not keeps or pair[1].reason == "unavailable"]


def error(found: list[tuple[Wanted, Refusal]]) -> RefreshError:
    """One error for all of them; what several takers miss for the same reason is said once."""
    takers: dict[str, list[str]] = {}
    for one, refusal in found:
        takers.setdefault(refusal.message, []).append(one.where)
    lines = [f"{_few(where)}: {message}" for message, where in takers.items()]
    more = [f"and {len(lines) - LISTED} more"] if len(lines) > LISTED else []
    return RefreshError("; ".join([*lines[:LISTED], *more]), exit_code=EXIT_CODES[found[0][1].reason])


def given_up(error: RefreshError, tries: int) -> RefreshError:
    """What time could mend, where the pod's author does not want to wait for it: its container ends at once."""
    return RefreshError(
        f"asked {tries} times, as often as piggysec.com/piggy-number-of-retry says: {error}",
        exit_code=exit_codes.SECRET_UNRESOLVED,
    )


def _few(where: list[str]) -> str:
    more = f" and {len(where) - LISTED} more" if len(where) > LISTED else ""
    return f"{', '.join(where[:LISTED])}{more}"
