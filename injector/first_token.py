"""The first token, fetched in a thread: that is waiting, and what reads secrets takes as long to import."""

from __future__ import annotations

from threading import Thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class FirstToken:
    """Is being fetched from the beginning on."""

    def __init__(self, fetch: Callable[[], object]) -> None:
        self._fetch = fetch
        self._error: Exception | None = None
        # Who ends without having waited does not want it any more.
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Return when it is there; raises what `fetch` raised."""
        self.end()
        if self._error:
            raise self._error

    def end(self, *, within: float | None = None) -> None:
        """Return when it is there or has failed, which somebody else tells; after `within` seconds at the latest."""
        self._thread.join(within)

    def _run(self) -> None:
        try:
            self._fetch()
        except Exception as exc:  # noqa: BLE001 - a thread's outermost place: `wait` raises it where bugs are logged
            self._error = exc
