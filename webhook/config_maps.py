"""What does this ConfigMap hold? Read one by one, for pods that ask for references in it.

Bounded as the look-up of service accounts is: one request per ConfigMap at a time, few at once, a short memory of every
answer. Who may not read ConfigMaps is told so each time, and a permission that is granted later counts.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from kube.client import Client
from kube.config import Connection
from kube.errors import ForbiddenError, UnexpectedObjectError
from webhook.account_lookup import LookupFailedError, LookupLimits, Lookups
from webhook.secrets.look_ups import LookUpUnavailableError, Missing

_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
# Known by what it is, not by what it holds.
_FORBIDDEN: Mapping[str, str] = MappingProxyType({})


class ReadConfigMaps:
    """`ConfigMaps` of a cluster. Make it in each worker: threads and connections do not survive a fork."""

    def __init__(
        self, connection: Connection, *, clock: Callable[[], float], limits: LookupLimits | None = None
    ) -> None:
        """`clock` is monotonic seconds."""
        self._limits = limits or LookupLimits()
        self._client = Client(connection, connections=self._limits.concurrent)
        self._lookups = Lookups(self._fetch, abandon=self._client.interrupt, clock=clock, limits=self._limits)

    def data(self, namespace: str, name: str) -> Mapping[str, str] | Missing:
        """The text keys of a ConfigMap. Raises `LookUpUnavailableError`."""
        if not _NAMESPACE.fullmatch(namespace) or not _NAME.fullmatch(name):
            return "absent"
        try:
            found = self._lookups.find(namespace, name)
        except LookupFailedError as exc:
            raise LookUpUnavailableError(
                f"ConfigMap {namespace}/{name}, from which the pod takes variables, can't be read now: {exc}. Nothing "
                "is wrong with the pod: retry"
            ) from exc
        if found is None:
            return "absent"
        return "forbidden" if found is _FORBIDDEN else found

    def stop(self) -> None:
        """End every request at once."""
        self._lookups.stop()
        self._client.close()

    def _fetch(self, namespace: str, name: str) -> Mapping[str, str]:
        path = f"/api/v1/namespaces/{namespace}/configmaps/{name}"
        try:
            return _data(self._client.get(path, timeout=self._limits.timeout), f"GET {path}")
        except ForbiddenError:
            return _FORBIDDEN


def _data(obj: Mapping[str, Any], request: str) -> Mapping[str, str]:
    data = obj.get("data") or {}
    if not isinstance(data, dict) or not all(isinstance(text, str) for text in data.values()):
        raise UnexpectedObjectError(f"{request}: data must be a map of strings")
    return data
