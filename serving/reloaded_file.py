"""A file that somebody else replaces, the kubelet by swapping a volume's `..data` among them.

Looked at for each use, read when it changed. A broken one leaves the last good content in force, and says so.
"""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from kube.signature import Signature, signature

_log = logging.getLogger(__name__)

T = TypeVar("T")


class FileError(Exception):
    """The file can't be used; the message names it, the place in it, and what is expected."""


class ReloadedFile(Generic[T]):
    """What a file says, for many threads."""

    def __init__(
        self,
        path: str | Path,
        parse: Callable[[str, str], T],
        *,
        error: type[FileError],
        expected: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Read it. Raises `error`: a start with a broken file must fail.

        `parse` makes the content of a text and its origin, and raises `error`; `expected` says what file to give.
        `clock` is seconds since 1970.
        """
        self._path = Path(path)
        self._parse = parse
        self._error = error
        self._expected = expected
        self._clock = clock
        self._lock = threading.Lock()
        # First the look, then the read: a change in between is one more change at the next look.
        self._signature = signature(self._path)
        self._content = self._read()
        self.loaded_at = clock()
        """When the content in force was read, in seconds since 1970."""
        self.failures = 0
        """How many changed files could not be used."""
        self.problem: str | None = None
        """Why the file as it is now is not in force; None while it is."""

    def content(self) -> T:
        """What the last good file says."""
        found = signature(self._path)
        if found != self._signature:
            self._reload(found)
        return self._content

    def _reload(self, found: Signature | None) -> None:
        with self._lock:
            if found == self._signature:
                return
            try:
                self._content, self.problem, self.loaded_at = self._read(), None, self._clock()
            except self._error as exc:
                self.failures += 1
                if self.problem != str(exc):
                    _log.error("the changed file is not used, the last good one stays: %s", exc)
                self.problem = str(exc)
            else:
                _log.info("%s has changed and is in force", self._path)
            self._signature = found

    def _read(self) -> T:
        try:
            text = self._path.read_text(encoding="utf-8")
        except OSError as exc:
            raise self._error(f"{self._path}: {exc.strerror}: give {self._expected}") from exc
        except UnicodeDecodeError:
            raise self._error(f"{self._path}: not UTF-8: expected YAML") from None  # its text quotes the file
        return self._parse(text, str(self._path))
