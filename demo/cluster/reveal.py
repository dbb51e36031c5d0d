"""An application that tells what it was given, and gives nothing away: lines of JSON with hashes.

`python -m demo.cluster.reveal [--variables=A,B] [--files=PATH,PATH] [--stay] [-- ARGUMENT…]`. With --stay it tells
again on SIGHUP and whenever a file has changed, until SIGTERM.
"""

import argparse
import hashlib
import json
import os
import queue
import signal
import sys
import time
from pathlib import Path

_POLL_SECONDS = 0.2


def fingerprint(value: str | bytes) -> str:
    """What stands for a value in a log; the tests know the value and compare."""
    return hashlib.sha256(value.encode() if isinstance(value, str) else value).hexdigest()[:16]


def words(chosen: argparse.Namespace, why: str) -> dict[str, object]:
    """One line."""
    return {
        "why": why,
        "at": round(time.time(), 3),
        "pid": os.getpid(),
        "uid": os.getuid(),
        "variables": {name: _of_variable(name) for name in chosen.variables if name},
        "arguments": [fingerprint(argument) for argument in chosen.arguments],
        "files": files(chosen),
        "names": sorted(os.environ),
        "mounts": _mounts(),
    }


def files(chosen: argparse.Namespace) -> dict[str, str | None]:
    """A fingerprint of each file; None: it is not there."""
    return {
        path: fingerprint(Path(path).read_bytes()) if Path(path).exists() else None for path in chosen.files if path
    }


def _of_variable(name: str) -> str | None:
    value = os.environ.get(name)
    return None if value is None else fingerprint(value)


def _mounts() -> list[str]:
    lines = Path("/proc/self/mounts").read_text().splitlines()
    return sorted(place for place in (line.split()[1] for line in lines) if place.startswith(("/var/run", "/run")))


def main() -> int:
    """Tell, and stay if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("variables", "files"):
        parser.add_argument(f"--{name}", type=lambda text: text.split(","), default=[])
    parser.add_argument("--stay", action="store_true")
    parser.add_argument("arguments", nargs="*")
    chosen = parser.parse_args()
    signals: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, lambda received, _: signals.put(received))
    _say(words(chosen, "start"))
    seen = files(chosen)
    while chosen.stay:
        try:
            received = signals.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            if files(chosen) != seen:
                seen = files(chosen)
                _say(words(chosen, "file"))
            continue
        if received == signal.SIGTERM:
            break
        _say(words(chosen, "signal"))
    return 0


def _say(line: dict[str, object]) -> None:
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    sys.exit(main())
