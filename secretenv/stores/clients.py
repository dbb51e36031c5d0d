"""botocore as we use it: one session, one client for each service and region, and what holds for every request.

Before each attempt, retries too, the deadline of its caller is looked at, a token is taken from the bucket of its
operation, and its credentials are put in where its caller brings his own: so one client serves every identity.
"""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import Lock
from typing import Any
from weakref import WeakValueDictionary

from botocore import UNSIGNED
from botocore.config import Config
from botocore.credentials import Credentials as BotocoreCredentials
from botocore.exceptions import NoCredentialsError

from secretenv.stores.bucket import RATES, Bucket
from secretenv.stores.deadline import Deadline
from secretenv.stores.session import new_session

# At debug it writes every answer down, the secrets in it too: whatever level a program logs at, not that.
logging.getLogger("botocore").setLevel(logging.INFO)

# Seconds. AWS answers within one; what takes longer is better asked again.
CONNECT_TIMEOUT = 2.0
READ_TIMEOUT = 5.0
# Of one request, the first included. Where half of all requests are throttled, 3 % still fail then: the caller's to
# repeat, as he knows how long he may.
ATTEMPTS = 5
# About a megabyte each, and whoever names a region makes one for each service. The least recently used one goes.
MOST_CLIENTS = 32
# What a client needs to be made, and never signs with: each request brings its own.
_OF_THE_REQUEST = "of-the-request"


class OutOfTimeError(Exception):
    """The deadline of the caller is over, or would be before our own rate limit lets the request out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Of a session that somebody else began."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Caller:
    deadline: Deadline
    credentials: BotocoreCredentials | None


_CALLER: ContextVar[_Caller] = ContextVar("caller")


@contextmanager
def calling(deadline: Deadline, credentials: Credentials | None = None) -> Iterator[None]:
    """For whom, and until when, what is inside asks AWS; `together` takes it along into its threads."""
    theirs = credentials and BotocoreCredentials(
        credentials.access_key_id, credentials.secret_access_key, credentials.session_token
    )
    before = _CALLER.set(_Caller(deadline, theirs))
    try:
        yield
    finally:
        _CALLER.reset(before)


class Clients:
    """Makes clients when they are first asked for; safe for threads.

    Nobody gets a client while `identify` waits for STS: who serves several identities takes another `Clients` for them.
    """

    def __init__(
        self,
        *,
        region: str | None = None,
        most: int = MOST_CLIENTS,
        read_timeout: float = READ_TIMEOUT,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`region`: where no ARN names one; None: as botocore finds it in the environment. `most` are kept at once."""
        self._most = most
        self._read_timeout = read_timeout
        self._clock = clock
        self._sleep = sleep
        self._session_lock = Lock()
        self._clients: OrderedDict[tuple[str, str | None, str], Any] = OrderedDict()
        # Those too that were dropped while somebody asks by them: whoever comes meanwhile shares them.
        self._alive: WeakValueDictionary[tuple[str, str | None, str], Any] = WeakValueDictionary()
        self._buckets_lock = Lock()
        self._buckets: dict[tuple[str, str | None], Bucket] = {}
        # At DEBUG it logs whole answers, and those hold secrets.
        logging.getLogger("botocore").setLevel(logging.INFO)
        self._session = new_session()
        if region:
            self._session.set_config_variable("region", region)
        self._session.set_default_client_config(
            Config(
                connect_timeout=CONNECT_TIMEOUT,
                read_timeout=read_timeout,
                retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
                account_id_endpoint_mode="disabled",  # one address for each region, whatever the account
                user_agent_extra="token-injector",
            )
        )
        self._session.register("before-sign", self._before_attempt)
        self.region: str | None = self._session.get_config_variable("region")
        """Where a plain name is looked for."""

    def register(self, event: str, heard: Callable[..., None]) -> None:
        """Botocore's events of the clients that are made from now on, for who counts them."""
        self._session.register(event, heard)

    def known_regions(self) -> set[str]:
        """Every region that this botocore has heard of, in all partitions."""
        partitions = self._session.get_component("data_loader").load_data("partitions")["partitions"]
        return {region for partition in partitions for region in partition["regions"]}

    def identify(self) -> None:
        """Have credentials of our own, from botocore's chain; in a pod this asks STS. Raises what botocore raises."""
        with self._session_lock:
            credentials = self._session.get_credentials()
            if credentials is None:
                raise NoCredentialsError
            credentials.get_frozen_credentials()

    def own(self, service: str, region: str | None) -> Any:
        """A client that signs with our own credentials."""
        return self._client(service, region, "own")

    def theirs(self, service: str, region: str | None) -> Any:
        """A client that signs with the credentials of whoever is `calling`."""
        kept = {"aws_access_key_id": _OF_THE_REQUEST, "aws_secret_access_key": _OF_THE_REQUEST}
        return self._client(service, region, "theirs", **kept)

    def unsigned(self, service: str, region: str | None) -> Any:
        """A client that does not sign, for who has no credentials yet."""
        return self._client(service, region, "unsigned", config=Config(signature_version=UNSIGNED))

    def _client(self, service: str, region: str | None, signing: str, **how: Any) -> Any:
        with self._session_lock:
            key = (service, region, signing)
            client = self._alive.get(key)
            if client is None:
                client = self._alive[key] = self._session.create_client(service, region_name=region, **how)
            self._clients[key] = client
            self._clients.move_to_end(key)
            if len(self._clients) > self._most:
                self._clients.popitem(last=False)
            return client

    def _before_attempt(self, *, request: Any, operation_name: str, region_name: str | None, **_: Any) -> None:
        caller = _CALLER.get()
        wait = self._reserve(operation_name, region_name, caller.deadline.left())
        if wait is None:
            raise OutOfTimeError
        if wait:
            self._sleep(wait)
        left = caller.deadline.left()
        if not left:
            raise OutOfTimeError
        # As botocore's own per-request limits; see its httpsession.
        request.context["read_timeout"] = min(self._read_timeout, left)
        if caller.credentials:
            request.context.setdefault("signing", {})["request_credentials"] = caller.credentials

    def _reserve(self, operation: str, region: str | None, patience: float) -> float | None:
        rate = RATES.get(operation)
        if rate is None:
            return 0.0
        with self._buckets_lock:
            now = self._clock()
            key = (rate.shared, region)
            bucket = self._buckets.setdefault(key, Bucket(per_second=rate.per_second, now=now))
            return bucket.reserve(now=now, patience=patience)
