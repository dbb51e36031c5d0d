"""An issuer's published keys: one GET. The process' proxies hold for it, as they do for botocore."""

import urllib.request

_TIMEOUT = 2.0
# Google's are 2 KB.
_MOST_BYTES = 1 << 18


def fetch(url: str) -> bytes:
    """The body. Raises OSError; the URL is the operator's, https or loopback."""
    with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer:  # noqa: S310 - see above
        return bytes(answer.read(_MOST_BYTES))
