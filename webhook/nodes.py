"""Which kubelets does this cluster have? From a watch of its nodes, or from GET /version where they may not be read.

The API server may go away: what is known holds. RBAC may grant the nodes later, or never: that is asked for rarely, and
it is a detail of readiness, not a problem.
"""

import logging
import threading
from collections.abc import Callable

from kube.client import Client
from kube.config import Connection
from kube.errors import KubeError, UnavailableError
from kube.watch import Pace, Watch
from webhook.kubelet_version import (
    SKEW,
    Floor,
    NodeVersions,
    Version,
    keep_node,
    oldest_beside,
    server_version,
    shown,
)

_log = logging.getLogger(__name__)

COLLECTION = "/api/v1/nodes"
VERSION = "/version"
# A node weighs 10 to 20 KB, ten times a service account: a page of them must not be what a worker's memory is made for.
PACE = Pace(page_size=50, forbidden_cap=300.0)
# Between two looks at the API server's version, which changes with an upgrade of the control plane.
_LOOK_SECONDS = 600.0
_LOOK_AGAIN_SECONDS = 0.01


class WatchedNodes:
    """The kubelet version floor of a cluster. Make and start it in each worker: threads do not survive a fork."""

    def __init__(
        self,
        connection: Connection,
        *,
        clock: Callable[[], float],
        random: Callable[[], float],
        pace: Pace = PACE,
        look_seconds: float = _LOOK_SECONDS,
    ) -> None:
        """`clock` is monotonic seconds, `random` from 0 to 1."""
        self._nodes = NodeVersions()
        self._watch = Watch(
            Client(connection, connections=1),
            COLLECTION,
            keep=keep_node,
            consumer=self._nodes,
            clock=clock,
            random=random,
            pace=pace,
        )
        self._client = Client(connection, connections=1)
        self._clock = clock
        self._random = random
        self._pace = pace
        self._look_seconds = look_seconds
        self._server: Version | None = None
        self._failure: KubeError | None = None
        """Why GET /version gave nothing the last time."""
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to list, watch and ask."""
        self._watch.start()
        self._thread = threading.Thread(target=self._follow_server, name="API server's version", daemon=True)
        self._thread.start()

    def await_floor(self, seconds: float) -> None:
        """Until the floor is known or nobody will tell, at most so long: what is injected meanwhile can't be mended."""
        deadline = self._clock() + seconds
        while self.unready and self._clock() < deadline:
            self._stopping.wait(_LOOK_AGAIN_SECONDS)

    def stop(self) -> None:
        """End at once."""
        self._stopping.set()
        self._client.close()
        self._watch.stop()
        if self._thread is not None:
            self._thread.join(5.0)

    @property
    def version(self) -> Version | None:
        """The floor, cheap enough for every review; None while it is not known."""
        lowest = self._nodes.lowest
        if lowest is not None or self._server is None:
            return lowest
        return oldest_beside(self._server)

    @property
    def floor(self) -> Floor:
        """The floor and where it comes from."""
        if self._nodes.lowest is not None:
            return Floor(version=self._nodes.lowest, source="nodes", reason=self._nodes.reason)
        if self._server is None:
            reason = self.unready or "as neither the nodes nor /version may be read"
            return Floor(version=None, source="unknown", reason=f"{reason}: what needs a newer kubelet is not used")
        reason = f"the API server's {shown(self._server)} less {SKEW}: {self._why_no_node()}"
        return Floor(version=oldest_beside(self._server), source="api-server", reason=reason)

    @property
    def unready(self) -> str:
        """Why the floor that will hold is not known yet; "" if it is, or if nobody will tell."""
        if self._nodes.lowest is not None:
            return ""
        if not self._nodes.is_listed and not self._watch.is_forbidden:
            return f"nodes are not yet listed: {self._watch.problem or 'the first list is on its way'}"
        if self._server is None and (self._failure is None or isinstance(self._failure, UnavailableError)):
            return f"the API server's version is not yet known: {self._failure or 'the answer is on its way'}"
        return ""

    @property
    def problem(self) -> str | None:
        """What is wrong while the last good state holds. That nodes may not be read is an operator's choice."""
        if self._watch.problem is not None and (self._nodes.is_listed or not self._watch.is_forbidden):
            return self._watch.problem
        return str(self._failure) if self._failure and self._nodes.lowest is None else None

    def _why_no_node(self) -> str:
        if self._nodes.is_listed:
            return self._nodes.reason
        if self._watch.is_forbidden:
            return "nodes may not be read; grant list and watch on nodes by RBAC, or set --kubelet-version-floor"
        return "nodes are not yet listed"

    def _follow_server(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                self._server, self._failure = server_version(self._client.get(VERSION)), None
            except KubeError as exc:
                if not self._stopping.is_set() and str(exc) != str(self._failure):
                    _log.warning("the API server's version can't be read: %s", exc)
                self._failure = exc
                ceiling = min(self._pace.backoff_cap, self._pace.backoff_first * 2.0 ** min(failures, 30))
                failures += 1
                delay = self._random() * ceiling
            else:
                failures, delay = 0, self._look_seconds
            self._stopping.wait(delay)
