"""What has to be asked outside before a pod's secrets can be decided: ConfigMaps, and images for their entrypoints.

Pure: the questions, their answers, and one Protocol each. `OFFLINE` asks nobody, and says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

Missing = Literal["absent", "forbidden"]
"""There is no such ConfigMap; or the webhook may not read it, and so nobody here knows what it holds."""


class LookUpUnavailableError(Exception):
    """The API server gave no usable answer in time; the message names the object and says to retry."""


class ConfigMaps(Protocol):
    """Where the data of ConfigMaps comes from."""

    def data(self, namespace: str, name: str) -> Mapping[str, str] | Missing:
        """The text keys of a ConfigMap. Raises `LookUpUnavailableError`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageQuestion:
    """A container's image, and on whose behalf its configuration is read."""

    container: str
    image: str
    pull_policy: str | None
    """As the pod says it; None: Kubernetes' default for the tag."""
    pull_secrets: tuple[str, ...]
    """Names: those of spec.imagePullSecrets, and piggy's."""
    pull_secret_namespace: str
    """Where these are: the pod's namespace, unless piggy's annotation says another."""
    service_account: str
    namespace: str
    architecture: str | None
    """kubernetes.io/arch of the nodes on which the pod may run; None: the pod does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrypoint:
    """What an image starts: ENTRYPOINT and CMD in exec form, as they stand in its configuration."""

    entrypoint: tuple[str, ...]
    cmd: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFound:
    """Why nobody knows; each source that was asked and its error."""

    message: str


class Entrypoints(Protocol):
    """Where the entrypoints of images come from."""

    def look_up(self, question: ImageQuestion) -> Entrypoint | NotFound:
        """The image's own; bounded in time. Raises nothing but bugs."""


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


class _UnaskedRegistries:
    def look_up(self, question: ImageQuestion) -> NotFound:
        """Nothing is asked."""
        del question
        return NotFound(message="not looked up offline")


OFFLINE = LookUps(config_maps=_UnreadConfigMaps(), entrypoints=_UnaskedRegistries())
