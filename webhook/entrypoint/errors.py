"""Why one attempt to read an image gave nothing; each text names the host and what to do, never a credential."""


class EntrypointError(Exception):
    """Anything this package raises."""


class DeniedError(EntrypointError):
    """401 or 403: these credentials may not read the image; others may."""


class AbsentError(EntrypointError):
    """404: no such image here, or none that these credentials may know of."""


class UnreachableError(EntrypointError):
    """No usable answer: name, address, connection, TLS, time, size, 429 or 5xx. Another place may have it."""


class UnusableImageError(EntrypointError):
    """The image is here, and it says no entrypoint that could be taken for sure."""
