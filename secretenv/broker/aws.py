"""AWS as the broker asks it: web identity tokens for sessions, and the clients of all regions.

The only module beside the stores that touches botocore. Every request to AWS is counted, repetitions too.
"""

import time
from typing import Any, Protocol

from secretenv.broker.identities import Identity
from secretenv.broker.sessions import Backend, Session
from secretenv.stores import Refusal, assume
from secretenv.stores.aws import Aws
from secretenv.stores.clients import Clients
from secretenv.stores.deadline import Deadline

# Pods name regions, and each costs some megabytes: so many are at hand at once, with a client for each service.
MOST_REGIONS = 8
_SERVICES = 4
# Of one session; a pod may name any number of regions, and has each made anew.
_MOST_STORES = 4
_SERVER_ERROR = 500
# What stands in the codes of AWS's "too much": Throttling, ThrottlingException, ThrottledException, TooManyRequests,
# RequestLimitExceeded, ProvisionedThroughputExceeded, LimitExceeded.
_THROTTLED = ("Throttl", "TooManyRequests", "LimitExceeded", "ThroughputExceeded")


class CountsCalls(Protocol):
    """What is counted of AWS."""

    def asked(self, api: str, outcome: str) -> None:
        """One request was answered, or not."""


class AwsSessions:
    """Exchanges tokens and makes stores; for many threads."""

    def __init__(self, *, default_region: str | None, counts: CountsCalls, most_regions: int = MOST_REGIONS) -> None:
        """Make it in the process that uses it: botocore's connections do not survive a fork."""
        self._counts = counts
        self._clients = Clients(region=default_region, most=most_regions * _SERVICES)
        self._clients.register("response-received", self._count)
        self.default_region = self._clients.region
        """As botocore finds it, where none was given."""
        self.regions = frozenset(self._clients.known_regions())
        """Those that this botocore knows, in every partition."""

    def exchange(self, identity: Identity, region: str | None, deadline: Deadline) -> Session | Refusal:
        """One call of STS, in this region."""
        found = assume.assume(
            self._clients,
            region=region,
            role_arn=identity.role_arn,
            session_name=identity.session_name,
            token=identity.token,
            timeout=deadline.left(),
            clock=time.monotonic,
        )
        if isinstance(found, Refusal):
            return found
        # Not the identity itself, whose token nobody needs any more.
        credentials, role = found.credentials, identity.role_arn
        stores: dict[str | None, Backend] = {}

        def store(region: str | None) -> Backend:
            if (made := stores.get(region)) is None:
                if len(stores) >= _MOST_STORES:
                    stores.clear()
                aws = Aws(self._clients, clock=time.monotonic, credentials=credentials, role=role, region=region)
                made = stores.setdefault(region, aws)
            return made

        return Session(store=store, lifetime=found.expires_at - time.time())

    def _count(self, event_name: str, parsed_response: Any, **_: Any) -> None:
        self._counts.asked(event_name.rpartition(".")[2], _outcome(parsed_response))


def _outcome(parsed: Any) -> str:
    """From a closed vocabulary: ok, throttled, refused, failed, no_answer."""
    if not isinstance(parsed, dict):
        return "no_answer"
    code = str(parsed.get("Error", {}).get("Code", ""))
    if any(part in code for part in _THROTTLED):
        return "throttled"
    if parsed.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= _SERVER_ERROR:
        return "failed"
    return "refused" if code else "ok"
