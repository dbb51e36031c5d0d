"""What does a valid value of a secrets annotation look like?

Pure: as `webhook.values`, each parser returns the typed value or raises `ValueError` with the expected form.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from secretenv.plan import Rotation
from webhook.entrypoint.manifest import Entrypoint

# What a process may handle; KILL and STOP it may not, and the others mean a fault of its own.
SIGNALS = ("HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "WINCH")
# A file beside others in one folder. A leading '..' is what the kubelet keeps for itself.
_FILE = re.compile(r"(?!\.\.)(?!\.$)[A-Za-z0-9_.-]{1,253}")


@dataclass(frozen=True, slots=True)
class WantedRotation:
    """What happens when a secret has changed."""

    kind: Rotation
    signal: str = ""
    """Without SIG; of the kind "signal" alone."""


def rotation(text: str) -> WantedRotation:
    """none, file, signal:NAME or restart."""
    kind, _, name = text.partition(":")
    match kind, name.removeprefix("SIG"):
        case ("none" | "file" | "restart") as known, "" if text == known:
            return WantedRotation(known)
        case "signal", signal if signal in SIGNALS:
            return WantedRotation("signal", signal)
    raise ValueError(f"expected none, file, signal:NAME ({', '.join(SIGNALS[:-1])} or {SIGNALS[-1]}) or restart")


def is_file_name(text: str) -> bool:
    """Whether a file of references may be called so."""
    return bool(_FILE.fullmatch(text))


def entrypoint(text: str) -> Entrypoint:
    """What an image starts, written by hand."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    match found:
        case list() if found and _are_texts(found):
            return Entrypoint(entrypoint=tuple(found), cmd=())
        case dict() if found.keys() <= {"entrypoint", "cmd"}:
            entry, cmd = found.get("entrypoint") or [], found.get("cmd") or []
            if _are_texts(entry) and _are_texts(cmd) and (entry or cmd):
                return Entrypoint(entrypoint=tuple(entry), cmd=tuple(cmd))
    raise ValueError(
        'expected a JSON array of texts, for example ["/app", "serve"], or {"entrypoint": […], "cmd": […]}'
    )


def _are_texts(found: Any) -> bool:
    """As `execve` takes them."""
    return isinstance(found, list) and all(isinstance(each, str) and "\0" not in each for each in found)
