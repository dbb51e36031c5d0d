"""What do the ConfigMaps hold that stand among the manifests?

Pure. The webhook asks the API server; what no file has is unknown here, and unknown is not absent.
"""

from collections.abc import Iterable, Mapping

from ctl.manifest import Document
from ctl.workload import objects_of
from webhook.secrets.look_ups import Missing


class ManifestConfigMaps:
    """`ConfigMaps` of these documents."""

    def __init__(self, documents: Iterable[Document], namespace: str | None) -> None:
        """`namespace` holds where an object names none."""
        self._data: dict[tuple[str, str], Mapping[str, str]] = {}
        for document in documents:
            for one in objects_of(document.content, namespace):
                if (one.group, one.kind) == ("", "ConfigMap"):
                    data = one.manifest.get("data")
                    texts = data.items() if isinstance(data, dict) else ()
                    self._data[one.namespace, one.name] = {str(key): str(text) for key, text in texts}

    def data(self, namespace: str, name: str) -> Mapping[str, str] | Missing:
        """The text keys of a ConfigMap."""
        return self._data.get((namespace, name), "forbidden")
