"""Events as JSON lines on stderr: stdout is the token's alone, where --print asks for it.

Fields are names, numbers and our own texts, never a token; a log that nobody can take stops nothing.
"""

from __future__ import annotations

import json
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from injector.refresh import LogEvent

LEVELS = {"debug": 0, "info": 1, "warning": 2, "error": 3}
STDERR = 2


class Log:
    """Writes the events of `level` and above."""

    def __init__(self, *, level: str, descriptor: int = STDERR) -> None:
        self._least = LEVELS[level]
        self._descriptor = descriptor

    def __call__(self, level: str, event: str, **fields: object) -> None:
        """Write one event, at the time of the wall clock."""
        if LEVELS[level] < self._least:
            return
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        line = json.dumps({"time": when, "level": level, "event": event, **fields})
        try:
            os.write(self._descriptor, f"{line}\n".encode())
        except OSError:
            return  # a full or closed log must not cost the pod its token


def log_bug(log: LogEvent, exc: Exception) -> None:
    """Log where it is: the frames only, for an unexpected error's own text may quote what it choked on."""
    import traceback

    log("error", "bug", error=type(exc).__name__, traceback="".join(traceback.format_tb(exc.__traceback__)))
