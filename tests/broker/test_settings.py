"""The broker's command line and settings."""

import pytest

from contract import exit_codes
from secretenv.broker import cli
from secretenv.broker.flags import SETTINGS
from secretenv.broker.settings import BrokerSettings, parse_settings
from serving.settings import SettingError

TLS = {"tls-cert-file": ["c"], "tls-private-key-file": ["k"]}
SHARED = {"shared-role-arn": ["arn:aws:iam::123456789012:role/broker"], "grants": ["g.yaml"]}
OWN = {"AWS_WEB_IDENTITY_TOKEN_FILE": "/token"}


def parsed(environ: dict[str, str] | None = None, **given: list[str]) -> BrokerSettings:
    """Settings of flags."""
    return parse_settings({**TLS, **{name.replace("_", "-"): value for name, value in given.items()}}, environ or {})


def test_defaults() -> None:
    """One process, so that what is remembered is remembered once; no shared role, no legacy protocol."""
    settings = parsed()
    assert (settings.workers, settings.threads, settings.max_body_bytes) == (1, 64, 1 << 20)
    assert (settings.cache_seconds, settings.stale_seconds, settings.request_timeout) == (60, 3600, 8)
    assert settings.key_urls == {"https://accounts.google.com": "https://www.googleapis.com/oauth2/v3/certs"}
    assert not settings.shared_role_arn
    assert not settings.takes_legacy
    assert (settings.region, settings.regions_per_request) == (None, 4)


def test_piggys_variable() -> None:
    """PIGGY_ENFORCE_SERVICE_ACCOUNT, as piggy's operators set it."""
    settings = parse_settings({**TLS, **SHARED}, {**OWN, "PIGGY_ENFORCE_SERVICE_ACCOUNT": "true"})
    assert settings.enforces_accounts
    assert settings.shared_token_file == "/token"


@pytest.mark.parametrize(
    ("given", "environ", "said"),
    [
        ({"tls_cert_file": [""], "tls_private_key_file": [""]}, {}, "no certificate"),
        ({"shared_role_arn": ["x"]}, OWN, "belong together"),
        ({"grants": ["x"]}, OWN, "belong together"),
        ({"shared_role_arn": ["x"], "grants": ["x"]}, {}, "AWS_WEB_IDENTITY_TOKEN_FILE"),
        ({"legacy_piggy": ["true"]}, {}, "--legacy-piggy needs --shared-role-arn"),
        ({"enforce_service_account": ["true"]}, {}, "--enforce-service-account is about the shared role"),
        ({"cache_seconds": ["0"]}, {}, "--cache-seconds: '0' is not valid"),
        ({"regions": ["Mars"]}, {}, "expected an AWS region"),
        ({"regions": ["eu-west-1"], "region": ["us-east-1"]}, {}, "--region=us-east-1 is none of --regions"),
        ({"most_regions": ["0"]}, {}, "--most-regions: '0' is not valid"),
        ({"regions_per_request": ["0"]}, {}, "--regions-per-request: '0' is not valid"),
        ({"web_identity_keys": ["x=y"]}, {}, "expected ISSUER=URL"),
        ({"web_identity_keys": ["https://issuer=http://keys.example"]}, {}, "expected ISSUER=URL"),
        ({"web_identity_keys": ["https://issuer"]}, {}, "expected ISSUER=URL"),
    ],
)
def test_what_cannot_be_meant_stops_the_start(given: dict[str, list[str]], environ: dict[str, str], said: str) -> None:
    """With the flag, the value and the form."""
    with pytest.raises(SettingError, match=said):
        parsed(environ, **given)


def test_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong setting is exit code 2 and one line; --help lists every flag and has an example."""
    assert cli.main(["broker"], {}) == exit_codes.USAGE
    assert capsys.readouterr().err.startswith("token-injector-broker: no certificate")
    with pytest.raises(SystemExit):
        cli.main(["broker", "--help"], {})
    said = capsys.readouterr().out
    assert "example" in said
    for setting in SETTINGS[2:]:
        assert f"--{setting.flag}" in said
        assert setting.variable in said
