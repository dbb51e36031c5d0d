"""The launcher in Python: a child does each refresh, the parent sleeps, backs off and never gives up.

A child, because then a look-up or a library that hangs can be killed, SIGTERM ends everything at once, and what
google-auth weighs (20 MB) is gone while the loop sleeps. The launcher (C) does the same and passes the same tests.
"""

from __future__ import annotations

import os
import select
import signal
import time

from contract import exit_codes
from contract.refresh import BACKOFF_CAP, BACKOFF_FIRST, CHILD_DEADLINE, REPORT_LIMIT
from injector import schedule
from injector.awaiting import has_content
from injector.errors import RefreshError
from injector.report import Next, last_words, read_report, write_termination_log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import NoReturn

    from injector.once import World
    from injector.settings import Shared

# A suspended machine's CLOCK_MONOTONIC stands still; CLOCK_BOOTTIME (Linux) goes on, so a nap is cut into slices and
# the clock looked at after each.
CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
SLICE = 10.0
# Between two looks for the end of a child that has reported or closed its report.
POLL = 0.005
ENDING = {signal.SIGTERM, signal.SIGINT}


class Child:
    """The process of one refresh; at most one is alive, and a signal to the parent ends both."""

    def __init__(self, file: str) -> None:
        """`file` is what the refreshes are for."""
        self._id = 0
        self._file = file
        self.failure: RefreshError | None = None
        """The last refresh's."""

    def end_with_parent(self) -> None:
        """End at once on SIGTERM and SIGINT; as PID 1 of a container nothing else would."""
        for number in ENDING:
            signal.signal(number, self._end)

    def run(self, refresh: Callable[[int], int], *, timeout: float) -> Next | RefreshError:
        """Do one refresh, which reports on the descriptor that it is given; kill it after `timeout` seconds."""
        try:
            reading = self._start(refresh)
        except OSError as exc:
            return RefreshError(
                f"no process can be started for the refresh ({exc.strerror}); raise the limit of processes and files",
                exit_code=exit_codes.SOURCE_UNAVAILABLE,
            )
        give_up = time.monotonic() + timeout
        text = _read(reading, give_up)
        os.close(reading)
        status = self._wait(give_up)
        self._id = 0
        return read_report(text) or _no_report(status)

    def _start(self, refresh: Callable[[int], int]) -> int:
        """Fork; give the end of the pipe where the report will be read. Raises OSError."""
        reading, writing = os.pipe()
        # No signal between the fork and the moment when the handler knows whom to kill.
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        try:
            self._id = os.fork()
        except OSError:
            os.close(reading)
            raise
        else:
            if self._id == 0:
                _become_child(refresh, reading, writing)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
            os.close(writing)
        return reading

    def _wait(self, give_up: float) -> int | None:
        """The child's status, or None: it was killed because its time was over."""
        while True:
            ended, status = os.waitpid(self._id, os.WNOHANG)
            if ended:
                return status
            if time.monotonic() >= give_up:
                self._kill()
                os.waitpid(self._id, 0)
                return None
            time.sleep(POLL)

    def _kill(self) -> None:
        try:
            os.kill(self._id, signal.SIGKILL)
        except ProcessLookupError:
            return  # it was faster

    def _end(self, number: int, _: FrameType | None) -> NoReturn:
        if self._id:
            self._kill()
        os._exit(self._exit_code() if number == signal.SIGTERM else 128 + number)

    def _exit_code(self) -> int:
        """A container without what its hook waits for did not complete: the kubelet shows this beside the reason."""
        if self.failure is None or (has_content(self._file) and not self.failure.permanent):
            return exit_codes.OK
        return self.failure.exit_code


def run_forever(refresh: Callable[[int], int], *, file: str, shared: Shared, world: World) -> NoReturn:
    """Refresh, sleep, refresh; the last reason of a failure stands in the termination log until the next success."""
    child = Child(file)
    child.end_with_parent()
    divisor = shared.time_divisor
    failures = 0
    write_termination_log(shared, "")
    while True:
        outcome = child.run(refresh, timeout=CHILD_DEADLINE / divisor)
        child.failure = None if isinstance(outcome, Next) else outcome
        if isinstance(outcome, Next):
            if failures:
                write_termination_log(shared, "")
            failures = 0
            wait = outcome.seconds
        else:
            failures += 1
            write_termination_log(shared, last_words(outcome))
            wait = schedule.backoff(
                failures=failures, dice=world.dice(), first=BACKOFF_FIRST / divisor, cap=BACKOFF_CAP / divisor
            )
            world.log("info", "next try", failures=failures, seconds=round(wait, 3), reason=str(outcome))
        nap(wait, clock=lambda: time.clock_gettime(CLOCK), sleep=world.sleep)
        _reap()


def nap(seconds: float, *, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
    """Sleep in slices until the clock says that the time is over."""
    until = clock() + seconds
    while (left := until - clock()) > 0:
        sleep(min(left, SLICE))


def _become_child(refresh: Callable[[int], int], reading: int, writing: int) -> NoReturn:
    code = exit_codes.INTERNAL
    try:
        for number in ENDING:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
        os.close(reading)
        code = refresh(writing)
    finally:
        # Whatever happened: the child never becomes a second parent.
        os._exit(code)


def _read(descriptor: int, give_up: float) -> str:
    """The report, as far as it came in time."""
    text = b""
    while not text.endswith(b"\n") and len(text) < REPORT_LIMIT:
        ready, _, _ = select.select([descriptor], [], [], max(0.0, give_up - time.monotonic()))
        data = os.read(descriptor, REPORT_LIMIT) if ready else b""
        if not data:
            break
        text += data
    return text.decode("ascii", "replace")


def _no_report(status: int | None) -> RefreshError:
    why = "hung and was killed" if status is None else f"ended with {os.waitstatus_to_exitcode(status)}"
    return RefreshError(
        f"the refresh {why} without a report; it is tried again, and its log says more",
        exit_code=exit_codes.SOURCE_UNAVAILABLE,
    )


def _reap() -> None:
    """PID 1 inherits the orphans of its container, and only it can bury them."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return
