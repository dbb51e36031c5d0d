"""Which settings can be meant together? Pure."""

from __future__ import annotations

from contract.environ import GCE_METADATA_HOST
from contract.refresh import REPORT_FD_FLAG
from contract.secrets import PLAN, SOCKETS_FLAG
from injector import sources
from injector.errors import UsageError, printable
from injector.flags import split_host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from injector.settings import Settings

# Only the launcher has sockets, and a place for a second job beside the token's.
NEEDS_LAUNCHER = (
    f"--refresh=true delivers no secrets without the launcher, and {PLAN} asks for some; "
    "the webhook's --refresher-program=launcher injects it"
)
SOCKETS_ARE_THE_LAUNCHERS = f"{SOCKETS_FLAG} is the launcher's, and comes with {REPORT_FD_FLAG}"
LOG_LEVELS = ("debug", "info", "warning", "error")


def check_combination(settings: Settings) -> None:
    """Refuse what cannot be meant; raises UsageError, whose text says what to write instead."""
    impersonate = settings.impersonate_service_account
    refusals = (
        (
            not settings.file and not settings.print_token,
            "--file=PATH is needed: the token is written there (or say --print to have it on stdout)",
        ),
        (settings.file.endswith("/"), f"--file={printable(settings.file)} names a folder; add the file's name"),
        (
            settings.print_token and settings.refresh,
            "--print gives one token and --refresh=true never ends; leave one of them out",
        ),
        (
            settings.once_if_stale and not settings.file,
            "--once-if-stale looks at the token in --file; add --file=PATH",
        ),
        (
            settings.report_fd is not None and settings.refresh,
            "--report-fd reports one refresh; say --refresh=false with it",
        ),
        (settings.refresh and settings.has_plan, NEEDS_LAUNCHER),
        (settings.sockets is not None and settings.report_fd is None, SOCKETS_ARE_THE_LAUNCHERS),
        (not settings.audience, "--audience is empty; leave it out for the default, or name one"),
        (
            settings.source not in sources.NAMES,
            f"--source={printable(settings.source)}: expected one of {', '.join(sources.NAMES)}",
        ),
        (
            (settings.source == sources.FILE) != bool(settings.source_file),
            "--source=file and --source-file=PATH belong together; give both or neither",
        ),
        (
            settings.source == sources.IAM_CREDENTIALS and not impersonate,
            "--source=iam-credentials needs --impersonate-service-account=EMAIL, the Google service account",
        ),
        (
            bool(impersonate) and settings.source not in {sources.IAM_CREDENTIALS, sources.ADC},
            "--impersonate-service-account needs --source=iam-credentials or --source=adc",
        ),
        (
            settings.log_level not in LOG_LEVELS,
            f"--log-level={printable(settings.log_level)}: expected one of {', '.join(LOG_LEVELS)}",
        ),
    )
    if settings.source == sources.GKE_METADATA:
        _check_host(settings.metadata_host)
    for refused, reason in refusals:
        if refused:
            raise UsageError(reason)


def _check_host(host: str) -> None:
    try:
        split_host(host)
    except ValueError as exc:
        raise UsageError(f"{GCE_METADATA_HOST}={printable(host)}: {exc}, for example 127.0.0.1:8080") from exc
