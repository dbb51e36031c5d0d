"""The pod must not start with its secrets like this."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from webhook.decision import FORBIDDEN, Deny, DenyReason


class RefusedError(Exception):
    """Becomes the denial that it holds."""

    def __init__(self, reason: DenyReason, message: str, code: int = FORBIDDEN) -> None:
        super().__init__(message)
        self.deny = Deny(reason=reason, message=message, code=code)


class Refusals:
    """What is refused of things that do not depend on each other: all of it is found before the first is raised."""

    def __init__(self) -> None:
        self._found: list[RefusedError] = []

    @contextmanager
    def collected(self) -> Iterator[None]:
        """A refusal in here is kept."""
        try:
            yield
        except RefusedError as exc:
            self._found.append(exc)

    def raise_first(self) -> None:
        """Raises the first `RefusedError`, which names the others; nothing where there is none."""
        if not self._found:
            return
        first, *_ = self._found
        messages = [message for each in self._found for message in (each.deny.message, *each.deny.also)]
        first.deny = replace(first.deny, also=tuple(dict.fromkeys(messages[1:])))
        raise first
