"""What was asked, of whom, and how long it took? One line at debug for each request of a job; names, never values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contract import environ as names
from secretenv.references import Reference, Secret, canonical
from secretenv.stores import Refusal

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from injector.backend import VersionedStore
    from injector.once import World
    from secretenv.plan import Plan
    from secretenv.references import Source
    from secretenv.stores import Fetched


class Telling:
    """A store that tells what the one behind it was asked."""

    def __init__(self, store: VersionedStore, plan: Plan, environ: Mapping[str, str], world: World) -> None:
        self._store = store
        self._has_broker = plan.broker is not None
        self._of = f"the broker {plan.broker.address}" if plan.broker else "AWS"
        self._role = environ.get(names.AWS_ROLE_ARN, "")
        self._region = environ.get(names.AWS_REGION) or environ.get(names.AWS_DEFAULT_REGION) or ""
        self._world = world

    def fetch(self, sources: Collection[Source], *, timeout: float) -> Mapping[Source, Fetched | Refusal]:
        """An outcome for each."""
        began = self._world.monotonic()
        found = self._store.fetch(sources, timeout=timeout)
        self._tell("values", found, began)
        return found

    def versions(self, sources: Collection[Source], *, timeout: float) -> Mapping[Source, str | Refusal]:
        """The version of each."""
        began = self._world.monotonic()
        found = self._store.versions(sources, timeout=timeout)
        self._tell("versions", found, began)
        return found

    def _tell(self, what: str, found: Mapping[Source, Fetched | Refusal | str], began: float) -> None:
        outcomes = {
            self._name(source): outcome.reason if isinstance(outcome, Refusal) else "answered"
            for source, outcome in found.items()
        }
        milliseconds = round((self._world.monotonic() - began) * 1000)
        self._world.log(
            *("debug", "asked"),
            of=self._of,
            what=what,
            role=self._role,
            region=self._region,
            milliseconds=milliseconds,
            outcomes=outcomes,
        )

    def _name(self, source: Source) -> str:
        """To the broker a whole reference is one name (broker_client)."""
        if self._has_broker and isinstance(source, Secret):
            return source.name
        return canonical(Reference(source=source))
