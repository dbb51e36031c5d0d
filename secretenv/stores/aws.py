"""The stores of AWS behind the Protocols `Store` and `Versions`: who asks, and which reader for which source.

Import it where a secret is asked for, not before: botocore takes longer to load than everything else of ours.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

from secretenv.references import Item, Parameter, ParameterPath, Secret, Source
from secretenv.stores import Fetched, Refusal, items, parameter_store, secrets_manager
from secretenv.stores.arn import region_of
from secretenv.stores.clients import Clients, Credentials, calling
from secretenv.stores.deadline import Deadline
from secretenv.stores.reading import Outcome, Outcomes, Reading
from secretenv.stores.refusals import ERRORS, identity_is_late, identity_refusal, named, refusal
from secretenv.stores.single_flight import SingleFlight
from secretenv.stores.together import together

_Group: TypeAlias = tuple[str, str | None]
_Readers: TypeAlias = Mapping[str, Callable[[Reading, Sequence[Any]], Outcomes]]
_FETCH: _Readers = {
    "secretsmanager": secrets_manager.fetch,
    "ssm": parameter_store.fetch,
    "dynamodb": items.fetch,
}
_VERSIONS: _Readers = {
    "secretsmanager": secrets_manager.versions,
    "ssm": partial(parameter_store.fetch, decrypt=False),
    "dynamodb": items.fetch,
}
_SERVICES = {Secret: "secretsmanager", Parameter: "ssm", ParameterPath: "ssm", Item: "dynamodb"}


class Aws:
    """Secrets, parameters and items, for one identity; safe for threads."""

    def __init__(
        self,
        clients: Clients,
        *,
        clock: Callable[[], float],
        credentials: Credentials | None = None,
        role: str = "",
        region: str | None = None,
    ) -> None:
        """Without `credentials`, botocore's own chain. `role`, an ARN or a name, is for messages.

        `region` is where no ARN names one; None: that of the clients.
        """
        self._region = region or clients.region
        self._clients = clients
        self._clock = clock
        self._credentials = credentials
        self._role = role.rpartition("/")[2]
        self._flights = SingleFlight[Source, Outcome]()
        self._forbidden: set[str] = set()

    def warm(self, sources: Collection[Source]) -> None:
        """Make the clients that reading these will take, and ask nobody: for who has time before he has a token."""
        try:
            # botocore makes its own for our role, and reads the same description of the service again.
            self._clients.unsigned("sts", self._region)
            for service, region in self._grouped(sources):
                self._clients.own(service, region)
        except (*ERRORS, ValueError):
            return  # whoever reads by it is told

    def fetch(self, sources: Collection[Source], *, timeout: float) -> Mapping[Source, Fetched | Refusal]:
        """As `Store` says; several threads that ask for the same source share one read."""
        deadline = Deadline(timeout, clock=self._clock)
        read = partial(self._each_group, _FETCH, deadline=deadline)
        return _complete(sources, self._flights.fetch(sources, read, deadline), timeout)

    def versions(self, sources: Collection[Source], *, timeout: float) -> Mapping[Source, str | Refusal]:
        """As `Versions` says."""
        deadline = Deadline(timeout, clock=self._clock)
        found = self._each_group(_VERSIONS, sources, deadline=deadline)
        return {
            source: outcome.version if isinstance(outcome, Fetched) else outcome
            for source, outcome in _complete(sources, found, timeout).items()
        }

    def _each_group(
        self,
        readers: _Readers,
        sources: Collection[Source],
        *,
        deadline: Deadline,
    ) -> Outcomes:
        """All services and regions at once, once it is known who asks: STS says no for all of them."""
        groups = self._grouped(sources)
        with calling(deadline, self._credentials):
            problem = next(iter(together([self._identify], deadline)), identity_is_late(role=self._role))
            if problem is not None:
                return dict.fromkeys(sources, problem)
            calls = [partial(self._read_group, readers, group, members, deadline) for group, members in groups.items()]
            return {source: outcome for part in together(calls, deadline) for source, outcome in part.items()}

    def _grouped(self, sources: Collection[Source]) -> dict[_Group, list[Source]]:
        groups: dict[_Group, list[Source]] = {}
        for source in sources:
            groups.setdefault((_SERVICES[type(source)], region_of(source) or self._region), []).append(source)
        return groups

    def _identify(self) -> Refusal | None:
        if self._credentials:
            return None
        try:
            self._clients.identify()
        # botocore says ValueError of an AWS_ENDPOINT_URL that is no URL.
        except (*ERRORS, ValueError) as exc:
            return identity_refusal(exc, role=self._role)
        return None

    def _read_group(self, readers: _Readers, group: _Group, sources: Sequence[Source], deadline: Deadline) -> Outcomes:
        service, region = group
        make = self._clients.theirs if self._credentials else self._clients.own
        try:
            client = make(service, region)
        # botocore says ValueError of an AWS_ENDPOINT_URL that is no URL.
        except (*ERRORS, ValueError) as exc:
            return {source: refusal(exc, source, region=region or "", role=self._role) for source in sources}
        reading = Reading(client=client, deadline=deadline, role=self._role, forbidden=self._forbidden)
        return readers[service](reading, sources)


def _complete(sources: Collection[Source], found: Mapping[Source, Outcome], timeout: float) -> dict[Source, Outcome]:
    late = f"no answer from AWS within {round(timeout, 1):g} s"
    return {
        source: found.get(source) or Refusal(reason="unavailable", message=f"{named(source)}: {late}")
        for source in sources
    }
