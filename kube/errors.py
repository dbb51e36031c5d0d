"""What can go wrong between us and the API server.

Each message names the method, the path and what to do about it. Bodies and credentials never appear in one.
"""

# A Status message is a sentence; what is longer has been written by something else.
MESSAGE_LIMIT = 256


class KubeError(Exception):
    """Anything this package raises."""


class ConnectionConfigError(KubeError):
    """The kubeconfig or the pod's own service account can't be used; the operator must act."""


class NotFoundError(KubeError):
    """404: there is no such object, or the API server does not serve this resource."""


class UnauthorizedError(KubeError):
    """401: the API server does not know who we are."""


class ForbiddenError(KubeError):
    """403: RBAC grants us too little."""


class ConflictError(KubeError):
    """409: the object is not any more as it was when we read it; read it again."""


class AlreadyExistsError(ConflictError):
    """409 to a create: somebody was faster; read what there is."""


class GoneError(KubeError):
    """410: a resourceVersion or a continue token is too old; list again."""


class RefusedError(KubeError):
    """Any other answer that a repetition does not mend."""


class UnexpectedObjectError(KubeError):
    """An object is not of the kind that was asked for; the message says what is missing."""


class UnavailableError(KubeError):
    """No usable answer now: connection, time limit, 429, 5xx, or a broken body. Worth a retry."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds for which the API server asked us to stay away."""


# Of the rest, what is not a refusal for good. https://kubernetes.io/docs/reference/using-api/api-concepts/
_TOO_MANY_REQUESTS = 429
_SERVER_ERRORS = range(500, 600)


def status_error(
    code: int,
    *,
    request: str,
    message: str | None,
    verb: str,
    reason: str | None = None,
    retry_after: float | None = None,
) -> KubeError:
    """The error for an HTTP status or for a watch's ERROR event. Pure.

    `request` is method and path, `message` and `reason` those of a `Status`, `verb` what RBAC calls the request.
    """
    said = f"{request}: {code}" + (f": {printable(message)}" if message else "")
    if code in _SERVER_ERRORS or code == _TOO_MANY_REQUESTS:
        return UnavailableError(said, retry_after=retry_after)
    match code:
        case 401:
            return UnauthorizedError(f"{said}; the token or client certificate is not accepted: renew the credentials")
        case 403:
            return ForbiddenError(f"{said}; grant {verb} on it by RBAC")
        case 404:
            return NotFoundError(f"{said}; check the name, and that this API server serves the resource")
        case 409 if reason == "AlreadyExists":
            return AlreadyExistsError(f"{said}; read what there is")
        case 409:
            return ConflictError(f"{said}; read it again")
        case 422:
            return RefusedError(f"{said}; the API server finds the object invalid")
        case 410:
            return GoneError(f"{said}; list again")
    return RefusedError(f"{said}; an API server was expected here: check the server's address, and proxies on the way")


def printable(text: str) -> str:
    """What may stand in a log line: no control characters, no novels."""
    return "".join(character if character.isprintable() else " " for character in text[:MESSAGE_LIMIT])
