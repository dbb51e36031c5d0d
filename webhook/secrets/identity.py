"""Who reads the pod's secrets, and as whom?

Pure. In this order, the first that there is:

| identity | role |
|---|---|
| direct, of a pod with piggysec.com/standalone | the one that the container's author brought, with its token |
| direct | the pod's, or else the one that the container's author brought |
| broker | the pod's, whose token the broker exchanges; without one the broker's own, which must be allowed |
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from contract import annotations as keys
from contract import environ, secrets
from secretenv.plan import Broker
from secretenv.references import Item, Parameter, ParameterPath, Secret, Source
from webhook.decision import OwnIdentity, WebIdentity
from webhook.env import Entry
from webhook.precedence import Annotations
from webhook.secrets.asked import Asked
from webhook.secrets.needs import Needs
from webhook.secrets.own_identity import own_identity, read_brought
from webhook.secrets.refused import RefusedError
from webhook.settings import Settings

_REGIONS = (environ.AWS_REGION, environ.AWS_DEFAULT_REGION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Who reads, and where."""

    broker: Broker | None
    own: OwnIdentity | None
    """Instead of the pod's web identity."""
    region: str | None


def choose_reader(
    needs: Needs,
    asked: Asked,
    identity: WebIdentity | None,
    settings: Settings,
    gathered: Annotations,
    *,
    is_labelled: bool,
) -> Reader:
    """Who reads; a labelled pod's containers get the web identity too. Raises `RefusedError`."""
    region = asked.region or _own_region(needs, settings)
    if asked.identity == "broker":
        return Reader(broker=_broker(settings, gathered), own=None, region=region)
    standalone = asked.piggy is not None and asked.piggy.standalone
    given = identity if is_labelled else None
    own = None if identity and not standalone else own_identity(needs, given, settings, gathered)
    if own and asked.piggy and asked.piggy.region:
        # It is about the secrets alone; ours sets the region of containers that set none.
        own = OwnIdentity(env=tuple(each for each in own.env if each["name"] not in _REGIONS), mount=own.mount)
    elif own:
        brought = {each["name"]: each for each in own.env}
        # Of a container that sets none it is what this review appends, and the next one finds there.
        region = _region_of(brought) or (given.region if given else None) or _own_region(needs, settings) or region
        if not _region_of(brought) and any(name in brought for name in _REGIONS):
            return Reader(broker=None, own=own, region=None)  # it has one, which only the container will know
    if identity is None and own is None:
        raise RefusedError(
            "no_role",
            f"{gathered.pod_place}: its secrets are read with its own role, and it has none: annotate "
            f"{gathered.account_place} with {keys.ROLE_ARN}, or set the annotation {keys.SECRET_IDENTITY} to broker"
            + (
                f"; piggysec.com/standalone also takes {environ.AWS_ROLE_ARN} and "
                f"{environ.AWS_WEB_IDENTITY_TOKEN_FILE} of the container and the mount on which that file is"
                if standalone
                else ""
            ),
        )
    _refuse_without_region(needs, region, gathered)
    return Reader(broker=None, own=own, region=region)


def _broker(settings: Settings, gathered: Annotations) -> Broker:
    if not settings.secrets.broker_address:
        asked_by = (
            gathered.source(keys.SECRET_IDENTITY)
            if gathered.has(keys.SECRET_IDENTITY)
            else f"{gathered.pod_place}, piggysec.com/piggy-address"
        )
        raise RefusedError(
            "no_broker",
            f"{asked_by}: a broker shall read the secrets, and the webhook knows none: ask its operator for "
            f"--broker-address, or set {keys.SECRET_IDENTITY} to direct",
        )
    return Broker(
        address=settings.secrets.broker_address,
        ca=settings.secrets.broker_ca,
        token_file=f"{secrets.BROKER_TOKEN_PATH}/{secrets.BROKER_TOKEN_FILE}",
    )


def _own_region(needs: Needs, settings: Settings) -> str | None:
    """The one that a container's author wrote down."""
    found = (_region_of(read_brought(container, None, settings).variables) for container in needs.served)
    return next((region for region in found if region), None)


def _region_of(variables: Mapping[str, Entry]) -> str | None:
    values = (variables.get(name, {}).get("value") for name in _REGIONS)
    return next((str(value) for value in values if value), None)


def _refuse_without_region(needs: Needs, region: str | None, gathered: Annotations) -> None:
    if region:
        return
    for place, source in _sources(needs):
        if not _says_region(source):
            raise RefusedError(
                "no_region",
                f"{gathered.pod_place}: {place}: no AWS region is known for this reference: set the annotation "
                f"{keys.REGION}, or write a full ARN",
            )


def _sources(needs: Needs) -> Iterator[tuple[str, Source]]:
    for one in needs.containers:
        for name, template in one.templates.items():
            for reference in template.references:
                yield f"container {one.name!r}, variable {name}", reference.source
    for name, template in needs.files.items():
        for reference in template.references:
            yield f"annotation {keys.SECRET_FILE_PREFIX}{name}", reference.source


def _says_region(source: Source) -> bool:
    match source:
        case Secret(name=name) | Parameter(name=name) | ParameterPath(path=name) | Item(table=name):
            return name.startswith("arn:")
