"""What the webhook would ask outside about one pod, answered from the files; what they do not tell is noted.

Pure. A registry is never asked. A ConfigMap that nobody knows counts as one that the webhook may not read, which is
the safe side: its variables are looked at when the pod runs.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from ctl.manifest import Document
from ctl.workload import objects_of
from webhook.account_cache import account_key
from webhook.entrypoint.manifest import Entrypoint
from webhook.entrypoint.question import Failure, Wanted
from webhook.secrets.look_ups import OFFLINE, LookUps, Missing

KnownConfigMaps = Mapping[str, Mapping[str, str] | Missing]
"""Their text keys by NAMESPACE/NAME."""
Registries = Literal["unknown", "assumed"]
"""What becomes of a container whose command only a registry knows: refused, or taken as if the answer had come."""

# Stands where the answer of a registry would; a command that no image has.
ASSUMED = Entrypoint(entrypoint=("<the entrypoint of the image>",), cmd=())


def config_maps_in(documents: Iterable[Document], namespace: str | None) -> dict[str, Mapping[str, str] | Missing]:
    """The ConfigMaps of these documents; `namespace` holds where one names none."""
    found: dict[str, Mapping[str, str] | Missing] = {}
    for document in documents:
        for one in objects_of(document.content, namespace):
            if (one.group, one.kind) == ("", "ConfigMap"):
                found[account_key(one.namespace, one.name)] = texts(one.manifest.get("data"))
    return found


def texts(data: Any) -> dict[str, str]:
    """The entries that are text, as the API server takes no others."""
    return {key: text for key, text in data.items() if isinstance(text, str)} if isinstance(data, dict) else {}


class FromFiles:
    """Both of the webhook's look-ups, for one pod."""

    def __init__(self, config_maps: KnownConfigMaps, registries: Registries) -> None:
        self.unknown_config_maps: list[str] = []
        self.images: list[str] = []
        """Those whose registry would be asked."""
        self._config_maps = config_maps
        self._registries = registries

    @property
    def look_ups(self) -> LookUps:
        """As `mutate` takes them."""
        return LookUps(config_maps=self, entrypoints=self)

    def data(self, namespace: str, name: str) -> Mapping[str, str] | Missing:
        """The text keys of a ConfigMap."""
        key = account_key(namespace, name)
        found = self._config_maps.get(key)
        if found is None:
            self.unknown_config_maps.append(key)
        return "forbidden" if found is None else found

    def look_up(self, wanted: Wanted) -> Entrypoint | Failure:
        """Nobody is asked."""
        self.images.append(wanted.image)
        return ASSUMED if self._registries == "assumed" else OFFLINE.entrypoints.look_up(wanted)
