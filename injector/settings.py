"""What did the pod ask for? Pure: arguments and environment in; settings, a text to print, or a UsageError out.

The seed's flags are --file, --refresh, --help and --version; every other one is ours. Precedence: flag > default; the
environment only says where the metadata server and the termination log are, and how time is scaled in tests.
"""

from __future__ import annotations

from contract import environ as names
from contract import pod
from contract import secrets as secret_names
from contract.refresh import AWAIT_TIMEOUT, REPORT_FD_FLAG
from injector import sources
from injector.combinations import check_combination
from injector.errors import UsageError, printable
from injector.flags import seconds, split_flags, whole_number
from injector.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from injector.secrets_settings import Secrets

DEFAULT_METADATA_HOST = "metadata.google.internal"
DEADLINE = 60
MIN_LIFETIME = 60
REPORT_FD = REPORT_FD_FLAG.lstrip("-")
SOCKETS = secret_names.SOCKETS_FLAG.lstrip("-")

HELP_AND_VERSION = {"h": "help", "help": "help", "v": "version", "version": "version"}
SWITCHES = {*HELP_AND_VERSION, "refresh", "once-if-stale", "print"}
OPTIONS = {
    "file",
    "audience",
    "source",
    "source-file",
    "impersonate-service-account",
    "min-lifetime",
    "deadline",
    REPORT_FD,
    SOCKETS,
    "log-level",
}


class Shared(Record):
    """What every command needs: where the last reason goes, and by what every wait is divided."""

    termination_log: str
    # The kubelet makes the default file; where it is not, nobody reads one. A path of one's own is made.
    create_termination_log: bool
    time_divisor: int


class Await(Record):
    """`await FILE…`: wait until there is something in each, the first token for example."""

    files: tuple[str, ...]
    timeout: int
    shared: Shared


class Show(Record):
    """`--help` or `--version`: print and end."""

    what: str


class Settings(Record):
    """One refresh, or the loop that never ends where `refresh` is set. Seconds are before the time divisor."""

    file: str
    refresh: bool
    audience: str
    source: str
    source_file: str
    impersonate_service_account: str
    metadata_host: str
    once_if_stale: bool
    print_token: bool
    min_lifetime: int
    deadline: int
    report_fd: int | None
    log_level: str
    # The launcher's, to the child that delivers secrets; to the other it says none.
    sockets: int | None
    # The environment has a plan for secrets.
    has_plan: bool
    shared: Shared

    @property
    def delivers(self) -> bool:
        """Whether secrets are delivered after the token: by the launcher's child with sockets, or with no launcher."""
        return self.sockets is not None if self.report_fd is not None else self.has_plan


def parse(arguments: Sequence[str], environ: Mapping[str, str]) -> Settings | Await | Secrets | Show:
    """Read a command line without the program's name; raises UsageError, whose text names the flag or variable."""
    if arguments and arguments[0] == pod.AWAIT_COMMAND:
        return _await(arguments[1:], shared(environ))
    if arguments and arguments[0] == secret_names.SECRETS_COMMAND:
        from injector.secrets_settings import parse_secrets

        return parse_secrets(arguments[1:], environ, shared(environ)) or Show(what="help")
    on, values, rest = split_flags(arguments, switches=SWITCHES, options=OPTIONS)
    for flag, what in HELP_AND_VERSION.items():
        if on.get(flag):
            return Show(what=what)
    if rest:
        raise UsageError(_unexpected(rest[0]))
    settings = Settings(
        file=values.get("file", ""),
        refresh=on.get("refresh", False),
        audience=values.get("audience", pod.GOOGLE_AUDIENCE),
        source=values.get("source", sources.GKE_METADATA),
        source_file=values.get("source-file", ""),
        impersonate_service_account=values.get("impersonate-service-account", ""),
        metadata_host=environ.get(names.GCE_METADATA_HOST) or DEFAULT_METADATA_HOST,
        once_if_stale=on.get("once-if-stale", False),
        print_token=on.get("print", False),
        min_lifetime=seconds("min-lifetime", values.get("min-lifetime", str(MIN_LIFETIME))),
        deadline=seconds("deadline", values.get("deadline", str(DEADLINE))),
        report_fd=whole_number(REPORT_FD_FLAG, values[REPORT_FD], least=3) if REPORT_FD in values else None,
        log_level=values.get("log-level", "info"),
        sockets=whole_number(secret_names.SOCKETS_FLAG, values[SOCKETS], least=0) if SOCKETS in values else None,
        has_plan=bool(environ.get(secret_names.PLAN)),
        shared=shared(environ),
    )
    check_combination(settings)
    return settings


def _await(arguments: Sequence[str], common: Shared) -> Await | Show:
    """Files may stand before, between and after the flags."""
    files: list[str] = []
    values: dict[str, str] = {}
    asked_for_help = False
    while arguments:
        on, more, rest = split_flags(arguments, switches=set(HELP_AND_VERSION), options={"timeout"})
        asked_for_help = asked_for_help or any(on.values())
        values |= more
        files += rest[:1]
        arguments = rest[1:]
    if asked_for_help:
        return Show(what="help")
    if not all(files) or not files:
        raise UsageError("await needs files, for example: await /var/run/secrets/aws/token/token --timeout=120")
    timeout = seconds("timeout", values.get("timeout", str(AWAIT_TIMEOUT)))
    return Await(files=tuple(files), timeout=timeout, shared=common)


def shared(environ: Mapping[str, str]) -> Shared:
    """Read the environment alone; raises UsageError."""
    return Shared(
        termination_log=environ.get(names.TERMINATION_LOG) or pod.TERMINATION_LOG,
        create_termination_log=bool(environ.get(names.TERMINATION_LOG)),
        time_divisor=whole_number(names.TIME_DIVISOR, environ.get(names.TIME_DIVISOR) or "1", least=1),
    )


def _unexpected(argument: str) -> str:
    shown = printable(argument)
    if argument.lower() in {"true", "false"}:
        return f"unexpected argument {shown!r}; a switch takes its value after =, write --refresh={argument.lower()}"
    return f"unexpected argument {shown!r}; every setting is a flag, for example --file=PATH, and --help lists them"
