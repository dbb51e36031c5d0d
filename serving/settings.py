"""What holds for a server of ours? Flags win over variables, variables over defaults.

Nothing here reads the process; the program's `cli.py` hands in the mapping.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from serving.flags import Setting


class SettingError(Exception):
    """A setting's value is wrong; the message names flag, variable, value and form. The start must stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """How a server listens, reads and logs."""

    listen_address: str
    telemetry_listen_address: str
    """Where empty, there is none."""
    tls_cert_file: str
    tls_private_key_file: str
    insecure_http: bool
    workers: int
    threads: int
    max_body_bytes: int
    read_timeout: float
    """Seconds for a whole request."""
    graceful_timeout: float
    """Seconds."""
    log_level: str
    log_json: bool


def parse_rows(
    rows: Sequence[Setting], given: Mapping[str, list[str]], environ: Mapping[str, str]
) -> Mapping[str, Any]:
    """Each row's value by its flag. `given` maps a flag's name to its values.

    Raises `SettingError` for the first setting that is wrong.
    """
    return {setting.flag: _value(setting, given.get(setting.flag), environ) for setting in rows}


def serving_settings(parsed: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `Serving` from the rows that every server has."""
    return {
        "listen_address": parsed["listen-address"],
        "telemetry_listen_address": parsed["telemetry-listen-address"],
        "tls_cert_file": parsed["tls-cert-file"],
        "tls_private_key_file": parsed["tls-private-key-file"],
        "insecure_http": parsed["insecure-http"],
        "workers": parsed["workers"],
        "threads": parsed["threads"],
        "max_body_bytes": parsed["max-body-bytes"],
        "read_timeout": float(parsed["read-timeout"]),
        "graceful_timeout": float(parsed["graceful-timeout"]),
        "log_level": parsed["log-level"],
        "log_json": parsed["json"],
    }


def check_tls(server: Serving) -> None:
    """Settings of TLS that are right alone and wrong together. Raises `SettingError`."""
    if bool(server.tls_cert_file) != bool(server.tls_private_key_file):
        raise SettingError("--tls-cert-file and --tls-private-key-file belong together: give both")
    if server.insecure_http and server.tls_cert_file:
        raise SettingError(
            "--insecure-http serves without TLS: leave out --tls-cert-file and --tls-private-key-file, or it"
        )


def check_certificate(server: Serving) -> None:
    """A server needs one, or to be told that it does not. Raises `SettingError`."""
    if not server.tls_cert_file and not server.insecure_http:
        raise SettingError(
            "no certificate: give --tls-cert-file and --tls-private-key-file (token-injector-certs certify makes "
            "them), or say --insecure-http to serve without TLS"
        )


def _value(setting: Setting, given: list[str] | None, environ: Mapping[str, str]) -> Any:
    written = environ.get(setting.variable)
    if given is not None:
        texts, source = given, f"--{setting.flag}"
    elif written is not None and written != "":
        texts, source = (
            ([line for line in written.split("\n") if line] if setting.repeatable else [written]),
            setting.variable,
        )
    else:
        texts, source = ([] if setting.repeatable else [setting.default]), "default"
    if setting.repeatable:
        return tuple(_parsed(setting, text, source) for text in texts)
    return _parsed(setting, texts[-1], source)


def _parsed(setting: Setting, text: str, source: str) -> Any:
    try:
        return setting.parse(text)
    except ValueError as exc:
        # A setting may hold a credential, and without its form nobody knows where it begins.
        shown = "its value" if setting.is_secret else repr(text)
        raise SettingError(f"{source}: {shown} is not valid: {exc}") from exc
