"""Is everything there, the first token and the secrets? The postStart hook waits for it.

A permanent reason in the termination log ends the wait at once: a failed postStart kills the container, and the
termination log is the only text of it that the kubelet shows.
"""

from __future__ import annotations

import os
import stat

from contract import exit_codes
from injector.errors import RefreshError, printable
from injector.report import REASON, read_permanent, read_termination_log, write_termination_log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from injector.settings import Await

# Between two looks, in real seconds: short beside the start of a container, and two system calls each.
POLL = 0.02


def await_files(settings: Await, *, monotonic: Callable[[], float], sleep: Callable[[float], None]) -> None:
    """Return when each file has something in it; raises RefreshError."""
    shared = settings.shared
    give_up = monotonic() + settings.timeout / shared.time_divisor
    while missing := [file for file in settings.files if not has_content(file)]:
        if permanent := read_permanent(read_termination_log(shared)):
            raise permanent
        if monotonic() >= give_up:
            last = (
                printable(read_termination_log(shared), limit=REASON) or "the refresher gave no reason; look at its log"
            )
            reason = f"after {settings.timeout} s there is nothing in {' and '.join(missing)}: {last}"
            write_termination_log(shared, f"{reason}\n")
            raise RefreshError(reason, exit_code=exit_codes.AWAIT_TIMEOUT)
        sleep(POLL)


def has_content(path: str) -> bool:
    """Whether it is there: whole, since it came by a rename."""
    try:
        found = os.stat(path)
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size > 0
