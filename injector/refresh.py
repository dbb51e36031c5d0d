"""One refresh: ask the source, check what it says, put it in the file, say when to come again.

Which token stays, first row that holds:
  the file has none that is well-formed and for this audience             -> the new one, unless it has expired
  the new one ends later                                                  -> the new one
  somebody wrote the old one while the new one was fetched                -> the old one
  the new one has another subject (the Workload Identity binding changed) -> the new one
  else                                                                    -> the old one

A new token that ends later than the old one is taken even if it has expired by this node's clock: STS goes by its own,
and a clock that was set ahead must not keep a running pod on a token that is really over.
"""

from __future__ import annotations

from contract import exit_codes
from injector import schedule, tokenfile
from injector.errors import RefreshError, printable
from injector.record import Record
from injector.token import MalformedTokenError, UnverifiedToken, read_unverified

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from injector.settings import Settings
    from injector.sources import TokenSource

    Write = Callable[[str, str], None]
    LogEvent = Callable[..., None]


class Refreshed(Record):
    """The token that the file now has, the seconds that it has left, and those until the next refresh."""

    token: UnverifiedToken
    left: float
    next_in: float


def refresh(
    settings: Settings,
    *,
    source: TokenSource,
    timeout: float,
    now: Callable[[], float],
    dice: Callable[[], float],
    log: LogEvent,
) -> Refreshed:
    """Do it once; raises RefreshError, after which the old token is untouched."""
    divisor = settings.shared.time_divisor
    old = _present(settings, log) if settings.file else None
    if old and settings.once_if_stale and (kept := _kept(old, settings, now(), dice())):
        log("debug", "kept", next_in=round(kept.next_in, 3))
        return kept
    new = checked(source.fetch(audience=settings.audience, timeout=timeout), audience=settings.audience)
    # The launcher's other child may have written a later one while the source was slow, and comes again by that one.
    before, old = old, _present(settings, log) if settings.file else None
    _check_expiry(new, old, now(), log)
    token = _stored(before, old, new, settings, log) if settings.file else new
    left = schedule.life_left(now=now(), iat=token.unverified_iat, exp=token.unverified_exp)
    next_in = schedule.after_fetch(
        left=left,
        dice=dice(),
        enough=settings.min_lifetime / divisor,
        floor=schedule.FLOOR / divisor,
        ceiling=schedule.CEILING / divisor,
    )
    return Refreshed(token=token, left=left, next_in=next_in)


def has_token(settings: Settings, *, now: float, log: LogEvent) -> bool:
    """Whether the file has a token for this audience that has not expired; raises RefreshError where it is unreadable.

    A container that starts again finds the file of its last life.
    """
    old = _present(settings, log)
    return old is not None and old.unverified_exp > now


def checked(text: str, *, audience: str) -> UnverifiedToken:
    """The text as a well-formed token for this audience, whatever its dates; raises RefreshError. Pure."""
    try:
        token = read_unverified(text)
    except MalformedTokenError as exc:
        raise RefreshError(
            f"what the source gave is no token: {exc}; check what answers at the source",
            exit_code=exit_codes.TOKEN_REFUSED,
        ) from exc
    if audience not in token.unverified_audiences:
        shown = printable(", ".join(token.unverified_audiences)) or "none"
        raise RefreshError(
            f"the source's token is refused: it is for the audience {shown}, not {printable(audience)}; "
            "check what answers at the source",
            exit_code=exit_codes.TOKEN_REFUSED,
        )
    return token


def _check_expiry(new: UnverifiedToken, old: UnverifiedToken | None, now: float, log: LogEvent) -> None:
    ago = now - new.unverified_exp
    if ago < 0:
        return
    if old is None or new.unverified_exp <= old.unverified_exp:
        raise RefreshError(
            f"the source's token is refused: it expired {ago:.0f} s ago; "
            "check the node's clock, then the source's cache",
            exit_code=exit_codes.TOKEN_REFUSED,
        )
    log("warning", "the new token has expired by this node's clock, which may be ahead", seconds_ago=round(ago))


def replaces(new: UnverifiedToken, old: UnverifiedToken | None, before: UnverifiedToken | None) -> bool:
    """Whether the new token takes the old one's place; see the table above. Pure.

    `before`: what the file had when the new one was asked for.
    """
    if old is None or new.unverified_exp > old.unverified_exp:
        return True
    is_as_before = before is not None and before.text == old.text
    return is_as_before and new.unverified_sub != old.unverified_sub


def _present(settings: Settings, log: LogEvent) -> UnverifiedToken | None:
    """The file's token if it is of any use."""
    text = tokenfile.read(settings.file)
    if text is None:
        return None
    try:
        return checked(text, audience=settings.audience)
    except RefreshError as exc:
        log("info", "old token not usable", reason=str(exc))
        return None


def _kept(old: UnverifiedToken, settings: Settings, now: float, dice: float) -> Refreshed | None:
    """The old token, if it is too fresh to ask for another one."""
    divisor = settings.shared.time_divisor
    iat, exp = old.unverified_iat, old.unverified_exp
    left = schedule.life_left(now=now, iat=iat, exp=exp)
    next_in = schedule.while_fresh(
        now=now,
        iat=iat,
        exp=exp,
        dice=dice,
        floor=schedule.FLOOR / divisor,
        ceiling=schedule.CEILING / divisor,
    )
    if next_in is None or left < settings.min_lifetime / divisor:
        return None
    return Refreshed(token=old, left=left, next_in=next_in)


def _stored(
    before: UnverifiedToken | None,
    old: UnverifiedToken | None,
    new: UnverifiedToken,
    settings: Settings,
    log: LogEvent,
) -> UnverifiedToken:
    """Write the new token if it takes the old one's place; give the one that is in the file now."""
    if old and not replaces(new, old, before):
        # GKE's metadata server hands out the same token until five minutes before its end.
        log("info", "old token kept", reason="the source gave no later one", exp=old.unverified_exp)
        return old
    if old and new.unverified_sub != old.unverified_sub:
        log("warning", "subject changed", old_sub=printable(old.unverified_sub), sub=printable(new.unverified_sub))
    tokenfile.replace(settings.file, new.text)
    log("info", "token written", file=settings.file, sub=printable(new.unverified_sub), exp=new.unverified_exp)
    return new
