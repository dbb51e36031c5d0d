"""One token, as an init container or a person wants it: tried again until the deadline, then the last reason.

With --report-fd there is one try: the launcher does the waiting.
"""

from __future__ import annotations

from contract import exit_codes
from contract.refresh import BACKOFF_CAP, BACKOFF_FIRST
from injector import schedule
from injector.errors import RefreshError
from injector.record import Record
from injector.refresh import Refreshed, refresh

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from injector.refresh import LogEvent
    from injector.settings import Settings
    from injector.sources import TokenSource

# For one request; real time, for the network does not know about the time divisor.
REQUEST_TIMEOUT = 10.0
# A request that begins just before the deadline gets this much.
SHORTEST_TIMEOUT = 1.0


class World(Record):
    """Clocks, dice and sleep, which only cli.py has in reality."""

    now: Callable[[], float]
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]
    dice: Callable[[], float]
    log: LogEvent


def once(settings: Settings, *, source: TokenSource, world: World) -> Refreshed:
    """Refresh; raises RefreshError when no retry can mend it or the deadline is over.

    A token with less than --min-lifetime left is put in the file, and a better one asked for until the deadline.
    """
    divisor = settings.shared.time_divisor
    give_up = world.monotonic() + (0 if settings.report_fd is not None else settings.deadline / divisor)
    failures = 0
    best: Refreshed | None = None
    while True:
        left = give_up - world.monotonic()
        timeout = REQUEST_TIMEOUT if settings.report_fd is not None else min(REQUEST_TIMEOUT, left)
        found = _attempt(settings, source=source, world=world, timeout=max(SHORTEST_TIMEOUT, timeout))
        if isinstance(found, Refreshed):
            best = found
            if settings.report_fd is not None or found.left >= settings.min_lifetime / divisor:
                return found
        elif found.permanent or (best is None and world.monotonic() >= give_up):
            raise found
        if best and world.monotonic() >= give_up:
            return _short_lived(best, world)
        failures += 1
        wait = schedule.backoff(
            failures=failures, dice=world.dice(), first=BACKOFF_FIRST / divisor, cap=BACKOFF_CAP / divisor
        )
        # The last try is at the deadline itself.
        world.sleep(max(0.0, min(wait, give_up - world.monotonic())))


def _attempt(settings: Settings, *, source: TokenSource, world: World, timeout: float) -> Refreshed | RefreshError:
    try:
        found = refresh(settings, source=source, timeout=timeout, now=world.now, dice=world.dice, log=world.log)
    except RefreshError as exc:
        world.log("warning", "refresh failed", exit_code=exc.exit_code, reason=str(exc))
        return exc
    return found


def _short_lived(best: Refreshed, world: World) -> Refreshed:
    # One that had expired when it came was taken for a clock that is ahead (refresh.py).
    if best.left > 0 and best.token.unverified_exp <= world.now():
        raise RefreshError(
            "the source gave no token but one that has expired since; check the source, or lower --min-lifetime",
            exit_code=exit_codes.TOKEN_REFUSED,
        )
    world.log("warning", "the token is near its end", exp=best.token.unverified_exp)
    return best
