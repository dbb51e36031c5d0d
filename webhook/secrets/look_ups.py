"""What has to be asked outside before a pod's secrets can be decided: ConfigMaps, and images for their entrypoints.

Pure: the questions, their answers, and one Protocol each. `OFFLINE` asks nobody, and says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from webhook.entrypoint.manifest import Entrypoint
from webhook.entrypoint.question import Failure, Wanted

Missing = Literal["absent", "forbidden"]
"""There is no such ConfigMap; or the webhook may not read it, and so nobody here knows what it holds."""


class LookUpUnavailableError(Exception):
    """The API server gave no usable answer in time; the message names the object and says to retry."""


class ConfigMaps(Protocol):
    """Where the data of ConfigMaps comes from."""

    def data(self, namespace: str, name: str) -> Mapping[str, str] | Missing:
        """The text keys of a ConfigMap. Raises `LookUpUnavailableError`."""


class Entrypoints(Protocol):
    """Where the entrypoints of images come from."""

    def look_up(self, wanted: Wanted) -> Entrypoint | Failure:
        """What an image starts; bounded in time. Raises nothing but bugs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUps:
    """Both sources."""

    config_maps: ConfigMaps = field(repr=False)
    entrypoints: Entrypoints = field(repr=False)


class _UnreadConfigMaps:
    def data(self, namespace: str, name: str) -> Missing:
        """As for a webhook that has no permission."""
        del namespace, name
        return "forbidden"


@dataclass(frozen=True, slots=True)
class Unasked:
    """`Entrypoints` of nobody."""

    why: str

    def look_up(self, wanted: Wanted) -> Failure:
        """Nothing is asked."""
        del wanted
        return Failure(self.why)


OFFLINE = LookUps(config_maps=_UnreadConfigMaps(), entrypoints=Unasked("it is not looked up offline"))
