"""What is a setting, and which ones has every program of ours?

One row each: flag, variable, default, form and meaning. `--help`, the environment and the documentation come from rows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from contract.environ import LOG_JSON, LOG_LEVEL, SETTING_PREFIX
from serving import values


@dataclass(frozen=True, slots=True)
class Setting:
    """One row."""

    flag: str
    default: str
    """As it would be written."""
    parse: Callable[[str], Any]
    metavar: str
    about: str
    env: str = ""
    repeatable: bool = False
    """The flag may be given several times; in its variable the values stand on lines of their own."""
    is_secret: bool = False
    """The value must not be repeated in an error."""

    @property
    def variable(self) -> str:
        """The environment variable of this setting."""
        return self.env or SETTING_PREFIX + self.flag.upper().replace("-", "_")

    @property
    def help(self) -> str:
        """What `--help` says of it, in every command that has it; argparse reads %% as %."""
        default = f"default {self.default}; " if self.default else ""
        again = "; may be given again" if self.repeatable else ""
        return f"{self.about}{again} ({default}{self.variable})".replace("%", "%%")

    @property
    def is_switch(self) -> bool:
        """Whether the bare flag means true."""
        return self.parse is values.boolean


def as_written(text: str) -> str:
    """Any text."""
    return text


def optional(text: str, parse: Callable[[str], Any]) -> Any:
    """None for an empty text."""
    return parse(text) if text else None


def number(least: int, most: int, unit: str) -> Callable[[str], int]:
    """A whole number between these."""
    return partial(values.whole_number, least=least, most=most, unit=unit)


def log_level(text: str) -> str:
    """The seed's levels (logrus), any case."""
    if text.lower() not in LOG_LEVELS:
        raise ValueError("expected debug, info, warning, error, fatal or panic")
    return text.lower()


LOG_LEVELS = ("trace", "debug", "info", "warn", "warning", "error", "fatal", "panic")


def global_settings(logged: str) -> tuple[Setting, ...]:
    """Those before the command; `logged` is what is written down whatever the level."""
    return (
        Setting(
            "log-level",
            "warning",
            log_level,
            "LEVEL",
            f"debug, info, warning, error, fatal or panic; {logged} are logged at every level",
            env=LOG_LEVEL,
        ),
        Setting("json", "false", values.boolean, "BOOL", "log in JSON", env=LOG_JSON),
    )


def listening_settings(taken: str, without_tls: str) -> tuple[Setting, ...]:
    """Where and how a server listens; `taken` is what is asked there, `without_tls` warns of plain HTTP."""
    return (
        Setting("listen-address", ":8443", as_written, "ADDRESS", f"where {taken} are taken"),
        Setting(
            "telemetry-listen-address",
            "",
            as_written,
            "ADDRESS",
            "a plain HTTP listener for /metrics, which is on the main listener as well",
        ),
        Setting("tls-cert-file", "", as_written, "FILE", "certificate chain, PEM; reloaded when it changes"),
        Setting("tls-private-key-file", "", as_written, "FILE", "its private key, PEM"),
        Setting("insecure-http", "false", values.boolean, "BOOL", f"serve without TLS; {without_tls}"),
    )


def capacity_settings(taken: str, *, workers: str, threads: str, max_body_bytes: int) -> tuple[Setting, ...]:
    """How much a server takes on; `taken` as above, the numbers are defaults."""
    return (
        Setting("workers", workers, number(1, 64, "processes"), "N", "processes"),
        Setting("threads", threads, number(1, 1024, "threads"), "N", "threads of each process"),
        Setting(
            "max-body-bytes", str(max_body_bytes), number(1024, 1 << 30, "bytes"), "N", f"a longer {taken} is refused"
        ),
        Setting("read-timeout", "5", number(1, 300, "seconds"), "SECONDS", "for a whole request to arrive"),
        Setting(
            "graceful-timeout",
            "20",
            number(1, 300, "seconds"),
            "SECONDS",
            f"for {taken}s in flight to finish when the server is told to stop",
        ),
    )
