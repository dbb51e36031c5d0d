"""What is written down, and where?

Events (one line a request, and where the server listens) are JSON on stdout, whatever the log level. All else goes
through logging to stderr. Neither holds a pod: an exception is logged without its message, which may quote one.
"""

import contextlib
import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import Any

# logrus' names, which the seed's --log-level takes.
_LEVELS = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "fatal": logging.CRITICAL,
    "panic": logging.CRITICAL,
}
_LONGEST = 253  # a Kubernetes name; more in a log field is not a name
_STDOUT = 1


class EventLog:
    """Events as lines of JSON. A line is one write, so that processes and threads don't mix theirs."""

    def __init__(self, file_descriptor: int = _STDOUT) -> None:
        self._file_descriptor = file_descriptor

    def write(self, event: str, fields: Mapping[str, Any]) -> None:
        """Write one event."""
        shown = {key: value[:_LONGEST] if isinstance(value, str) else value for key, value in fields.items()}
        line = json.dumps({"time": _now(), "event": event, **shown}, separators=(",", ":"))
        # Nobody reads stdout any more: no reason to fail a request.
        with contextlib.suppress(OSError):
            os.write(self._file_descriptor, line.encode() + b"\n")


class TextFormatter(logging.Formatter):
    """A line for people."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name
        """Where and what kind, without the message."""
        return describe_exception(ei[1])


class JsonFormatter(TextFormatter):
    """The same as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line = {"time": _now(record.created), "level": record.levelname.lower(), "logger": record.name}
        line["message"] = record.getMessage()
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, separators=(",", ":"))


def configure(level: str, *, as_json: bool) -> None:
    """Send this process's log to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if as_json else TextFormatter())
    logging.basicConfig(handlers=[handler], level=_LEVELS[level], force=True)


def describe_exception(exc: BaseException | None) -> str:
    """The stack and the exceptions' types. Not their messages: a KeyError's is a key, a ValueError's often a value."""
    parts: list[str] = []
    while exc is not None:
        parts.append(f"{_stack(exc.__traceback__)}{type(exc).__module__}.{type(exc).__qualname__}")
        exc = exc.__cause__ or (None if exc.__suppress_context__ else exc.__context__)
    return "\ncaused by:\n".join(parts)


def _stack(trace: TracebackType | None) -> str:
    return "".join(traceback.format_tb(trace))


def _now(seconds: float | None = None) -> str:
    seconds = time.time() if seconds is None else seconds
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{int(seconds % 1 * 1000):03d}Z"
