"""A request that gets no answer, and why."""


class RefusedError(Exception):
    """The message is for whoever asked; `status` is HTTP's, `reason` the label in metrics and log."""

    def __init__(self, status: int, reason: str, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.retry_after = retry_after
        """Seconds."""


def busy(message: str) -> RefusedError:
    """Nothing is wrong with the request: ask again in a second."""
    return RefusedError(503, "busy", message, retry_after=1)


def unavailable(message: str) -> RefusedError:
    """What is needed for an answer is away: ask again."""
    return RefusedError(503, "unavailable", message, retry_after=1)
