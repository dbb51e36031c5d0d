"""Who reads for this pod: its own role by botocore, or the broker? What only one of them needs is imported for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contract import environ as names
from contract import exit_codes
from injector.errors import RefreshError
from injector.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from typing import Protocol

    from injector.once import World
    from secretenv.plan import Plan
    from secretenv.references import Source, Template
    from secretenv.stores import Fetched, Refusal

    class VersionedStore(Protocol):
        """Reads secrets, and tells cheaply whether they changed."""

        def fetch(self, sources: Collection[Source], *, timeout: float) -> Mapping[Source, Fetched | Refusal]:
            """An outcome for each."""

        def versions(self, sources: Collection[Source], *, timeout: float) -> Mapping[Source, str | Refusal]:
            """The version of each."""


class Backend(Record):
    """A store, and how a template is written so that its sources are those of the store."""

    store: VersionedStore
    prepare: Callable[[Template], Template]
    warm: Callable[[Collection[Source]], None]
    """Makes ready what can be before there is an identity."""


def backend(plan: Plan, environ: Mapping[str, str], world: World) -> Backend:
    """The plan's; raises RefreshError where it cannot be."""
    if plan.broker:
        from injector.broker_client import BrokerStore, as_one

        store = BrokerStore(plan.broker, environ, monotonic=world.monotonic, sleep=world.sleep)
        return Backend(store=store, prepare=as_one, warm=_nothing)
    try:
        from secretenv.stores.aws import Aws
        from secretenv.stores.clients import Clients
    except ImportError as exc:
        raise RefreshError(
            f"secrets need botocore, which this interpreter does not find ({exc.name}); "
            "pip install 'token-injector[injector]'",
            exit_code=exit_codes.USAGE,
        ) from exc
    # botocore itself knows only the second of the two.
    region = environ.get(names.AWS_REGION) or environ.get(names.AWS_DEFAULT_REGION)
    clients = Clients(region=region, clock=world.monotonic, sleep=world.sleep)
    role = environ.get(names.AWS_ROLE_ARN, "")
    aws = Aws(clients, clock=world.monotonic, role=role)
    return Backend(store=aws, prepare=lambda template: template, warm=aws.warm)


def _nothing(_: Collection[Source]) -> None:
    """A broker makes its own clients."""
