"""Which annotations has this service account?

From a cache that a watch keeps equal to the API server; what it does not know is looked up live, once. The API server
may go away: what is known is served on, the rest is refused with a message, and nothing ever exits.
"""

import re
from collections.abc import Callable, Mapping

from kube.client import Client
from kube.config import Connection
from kube.watch import Pace, Watch
from webhook.account_cache import AccountCache, keep_account
from webhook.account_lookup import LookupFailedError, LookupLimits, Lookups
from webhook.review import AccountsUnavailableError

COLLECTION = "/api/v1/serviceaccounts"
# A namespace is a DNS label, an account's name a DNS subdomain: nothing else is put into a path.
_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


class WatchedServiceAccounts:
    """`ServiceAccounts` of a cluster. Make and start it in each worker: threads do not survive a fork."""

    def __init__(
        self,
        connection: Connection,
        *,
        clock: Callable[[], float],
        random: Callable[[], float],
        limits: LookupLimits | None = None,
        pace: Pace | None = None,
    ) -> None:
        """`clock` is monotonic seconds, `random` from 0 to 1."""
        self._limits = limits or LookupLimits()
        self._cache = AccountCache()
        self._client = Client(connection, connections=self._limits.concurrent)
        self._lookups = Lookups(self._fetch, abandon=self._client.interrupt, clock=clock, limits=self._limits)
        self._watch = Watch(
            # Its own, so that ending the watch leaves the lookups alone and the reverse.
            Client(connection, connections=1),
            COLLECTION,
            keep=keep_account,
            consumer=self._cache,
            clock=clock,
            random=random,
            pace=pace,
        )

    def start(self) -> None:
        """Begin to list and watch. Accounts are looked up live until the first list is here."""
        self._watch.start()

    def stop(self) -> None:
        """End the watch and every lookup at once."""
        self._lookups.stop()
        self._client.close()
        self._watch.stop()

    def annotations(self, namespace: str, name: str) -> Mapping[str, str] | None:
        """The account's annotations, as far as the webhook reads them; None if there is no such account.

        Raises `AccountsUnavailableError`.
        """
        known = self._cache.get(namespace, name)
        if known is not None:
            return known
        if not _NAMESPACE.fullmatch(namespace) or not _NAME.fullmatch(name):
            return None
        try:
            return self._lookups.find(namespace, name)
        except LookupFailedError as exc:
            raise AccountsUnavailableError(
                f"service account {namespace}/{name} is not in the webhook's cache, and the API server can't be asked: "
                f"{exc}. Nothing is wrong with the pod: retry"
            ) from exc

    @property
    def synced(self) -> bool:
        """Whether the cache has held every account at least once."""
        return self._cache.resource_version is not None

    @property
    def unready(self) -> str:
        """Why accounts are still looked up one by one; "" if they are not. Once it was full, the cache serves on."""
        return "" if self.synced else f"not yet listed: {self.problem or 'the first list is on its way'}"

    @property
    def problem(self) -> str | None:
        """Why the API server can't be followed now; None while it can."""
        return self._watch.problem

    @property
    def size(self) -> int:
        """Accounts in the cache."""
        return len(self._cache)

    def age_seconds(self, now: float) -> float | None:
        """Seconds since the API server last confirmed the cache; None before the first time.

        About a minute at most while all is well: bookmarks come that often.
        """
        confirmed_at = self._watch.confirmed_at
        return None if confirmed_at is None else max(0.0, now - confirmed_at)

    def _fetch(self, namespace: str, name: str) -> Mapping[str, str]:
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}"
        obj = self._client.get(path, timeout=self._limits.timeout)
        return keep_account(obj).annotations
