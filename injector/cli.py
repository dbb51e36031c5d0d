"""The program: environment and arguments in, exit code out; real clocks, dice and signals are handed on from here."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import time

from contract import exit_codes
from contract.environ import AWS_WEB_IDENTITY_TOKEN_FILE, TIME_DIVISOR
from contract.refresh import REPORT_FD_FLAG
from injector import __version__
from injector.errors import RefreshError, UsageError
from injector.report import Next, last_words, report, write_termination_log
from injector.secrets_settings import Secrets, of_token
from injector.settings import Await, Settings, Show, parse, shared

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType
    from typing import NoReturn

    from injector.first_token import FirstToken
    from injector.once import World

# Seconds, for a token that somebody else tells: the launcher's child for it comes as long after the beginning.
_LONGEST_JOIN = 5.0


def main() -> int:
    """Run the command line of this process."""
    try:
        return run(sys.argv[1:])
    except KeyboardInterrupt:
        return 130  # the shell's code for Ctrl-C


def leave(code: int) -> NoReturn:
    """End this process at once: nothing is left to do, and its memory is the kernel's to take.

    Python would take botocore's objects apart one by one, 50 ms of a core just when the kubelet starts the application.
    What goes to stdout is flushed where it is written, and stderr has no buffer of more than a line.
    """
    os._exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run one command line; the exit code is one of contract/exit_codes.py."""
    try:
        asked = parse(arguments, os.environ)
    except UsageError as exc:
        print(f"token-injector: {exc}", file=sys.stderr)
        _report_usage(arguments, RefreshError(str(exc), exit_code=exc.exit_code))
        return exc.exit_code
    if isinstance(asked, Show):
        return _show(asked)
    if isinstance(asked, Await):
        return _await(asked)
    world = _world(asked.log_level)
    if isinstance(asked, Settings) and asked.refresh:
        _loop(asked, world)
    if asked.report_fd is None:
        _end_on_sigterm()
    if isinstance(asked, Secrets):
        return _secrets(asked, world)
    return _secrets(of_token(asked, os.environ), world, asked) if asked.delivers else _once(asked, world)


def _world(log_level: str) -> World:
    from injector.log import Log
    from injector.once import World

    log = Log(level=log_level)
    return World(now=time.time, monotonic=time.monotonic, sleep=time.sleep, dice=_dice, log=log)


def _once(settings: Settings, world: World) -> int:
    """One refresh."""

    def refreshed() -> Next:
        return _refresher(settings, world)()

    return _done(refreshed, settings, world, missing="no token")


def _refresher(settings: Settings, world: World) -> Callable[[], Next]:
    """Does one refresh; what it needs is imported here. Raises RefreshError."""
    from injector.once import once
    from injector.sources import token_source

    source = token_source(settings)

    def refreshed() -> Next:
        found = once(settings, source=source, world=world)
        if settings.print_token:
            # A newline is for people; a file or a pipe gets the token as it is.
            _print(f"{found.token.text}\n" if sys.stdout.isatty() else found.token.text)
        return Next(seconds=found.next_in)

    return refreshed


def _secrets(asked: Secrets, world: World, settings: Settings | None = None) -> int:
    """One delivery, or what a later one of the launcher's children has to do; with `settings` the first token before.

    Beside the launcher's other child, which keeps it fresh, none is fetched where there is one that holds.
    """

    def delivered() -> Next:
        # This process lives for seconds: collecting cycles while botocore is imported only costs time.
        gc.disable()
        token = _first_token(settings, world) if settings else None
        from injector.secrets import deliver

        if not settings or not token:
            return deliver(asked, os.environ, world)
        # The author's own identity, if that is who reads, has another file.
        is_needed = os.environ.get(AWS_WEB_IDENTITY_TOKEN_FILE) == settings.file
        done = deliver(asked, os.environ, world, token=token if is_needed else None)
        if asked.report_fd is None:
            token.wait()
        else:
            # The launcher's other child tells, and fetches one soon: who is asked for secrets does not wait for long.
            token.end(within=_LONGEST_JOIN / settings.shared.time_divisor)
        return done

    return _done(delivered, asked, world, missing="no secrets")


def _first_token(settings: Settings, world: World) -> FirstToken | None:
    """The fetch that has begun; None where the launcher's child has no need of it."""
    from injector.first_token import FirstToken
    from injector.refresh import has_token

    if settings.report_fd is not None:
        # A file that can't be read is told by the token's own child; who reads by another identity does without it.
        with contextlib.suppress(RefreshError):
            if has_token(settings, now=world.now(), log=world.log):
                return None
    return FirstToken(_refresher(settings, world))


def _done(job: Callable[[], Next], asked: Settings | Secrets, world: World, *, missing: str) -> int:
    """Do a job; its result goes where the caller looks for it."""
    outcome: Next | RefreshError
    try:
        outcome = job()
    except RefreshError as exc:
        outcome = exc
    except Exception as exc:  # noqa: BLE001 - the outermost place: a bug is reported and logged, once
        outcome = _bug(exc, world)
    if asked.report_fd is not None:
        return _reported(asked.report_fd, outcome)
    if isinstance(outcome, RefreshError):
        write_termination_log(asked.shared, last_words(outcome))
        world.log("error", missing, exit_code=outcome.exit_code, reason=str(outcome))
        return outcome.exit_code
    return exit_codes.OK


def _loop(settings: Settings, world: World) -> NoReturn:
    from injector.loop import run_forever

    def refresh(report_fd: int) -> int:
        return _once(settings.replace(refresh=False, once_if_stale=True, report_fd=report_fd), world)

    run_forever(refresh, file=settings.file, shared=settings.shared, world=world)


def _await(settings: Await) -> int:
    from injector.awaiting import await_files

    try:
        await_files(settings, monotonic=time.monotonic, sleep=time.sleep)
    except RefreshError as exc:
        print(f"token-injector await: {exc}", file=sys.stderr)
        return exc.exit_code
    return exit_codes.OK


def _show(asked: Show) -> int:
    from injector.help import HELP

    try:
        _print(f"token-injector {__version__}\n" if asked.what == "version" else HELP)
    except RefreshError as exc:
        print(f"token-injector: {exc}", file=sys.stderr)
        return exc.exit_code
    return exit_codes.OK


def _print(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as exc:
        raise RefreshError(
            f"standard output: {exc.strerror}; send it where it can be written", exit_code=exit_codes.USAGE
        ) from exc


def _bug(exc: Exception, world: World) -> RefreshError:
    from injector.log import log_bug

    log_bug(world.log, exc)
    return RefreshError(
        f"a bug of the token tool ({type(exc).__name__}); please report it with the log", exit_code=exit_codes.INTERNAL
    )


def _reported(descriptor: int, outcome: Next | RefreshError) -> int:
    try:
        report(descriptor, outcome)
    except OSError as exc:
        print(f"token-injector: {REPORT_FD_FLAG}={descriptor}: {exc.strerror}; open it for writing", file=sys.stderr)
        return exit_codes.USAGE
    return outcome.exit_code if isinstance(outcome, RefreshError) else exit_codes.OK


def _report_usage(arguments: Sequence[str], error: RefreshError) -> None:
    """Put the reason where the caller looks: a launcher passes on whatever flags it was given."""
    reporting = [argument for argument in arguments if argument.startswith(f"{REPORT_FD_FLAG}=")]
    number = reporting[-1].partition("=")[2] if reporting else ""
    if number.isascii() and number.isdigit():
        _reported(int(number), error)
    else:
        write_termination_log(shared({**os.environ, TIME_DIVISOR: "1"}), last_words(error))


def _end_on_sigterm() -> None:
    """PID 1 of an init container would ignore it, and the pod would take its whole grace period to go."""
    import signal

    def end(number: int, _: FrameType | None) -> NoReturn:
        os._exit(128 + number)

    signal.signal(signal.SIGTERM, end)


def _dice() -> float:
    """Uniform in [0, 1), from the system: no seed that two pods could share."""
    return int.from_bytes(os.urandom(6), "big") / (1 << 48)
