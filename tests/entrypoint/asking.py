"""Look-ups as the tests make them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, get_args

from webhook.entrypoint.assemble import _lookup
from webhook.entrypoint.counts import UNCOUNTED, Counts, SourceName
from webhook.entrypoint.credential import Credential, Offers, Source
from webhook.entrypoint.lookup import EntrypointLookup
from webhook.entrypoint.manifest import Entrypoint
from webhook.entrypoint.question import Failure, Wanted
from webhook.entrypoint.settings import EntrypointSettings
from webhook.settings import from_environ


def settings(**changes: Any) -> EntrypointSettings:
    """The defaults, but for the changes."""
    _, server = from_environ({})
    return replace(server.entrypoint, **changes)


def lookup(
    *sources: Source,
    local: Sequence[str] = (),
    insecure: Sequence[str] = (),
    counts: Counts = UNCOUNTED,
    **changes: Any,
) -> EntrypointLookup:
    """With the guard of the webhook: registries on this machine are `local`, or `insecure`, which means local too.

    Sources have the first names that there are, in their order.
    """
    hosts = settings(registry_local=(*local, *insecure), registry_insecure=tuple(insecure), **changes)
    names = get_args(SourceName)
    return _lookup(hosts, dict(zip(names, sources, strict=False)), at_once=4, counts=counts)


def offering(*credentials: Credential, problems: Sequence[str] = ()) -> Source:
    """A source that has these for every registry."""
    return lambda _, __, ___: Offers(credentials=credentials, problems=problems)


def password(username: str, secret: str) -> Credential:
    """A credential."""
    return Credential(origin=f"secret of {username}", username=username, password=secret)


def found(asked: EntrypointLookup, image: str, **wanted: Any) -> Entrypoint:
    """What the image starts."""
    answer = asked.look_up(Wanted(image=image, **wanted))
    assert isinstance(answer, Entrypoint), answer
    return answer


def failed(asked: EntrypointLookup, image: str, **wanted: Any) -> str:
    """Why nobody knows."""
    answer = asked.look_up(Wanted(image=image, **wanted))
    assert isinstance(answer, Failure), answer
    return answer.message
