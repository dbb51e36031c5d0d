"""A token that something else wrote to a file: for tests, demos and clusters with their own token agent."""

from __future__ import annotations

from contract import exit_codes
from injector import tokenfile
from injector.errors import RefreshError


class FileSource:
    """Reads the file at every fetch."""

    def __init__(self, *, path: str) -> None:
        self._path = path

    def fetch(self, *, audience: str, timeout: float) -> str:  # noqa: ARG002 - the file has one audience, at once
        """Give the file's text without the white space around it."""
        try:
            text = tokenfile.read(self._path)
        except RefreshError as exc:
            raise RefreshError(str(exc), exit_code=exit_codes.SOURCE_UNAVAILABLE) from exc
        if not text:
            raise RefreshError(
                f"there is no token in {self._path}; write one there, or correct --source-file",
                exit_code=exit_codes.SOURCE_UNAVAILABLE,
            )
        return text.strip()
