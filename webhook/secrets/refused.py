"""The pod must not start with its secrets like this."""

from webhook.decision import FORBIDDEN, Deny, DenyReason


class RefusedError(Exception):
    """Becomes the denial that it holds."""

    def __init__(self, reason: DenyReason, message: str, code: int = FORBIDDEN) -> None:
        super().__init__(message)
        self.deny = Deny(reason=reason, message=message, code=code)
