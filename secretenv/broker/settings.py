"""What holds for every request, and for the server that takes them.

Flags win over variables, variables over defaults. Nothing here reads the process; `cli.py` hands in the mapping.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from contract.environ import AWS_WEB_IDENTITY_TOKEN_FILE
from secretenv.broker.flags import GOOGLE_KEYS, SETTINGS, key_url
from serving.settings import Serving, SettingError, check_certificate, check_tls, parse_rows, serving_settings


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSettings(Serving):
    """How the broker serves and what it does."""

    shared_role_arn: str
    """Where empty, there is none."""
    shared_token_file: str
    grants_file: str
    enforces_accounts: bool
    takes_legacy: bool
    region: str | None
    regions: frozenset[str]
    """The only ones that are asked; where empty, any."""
    most_regions: int
    regions_per_request: int
    cache_seconds: float
    stale_seconds: float
    request_timeout: float
    key_urls: Mapping[str, str]
    """Issuer to its keys."""
    kubeconfig: str


def parse_settings(given: Mapping[str, list[str]], environ: Mapping[str, str]) -> BrokerSettings:
    """`given` maps a flag's name to its values. Raises `SettingError` for the first setting that is wrong."""
    parsed = parse_rows(SETTINGS, given, environ)
    settings = BrokerSettings(
        **serving_settings(parsed),
        shared_role_arn=parsed["shared-role-arn"],
        shared_token_file=environ.get(AWS_WEB_IDENTITY_TOKEN_FILE, ""),
        grants_file=parsed["grants"],
        enforces_accounts=parsed["enforce-service-account"],
        takes_legacy=parsed["legacy-piggy"],
        region=parsed["region"] or None,
        regions=frozenset(parsed["regions"]),
        most_regions=parsed["most-regions"],
        regions_per_request=parsed["regions-per-request"],
        cache_seconds=float(parsed["cache-seconds"]),
        stale_seconds=float(parsed["stale-seconds"]),
        request_timeout=float(parsed["request-timeout"]),
        key_urls=dict([key_url(GOOGLE_KEYS), *parsed["web-identity-keys"]]),
        kubeconfig=parsed["kubeconfig"],
    )
    check_tls(settings)
    check_certificate(settings)
    _check_shared(settings)
    if settings.region and settings.regions and settings.region not in settings.regions:
        raise SettingError(f"--region={settings.region} is none of --regions: add it there, or leave it out")
    return settings


def _check_shared(settings: BrokerSettings) -> None:
    if bool(settings.shared_role_arn) != bool(settings.grants_file):
        raise SettingError("--shared-role-arn and --grants belong together: a shared role reads only what is granted")
    if settings.shared_role_arn and not settings.shared_token_file:
        raise SettingError(
            f"--shared-role-arn needs the broker's own web identity token: set {AWS_WEB_IDENTITY_TOKEN_FILE}, as the "
            "webhook does for a pod with its label"
        )
    if settings.takes_legacy and not settings.shared_role_arn:
        raise SettingError(
            "--legacy-piggy needs --shared-role-arn and --grants: piggy-env brings no identity of the pod's own"
        )
    if settings.enforces_accounts and not settings.shared_role_arn:
        raise SettingError(
            "--enforce-service-account is about the shared role: give --shared-role-arn, or leave it out"
        )
