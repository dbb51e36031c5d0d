"""Where does a request end, in the bytes that came so far?

Pure. A request goes to a thread only when it is whole, so its end must be found without parsing it; gunicorn's parser
then judges it. What has no findable end goes to that parser as it is: it says what is wrong (RFC 9112, 6.3 and 7.1).
"""

import re
from dataclasses import dataclass

# The API server sends some 300 bytes, and a few KB where the webhook's kubeconfig names a bearer token.
LONGEST_HEAD = 32 * 1024

_HEAD_END = b"\r\n\r\n"
_LINE_END = b"\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)[ \t]*\r\n", re.IGNORECASE)
_CODED = re.compile(rb"\r\ntransfer-encoding:([^\r]*)\r\n", re.IGNORECASE)
_EXPECTATION = re.compile(rb"\r\nexpect:[ \t]*100-continue[ \t]*\r\n", re.IGNORECASE)
_HEX = re.compile(rb"[0-9a-fA-F]{1,15}")
_MOST_DIGITS = 18  # of a Content-Length; int() of thousands of digits is slow and then an error
_LONGEST_LINE = 1024  # of a chunk's size with extensions, or of a trailer


class HeadTooLargeError(Exception):
    """The request line and headers don't end within `LONGEST_HEAD` bytes."""


class BodyTooLargeError(Exception):
    """The body is longer than allowed; also raised to whoever reads the body that was refused for it."""


@dataclass(slots=True, kw_only=True)
class Framing:
    """The search for one request's end. It goes on where it stopped: a slow sender costs no second look."""

    longest_body: int
    head: int = 0
    """Bytes of the request line and headers; 0 until they are whole."""
    expects_continue: bool = False
    """The caller may wait for a 100 before it sends the body."""
    _cursor: int = 0
    """Where the search goes on: in the head, at the body's end, or at the next chunk."""
    _chunked: bool = False
    _in_trailers: bool = False

    def end(self, data: bytes | bytearray) -> int | None:
        """How many bytes the request has, or None if more must come.

        Raises `HeadTooLargeError`, and `BodyTooLargeError` as soon as the body is known to be too long.
        """
        if not self.head and not self._find_head(data):
            return None
        if self._chunked:
            return self._end_of_chunks(data)
        return self._cursor if len(data) >= self._cursor else None

    def _find_head(self, data: bytes | bytearray) -> bool:
        at = data.find(_HEAD_END, max(0, self._cursor - len(_HEAD_END)))
        if at < 0 or at > LONGEST_HEAD:
            if len(data) > LONGEST_HEAD:
                raise HeadTooLargeError
            self._cursor = len(data)
            return False
        self.head = self._cursor = at + len(_HEAD_END)
        lines = bytes(data[: self.head])
        self.expects_continue = bool(_EXPECTATION.search(lines))
        coded = _CODED.search(lines)
        # Another last coding has no end; the parser refuses it by the head alone.
        self._chunked = bool(coded and coded[1].rstrip().lower().endswith(b"chunked"))
        length = _LENGTH.search(lines)
        if length and not coded:
            if len(length[1]) > _MOST_DIGITS or int(length[1]) > self.longest_body:
                raise BodyTooLargeError
            self._cursor += int(length[1])
        return True

    def _end_of_chunks(self, data: bytes | bytearray) -> int | None:
        """Sizes and line ends count as body: who sends single bytes as chunks gets less through."""
        while True:
            if self._cursor - self.head > self.longest_body:
                raise BodyTooLargeError
            if self._cursor > len(data):
                return None
            if data[self._cursor - len(_LINE_END) : self._cursor] != _LINE_END:
                return len(data)
            line_end = data.find(_LINE_END, self._cursor, self._cursor + _LONGEST_LINE)
            if line_end < 0:
                return len(data) if len(data) - self._cursor > _LONGEST_LINE else None
            if self._in_trailers and line_end == self._cursor:
                return line_end + len(_LINE_END)
            size = None if self._in_trailers else _HEX.match(data, self._cursor, line_end)
            if not self._in_trailers and not size:
                return len(data)
            self._cursor = line_end + len(_LINE_END)
            if size and int(size[0], 16):
                self._cursor += int(size[0], 16) + len(_LINE_END)
            elif size:
                self._in_trailers = True
