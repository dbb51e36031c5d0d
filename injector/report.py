"""How does a refresh tell what became of it? One line to the launcher, or the last reason for the kubelet.

The forms are those of contract/refresh.py and contract/pod.py; both are one line of printable ASCII.
"""

from __future__ import annotations

import os

from contract import exit_codes, pod
from contract.refresh import REPORT_ERROR, REPORT_LIMIT, REPORT_NEXT
from injector.errors import RefreshError, printable
from injector.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from injector.settings import Shared

# The reason's room in a report of "error 70 REASON\n".
REASON = REPORT_LIMIT - len(f"{REPORT_ERROR} 70 \n")


class Next(Record):
    """A token is there; come again in so many real seconds."""

    seconds: float


def report(descriptor: int, outcome: Next | RefreshError) -> None:
    """Write the line for the launcher; raises OSError."""
    os.write(descriptor, line(outcome).encode("ascii"))


def line(outcome: Next | RefreshError) -> str:
    """The report's line. Pure."""
    if isinstance(outcome, Next):
        return f"{REPORT_NEXT} {max(1, round(outcome.seconds * 1000))}\n"
    return f"{REPORT_ERROR} {outcome.exit_code} {printable(str(outcome), limit=REASON)}\n"


def read_report(text: str) -> Next | RefreshError | None:
    """Read a report's line; None for anything else. Pure."""
    word, _, rest = text.partition(" ")
    number, _, reason = rest.rstrip("\n").partition(" ")
    if not text.endswith("\n") or not (number.isascii() and number.isdigit()) or len(number) > len(str(1 << 40)):
        return None
    if word == REPORT_NEXT and not reason:
        return Next(seconds=int(number) / 1000)
    if word == REPORT_ERROR and reason:
        return RefreshError(reason, exit_code=int(number))
    return None


def last_words(error: RefreshError) -> str:
    """The termination log's line for an error. Pure."""
    reason = printable(str(error), limit=REASON)
    return f"{pod.PERMANENT_PREFIX}{error.exit_code} {reason}\n" if error.permanent else f"{reason}\n"


def read_permanent(text: str) -> RefreshError | None:
    """The error of a termination log that says that no retry can mend it, else None. Pure."""
    if not text.startswith(pod.PERMANENT_PREFIX):
        return None
    said = text.removeprefix(pod.PERMANENT_PREFIX).partition("\n")[0]
    number, _, reason = said.partition(" ")
    found = RefreshError(reason, exit_code=int(number[:9]) if number.isascii() and number.isdigit() else 0)
    return found if found.permanent else RefreshError(said, exit_code=exit_codes.PERMANENT[0])


def read_termination_log(shared: Shared) -> str:
    """The termination log's text, empty where there is none that can be read."""
    try:
        descriptor = os.open(shared.termination_log, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return os.read(descriptor, REPORT_LIMIT * 2).decode("ascii", "replace")
    except OSError:
        return ""
    finally:
        os.close(descriptor)


def write_termination_log(shared: Shared, text: str) -> None:
    """Replace the termination log's text; one that cannot be written stops nothing, stderr has the reason as well."""
    flags = os.O_WRONLY | os.O_CLOEXEC | (os.O_CREAT if shared.create_termination_log else 0)
    try:
        descriptor = os.open(shared.termination_log, flags, 0o644)
    except OSError:
        return
    try:
        # In this order there is no moment in which a reader finds nothing.
        os.write(descriptor, text.encode("ascii"))
        os.ftruncate(descriptor, len(text))
    except OSError:
        return
    finally:
        os.close(descriptor)
