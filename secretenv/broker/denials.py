"""Whose web identity tokens has STS denied, again and again? No new one of that service account is shown to it for now.

Else a pod that invents tokens would use up what STS answers to all pods together. Counted for each service account:
creating pods does not multiply those, while their uids are as many as one likes. What is counted is an identity (a
role with a token, or with the claims that its issuer has signed), so that the pods of one Deployment whose trust policy
is wrong are one, and a pod that invents roles is many. Two are let through: an identity that STS has accepted, and one
that is counted already.
"""

import threading
import time
from collections.abc import Callable, Mapping

from secretenv.broker import room
from secretenv.broker.identities import Identity
from secretenv.broker.kept import Kept
from secretenv.broker.refused import RefusedError

# Seconds, and so many identities of one service account in them: more than a mistake makes, and one call in eight
# seconds to whoever means harm, of the 300 that STS is asked in each.
_WINDOW = 60.0
MOST_DENIED = 8
# As long as a session can live: a token that is replaced before its session ends is never held up.
_ACCEPTED_SECONDS = 12 * 3600.0
# Of a key that is kept, with its time.
_ENTRY = 256


class Denials:
    """For many threads."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._denied = Kept[str, Mapping[str, float]](lifetime=_WINDOW, most_bytes=room.DENIED_IDENTITIES, clock=clock)
        self._accepted = Kept[str, bool](lifetime=_ACCEPTED_SECONDS, most_bytes=room.ACCEPTED_IDENTITIES, clock=clock)

    def check(self, identity: Identity) -> None:
        """Whether it may be shown to STS. Raises `RefusedError`.

        Those that are being shown at this moment are not counted yet: there are never more than places to wait.
        """
        recent = self._recent(identity.account)
        is_known = identity.key in recent or self._accepted.get(identity.key, within=_ACCEPTED_SECONDS)
        if is_known or len(recent) < MOST_DENIED:
            return
        # Neither a role nor an answer of another pod is quoted: a pod chooses the text of its own.
        message = (
            f"service account {identity.account}: within {_WINDOW:.0f} s AWS has denied {len(recent)} different "
            "identities (role and web identity token) of its pods, so that no new one is shown to AWS for now: see "
            "in the broker's log which pods have asked, and look at the trust policy of their role"
        )
        again = _WINDOW - (self._clock() - min(recent.values()))
        raise RefusedError(429, "denied_often", message, retry_after=max(1, round(again)))

    def denied(self, identity: Identity) -> None:
        """AWS has said no to it."""
        with self._lock:
            recent = self._recent(identity.account) | {identity.key: self._clock()}
            # Those that were under way together may be more: the newest stand for them.
            newest = dict(sorted(recent.items(), key=lambda entry: entry[1])[-MOST_DENIED:])
            self._denied.put(identity.account, newest, size=len(newest) * _ENTRY)

    def accepted(self, identity: Identity) -> None:
        """AWS has given it a session."""
        self._accepted.put(identity.key, True)  # noqa: FBT003 - a set with an age

    def _recent(self, account: str) -> dict[str, float]:
        now = self._clock()
        found = self._denied.get(account, within=_WINDOW) or {}
        return {key: since for key, since in found.items() if now - since < _WINDOW}
