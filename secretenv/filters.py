"""A value's filters, in the order in which they were written.

Pure. Each takes text and gives text; what base64decode gives may be no text, which only a file holds.
"""

import base64
import binascii
from urllib.parse import quote

from secretenv.references import Filter

# What a text file or a heredoc leaves at the ends; a no-break space may be meant.
_BLANKS = " \t\r\n"


class FilterError(Exception):
    """A filter cannot take what it got; the message says why, without the value."""


def apply(filters: tuple[Filter, ...], text: str) -> str | bytes:
    """The filtered text; bytes where the last filter gave what is no UTF-8. Raises `FilterError`."""
    value: str | bytes = text
    for name in filters:
        if isinstance(value, bytes):
            raise FilterError(f"what base64decode gives is no UTF-8, which {name} would need")
        value = _applied(name, value)
    return value


def _applied(name: Filter, text: str) -> str | bytes:
    if name == "urlencode":
        return quote(text, safe="")
    if name == "trim":
        return text.strip(_BLANKS)
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise FilterError("it is no base64, which base64decode needs: the standard alphabet, with padding") from None
    try:
        return decoded.decode()
    except UnicodeDecodeError:
        return decoded
