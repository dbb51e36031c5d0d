"""What did the pod ask for with `secrets`? Pure: arguments and environment in; settings, or a UsageError out.

The pod's own facts (the plan, where the state is) come from the environment, as the webhook writes them; flags are
what the launcher adds, and a person who tries it.
"""

from __future__ import annotations

from contract import pod, secrets
from contract.refresh import REPORT_FD_FLAG
from injector.combinations import LOG_LEVELS, NEEDS_LAUNCHER, SOCKETS_ARE_THE_LAUNCHERS
from injector.errors import UsageError, printable
from injector.flags import seconds, split_flags, whole_number
from injector.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from injector.settings import Settings, Shared

REPORT_FD = REPORT_FD_FLAG.lstrip("-")
SOCKETS = secrets.SOCKETS_FLAG.lstrip("-")
SWITCHES = {"h", "help", "refresh"}
OPTIONS = {REPORT_FD, SOCKETS, "deadline", "log-level"}


class Secrets(Record):
    """One run of `secrets`. The deadline is in seconds before the time divisor."""

    plan: str
    report_fd: int | None
    sockets: int
    deadline: int
    log_level: str
    state: str
    launcher: str
    has_metrics: bool
    """Whether anybody may ask for them."""
    shared: Shared


def parse_secrets(arguments: Sequence[str], environ: Mapping[str, str], common: Shared) -> Secrets | None:
    """Read what follows the word `secrets`; None: it asks for help. Raises UsageError."""
    on, values, rest = split_flags(arguments, switches=SWITCHES, options=OPTIONS)
    if on.get("h") or on.get("help"):
        return None
    if rest:
        raise UsageError(f"unexpected argument {printable(rest[0])!r} after secrets; its settings are flags")
    if on.get("refresh"):
        raise UsageError(NEEDS_LAUNCHER)
    launched = REPORT_FD in values
    if SOCKETS in values and not launched:
        raise UsageError(SOCKETS_ARE_THE_LAUNCHERS)
    default = secrets.RESOLVE_DEADLINE if launched else secrets.INIT_DEADLINE
    return _of_environ(
        environ,
        common,
        report_fd=whole_number(REPORT_FD_FLAG, values[REPORT_FD], least=3) if launched else None,
        sockets=whole_number(secrets.SOCKETS_FLAG, values.get(SOCKETS, "0"), least=0),
        deadline=seconds("deadline", values.get("deadline", str(default))),
        log_level=_log_level(values.get("log-level", "info")),
    )


def of_token(settings: Settings, environ: Mapping[str, str]) -> Secrets:
    """What is delivered after the token that `settings` ask for."""
    launched = settings.report_fd is not None
    return _of_environ(
        environ,
        settings.shared,
        report_fd=settings.report_fd,
        sockets=settings.sockets or 0,
        deadline=secrets.RESOLVE_DEADLINE if launched else secrets.INIT_DEADLINE,
        log_level=settings.log_level,
    )


def _of_environ(
    environ: Mapping[str, str],
    common: Shared,
    *,
    log_level: str,
    report_fd: int | None,
    sockets: int,
    deadline: int,
) -> Secrets:
    """What the environment says of it, beside this."""
    return Secrets(
        plan=environ.get(secrets.PLAN, ""),
        report_fd=report_fd,
        sockets=sockets,
        deadline=deadline,
        log_level=log_level,
        state=environ.get(secrets.STATE_DIRECTORY) or f"{secrets.INJECTOR_PATH}/{secrets.STATE_VOLUME}",
        launcher=environ.get(secrets.LAUNCHER_SOURCE) or pod.LAUNCHER,
        has_metrics=bool(environ.get(secrets.METRICS_PORT)),
        shared=common,
    )


def _log_level(level: str) -> str:
    if level not in LOG_LEVELS:
        raise UsageError(f"--log-level={printable(level)}: expected one of {', '.join(LOG_LEVELS)}")
    return level
