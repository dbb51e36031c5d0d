"""The broker's CA, as the webhook hands it on."""

from pathlib import Path

import pytest

from webhook.broker_ca import BrokerCaError, FileBrokerCa, load_broker_ca
from webhook.in_force import SettingsInForce
from webhook.settings import Settings, parse_settings

ONE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
TWO = "-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----\n"


def test_certificates_alone_are_handed_on() -> None:
    """While CAs are rotated there are two; a comment or a key beside them goes into no pod."""
    text = f"# the old one\n{ONE}# the new one\n{TWO}-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----\n"

    assert load_broker_ca(text, "ca.crt") == ONE + TWO


@pytest.mark.parametrize("text", ["", "nothing", ONE.replace("END", "FIN")])
def test_a_file_without_certificates_is_refused(text: str) -> None:
    """Its name is in the message."""
    with pytest.raises(BrokerCaError, match=r"ca.crt: it holds no certificate: expected the CA"):
        load_broker_ca(text, "ca.crt")


def test_a_renewed_file_counts_and_a_broken_one_does_not(tmp_path: Path) -> None:
    """The last good CA is in force, and what is wrong is said."""
    path = tmp_path / "ca.crt"
    path.write_text(ONE)
    ca = FileBrokerCa(path)
    assert (ca.pem, ca.problem, ca.unready) == (ONE, None, "")

    path.write_text(ONE + TWO)
    assert ca.pem == ONE + TWO
    path.write_text("broken")
    assert ca.pem == ONE + TWO
    assert "it holds no certificate" in (ca.problem or "")


def test_a_missing_file_stops_the_start(tmp_path: Path) -> None:
    """Pods without the CA would never reach the broker."""
    with pytest.raises(BrokerCaError, match=r"ca.crt"):
        FileBrokerCa(tmp_path / "ca.crt")


def test_settings_follow_the_ca(settings: Settings) -> None:
    """Review by review, and the same settings while nothing changes."""
    pem = ONE
    in_force = SettingsInForce(settings, floor=lambda: (1, 36), role_policy=lambda: None, broker_ca=lambda: pem)

    first = in_force()
    assert first.secrets.broker_ca == ONE
    assert in_force() is first
    pem = TWO
    assert in_force().secrets.broker_ca == TWO


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({}, ""),
        ({"tls-cert-file": "/certs/tls.crt", "tls-private-key-file": "/certs/tls.key"}, ""),
        (
            {"broker-address": "https://b", "tls-cert-file": "/certs/tls.crt", "tls-private-key-file": "k"},
            "/certs/ca.crt",
        ),
        ({"broker-address": "https://b", "broker-ca-file": "/ca.pem"}, "/ca.pem"),
        ({"broker-address": "https://b"}, ""),
    ],
)
def test_the_ca_is_the_serving_certificates(flags: dict[str, str], expected: str) -> None:
    """Unless the operator says otherwise; without a broker none is read."""
    _, server = parse_settings({name: [value] for name, value in flags.items()}, {})

    assert server.broker_ca_file == expected
