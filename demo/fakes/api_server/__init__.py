"""An API server for tests: objects, lists in pages, watches, writes, and a script of what goes wrong.

It refuses what the real one refuses: a missing token or right, an old resourceVersion, an expired continue token, an
object that is invalid.
"""

import ssl

from demo.fakes.api_server.handler import handler
from demo.fakes.api_server.state import State
from demo.fakes.listener import Listener


class ApiServer(State):
    """Serves its state until closed."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, tokens: set[str] | None = None) -> None:
        """`tokens` are those that are accepted; None accepts every request."""
        super().__init__(tokens)
        self._scheme = "https" if tls else "http"
        self._listener = Listener("127.0.0.1", 0, handler(self, tls))
        self._listener.up()

    @property
    def host(self) -> str:
        """127.0.0.1:PORT."""
        return self._listener.host

    @property
    def url(self) -> str:
        """Where it is."""
        return f"{self._scheme}://{self.host}"

    def down(self) -> None:
        """Refuse connections; open ones end."""
        self.end_streams()
        self._listener.down()

    def up(self) -> None:
        """Serve again."""
        self.closing = False
        self._listener.up()

    def close(self) -> None:
        """Stop for good."""
        self.end_streams()
        self._listener.close()
