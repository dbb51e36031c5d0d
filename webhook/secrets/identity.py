"""Who reads the pod's secrets, and as whom?

Pure. In this order, the first that there is:

| identity | role |
|---|---|
| direct, of a pod with piggysec.com/standalone | the one that the container's author brought, with its token |
| direct | the pod's, or else the one that the container's author brought |
| broker | the pod's, whose token the broker exchanges; without one the broker's own, which must be allowed |
"""

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from contract import annotations as keys
from contract import environ, secrets
from secretenv.plan import Broker
from secretenv.references import Item, Parameter, ParameterPath, Secret, Source
from webhook.decision import OwnIdentity, WebIdentity
from webhook.env import INJECTED_VARIABLES, Entry, read_env
from webhook.pod import Container
from webhook.precedence import Annotations
from webhook.secrets.asked import Asked
from webhook.secrets.needs import Needs
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
    needs: Needs, asked: Asked, identity: WebIdentity | None, settings: Settings, gathered: Annotations
) -> Reader:
    """Who reads. Raises `RefusedError`."""
    region = asked.region or _own_region(needs, settings)
    if asked.identity == "broker":
        return Reader(broker=_broker(settings, gathered), own=None, region=region)
    standalone = asked.piggy is not None and asked.piggy.standalone
    own = None if identity and not standalone else _own_identity(needs, settings, gathered)
    if own and asked.piggy and asked.piggy.region:
        # It is about the secrets alone; ours sets the region of containers that set none.
        own = OwnIdentity(env=tuple(each for each in own.env if each["name"] not in _REGIONS), mount=own.mount)
    elif own:
        region = _own_region(needs, settings) or region
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


def _own_identity(needs: Needs, settings: Settings, gathered: Annotations) -> OwnIdentity | None:
    """The first container's that brings a role, a token file, and the mount on which it lies."""
    for container in needs.served:
        author = _authors_variables(container, settings)
        token_file = author.get(environ.AWS_WEB_IDENTITY_TOKEN_FILE, {}).get("value")
        mount = _mount_of(str(token_file or ""), container.get("volumeMounts") or ())
        if environ.AWS_ROLE_ARN in author and mount:
            _refuse_other_roles(container, needs, settings, gathered)
            taken = tuple(dict(author[name]) for name in INJECTED_VARIABLES if name in author)
            return OwnIdentity(env=taken, mount={**mount, "readOnly": True})
    return None


def _refuse_other_roles(taken: Container, needs: Needs, settings: Settings, gathered: Annotations) -> None:
    """One role reads for all: a container that brings none is served with it, one that brings another must not be.

    Where no container with references brings a role, nobody has said which of the others' it shall be.
    """
    role = _authors_variables(taken, settings)[environ.AWS_ROLE_ARN]
    with_references = {one.name: one for one in needs.containers}
    for other in needs.served:
        one, others = with_references.get(other["name"]), _authors_variables(other, settings).get(environ.AWS_ROLE_ARN)
        if others is None or others == role:
            continue
        if (one and one.templates) or taken["name"] not in with_references:
            raise RefusedError(
                "no_role",
                f"{gathered.pod_place}: containers {taken['name']!r} and {other['name']!r} bring different roles in "
                f"{environ.AWS_ROLE_ARN}, and one pod reads its secrets with one role: give them one that may read the "
                "secrets of both, or make two pods of it",
            )
        if one:
            gathered.warn(
                f"container {one.name}: if its variables become references, they are read with the role of container "
                f"{taken['name']}, not with its own: one pod reads its secrets with one role"
            )


def _mount_of(path: str, mounts: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The innermost mount that holds the file."""
    holding = [mount for mount in mounts if _holds(str(mount.get("mountPath") or ""), path)]
    return max(holding, key=lambda mount: len(str(mount["mountPath"])), default=None)


def _holds(mount_path: str, path: str) -> bool:
    return bool(mount_path) and path.startswith(f"{posixpath.normpath(mount_path).rstrip('/')}/")


def _own_region(needs: Needs, settings: Settings) -> str | None:
    """The one that a container's author wrote down."""
    for container in needs.served:
        author = _authors_variables(container, settings)
        for name in _REGIONS:
            value = author.get(name, {}).get("value")
            if value:
                return str(value)
    return None


def _authors_variables(container: Container, settings: Settings) -> Mapping[str, Entry]:
    """Without those that a review of ours appended."""
    return read_env(container, settings.volume_name).author


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
        case Secret(name=name) | Parameter(name=name) | Item(table=name):
            return name.startswith("arn:")
        case ParameterPath():
            return False
