"""What does one worker process serve?

Prepared once, before the fork: a wrong file or kubeconfig stops the start, and later on no worker's. Made in each
worker, after the fork, is what two can't share: connections and threads.
"""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from kube.config import Connection, from_kubeconfig, in_cluster
from webhook.account_file import FileServiceAccounts
from webhook.account_lookup import LookupLimits
from webhook.accounts import WatchedServiceAccounts
from webhook.review import Answer, ServiceAccounts, review
from webhook.settings import ServerSettings, Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviews:
    """Reviews, and what readiness and metrics say about where their answers come from."""

    review: Callable[[Any], Answer]
    unready: Callable[[], str]
    """Why no review can be answered well now; "" if it can."""
    problem: Callable[[], str]
    """What is wrong with the source of the answers while the last good state is served; "" if nothing is."""
    service_accounts: Callable[[], int]
    """How many are known."""
    age: Callable[[], float | None]
    """Seconds since they were confirmed; None if they never were."""
    stop: Callable[[], None]


def prepare_reviews(settings: Settings, server: ServerSettings, environ: Mapping[str, str]) -> Callable[[], Reviews]:
    """What makes the reviews in each worker. Raises `AccountFileError` and `ConnectionConfigError`."""
    if server.service_accounts_file:
        # Each worker has a copy of its own by the fork. One that is started later, when the file is broken, has this.
        accounts = FileServiceAccounts(server.service_accounts_file)
        return lambda: _from_file(settings, accounts)
    kubeconfig = server.kubeconfig
    connection = from_kubeconfig(kubeconfig) if kubeconfig else in_cluster(environ, clock=time.monotonic)
    return lambda: _from_cluster(settings, connection, server.threads)


def _from_file(settings: Settings, accounts: FileServiceAccounts) -> Reviews:
    return Reviews(
        review=_review(accounts, settings),
        unready=lambda: "",  # the last good file is in force
        problem=lambda: accounts.problem or "",
        service_accounts=lambda: accounts.size,
        age=lambda: accounts.age_seconds(time.monotonic()),
        stop=lambda: None,
    )


def _from_cluster(settings: Settings, connection: Connection, threads: int) -> Reviews:
    limits = LookupLimits.for_threads(threads)
    accounts = WatchedServiceAccounts(connection, clock=time.monotonic, random=random.random, limits=limits)
    accounts.start()
    return Reviews(
        review=_review(accounts, settings),
        # Once it was full, the cache serves on while the API server is away.
        unready=lambda: (
            "" if accounts.synced else f"not yet listed: {accounts.problem or 'the first list is on its way'}"
        ),
        problem=lambda: accounts.problem or "",
        service_accounts=lambda: accounts.size,
        age=lambda: accounts.age_seconds(time.monotonic()),
        stop=accounts.stop,
    )


def _review(accounts: ServiceAccounts, settings: Settings) -> Callable[[Any], Answer]:
    return partial(review, accounts=accounts, settings=settings)
