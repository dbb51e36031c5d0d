"""From which ConfigMaps and Secrets does a pod take variables? Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from webhook import pod as pods

Kind = Literal["ConfigMap", "Secret"]


@dataclass(frozen=True, slots=True)
class Origin:
    """An object, or one key of it."""

    kind: Kind
    name: str
    key: str | None
    """None: all of them."""


def origins(pod: Mapping[str, Any]) -> Iterator[tuple[Kind, str]]:
    """Kind and name of each object, as often as it is named."""
    for which in pods.CONTAINER_LISTS:
        for container in pods.containers(pod, which):
            yield from ((one.kind, one.name) for one in origins_of(container))


def origins_of(container: Mapping[str, Any]) -> Iterator[Origin]:
    """Those of one container."""
    for source in container.get("envFrom") or ():
        yield from _named(source, "configMapRef", "secretRef")
    for entry in container.get("env") or ():
        yield from _named(entry.get("valueFrom") or {}, "configMapKeyRef", "secretKeyRef")


def _named(source: Mapping[str, Any], of_config_map: str, of_secret: str) -> Iterator[Origin]:
    kinds: tuple[tuple[Kind, str], ...] = (("ConfigMap", of_config_map), ("Secret", of_secret))
    for kind, field in kinds:
        reference = source.get(field) or {}
        if isinstance(reference.get("name"), str):
            yield Origin(kind=kind, name=reference["name"], key=reference.get("key"))
