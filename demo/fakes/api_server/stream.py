"""The body of a watch: lines in HTTP chunks, which may break anywhere."""

import json
from typing import Any, BinaryIO

from demo.fakes.api_server.script import Play


class HangUpError(Exception):
    """This connection is over."""


class Stream:
    """Writes as its `Play` says; raises `HangUpError` where the connection has to break."""

    def __init__(self, file: Any, play: Play) -> None:
        self._file: BinaryIO = file
        self._piece = play.piece
        self._left = play.cut_at if play.end == "cut" else None
        self._sent: list[bytes] = []

    def event(self, event: dict[str, Any]) -> None:
        """An event, remembered for `again`."""
        line = json.dumps(event).encode() + b"\n"
        self._sent.append(line)
        self.write(line)

    def again(self, events: int) -> None:
        """The last events once more, in their order."""
        for line in self._sent[len(self._sent) - min(events, len(self._sent)) :]:
            self.write(line)

    def bookmark(self, version: int) -> None:
        """All events up to this version have been sent."""
        metadata = {"resourceVersion": str(version), "creationTimestamp": None}
        self._line({"type": "BOOKMARK", "object": {"kind": "ServiceAccount", "metadata": metadata}})

    def error(self, message: str) -> None:
        """An ERROR event with code 410."""
        status = {"kind": "Status", "status": "Failure", "message": message, "reason": "Expired", "code": 410}
        self._line({"type": "ERROR", "object": status})

    def write(self, data: bytes) -> None:
        """Bytes of the body."""
        for start in range(0, len(data), self._piece):
            piece = data[start : start + self._piece]
            self._raw(b"%x\r\n%s\r\n" % (len(piece), piece))

    def end(self) -> None:
        """The ordinary end of the body."""
        self._raw(b"0\r\n\r\n")

    def _line(self, event: dict[str, Any]) -> None:
        self.write(json.dumps(event).encode() + b"\n")

    def _raw(self, data: bytes) -> None:
        if self._left is not None and len(data) >= self._left:
            self._file.write(data[: self._left])
            self._file.flush()
            raise HangUpError
        if self._left is not None:
            self._left -= len(data)
        self._file.write(data)
        self._file.flush()
