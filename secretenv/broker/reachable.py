"""Does the API server answer? Looked at now and then, whether or not pods ask: readiness says so."""

import threading
from collections.abc import Callable
from typing import Any, Protocol

from kube.errors import KubeError

_PATH = "/version"
_TIMEOUT = 3.0
_PERIOD = 5.0


class Asks(Protocol):
    """The API server (kube.client.Client)."""

    def get(self, path: str, *, timeout: float) -> dict[str, Any]:
        """Raises `KubeError`."""


class Reachable:
    """A thread that asks for the API server's version."""

    def __init__(self, api: Asks, *, wait: Callable[[float], bool] | None = None) -> None:
        """`wait` sleeps for so many seconds; whether it was told to end."""
        self._api = api
        self._over = threading.Event()
        self._wait = wait or self._over.wait
        self._thread = threading.Thread(target=self._run, name="api-server", daemon=True)
        self.problem: str | None = "not yet asked"
        """Why pods cannot be told apart now; None while they can."""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; a request that is under way is not waited for."""
        self._over.set()

    def look(self) -> None:
        """Once."""
        try:
            self._api.get(_PATH, timeout=_TIMEOUT)
        except KubeError as exc:
            self.problem = str(exc)
        else:
            self.problem = None

    def _run(self) -> None:
        while True:
            self.look()
            if self._wait(_PERIOD):
                return
