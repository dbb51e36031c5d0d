"""How does Go's flag package read a command line? Pure: the seed is written in Go, and its pods' flags must parse.

One or two dashes; `-name=value` or `-name value`; a switch takes its value only after `=`; the first argument that is
no flag, or `--`, ends the flags; of a repeated flag the last counts. https://pkg.go.dev/flag#hdr-Command_line_flag_syntax
"""

from __future__ import annotations

from injector.errors import UsageError, printable

# strconv.ParseBool's words.
WORDS = {
    **dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True),
    **dict.fromkeys(("0", "f", "F", "FALSE", "false", "False"), False),
}

UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
HTTP_PORT = 80
PORTS = 1 << 16

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


def split_flags(
    arguments: Sequence[str], *, switches: Collection[str], options: Collection[str]
) -> tuple[dict[str, bool], dict[str, str], list[str]]:
    """Give the switches, the options and the remaining arguments; raises UsageError."""
    on: dict[str, bool] = {}
    values: dict[str, str] = {}
    remaining = list(arguments)
    while remaining and remaining[0].startswith("-") and remaining[0] != "-":
        argument = remaining.pop(0)
        if argument == "--":
            break
        name, equals, value = argument[2 if argument.startswith("--") else 1 :].partition("=")
        if name in switches:
            on[name] = boolean(name, value) if equals else True
        elif name in options:
            if not equals and not remaining:
                raise UsageError(f"--{name} needs a value: write --{name}=VALUE")
            values[name] = value if equals else remaining.pop(0)
        else:
            raise UsageError(f"unknown flag {printable(argument.partition('=')[0])}; --help lists the flags")
    return on, values, remaining


def boolean(name: str, value: str) -> bool:
    """Read a switch's value; raises UsageError."""
    if value not in WORDS:
        raise UsageError(f"--{name}={printable(value)}: expected true or false (or 1, t, T, TRUE, True, 0, f, F, ...)")
    return WORDS[value]


def seconds(name: str, value: str, *, least: int = 0) -> int:
    """Read a whole number of seconds; raises UsageError."""
    return whole_number(f"--{name}", value, least=least, unit="seconds")


def whole_number(what: str, value: str, *, least: int, unit: str = "") -> int:
    """Read a whole number up to nine digits; raises UsageError."""
    most_digits = 9
    if value.isascii() and value.isdigit() and len(value) <= most_digits and int(value) >= least:
        return int(value)
    of = f" of {unit}" if unit else ""
    raise UsageError(f"{what}={printable(value)}: expected a whole number{of} from {least}, for example 60")


def split_host(host: str) -> tuple[str, int]:
    """Split HOST, HOST:PORT, [IPv6] or [IPv6]:PORT; raises ValueError."""
    bracketed = host.startswith("[")
    name, _, rest = host[1:].partition("]") if bracketed else host.partition(":")
    port = rest.removeprefix(":") if bracketed else rest
    if not name or not UNRESERVED.union(":" if bracketed else "").issuperset(name):
        raise ValueError("expected HOST or HOST:PORT")
    if host in {name, f"[{name}]"}:
        return name, HTTP_PORT
    if not (port.isascii() and port.isdigit() and len(port) <= len(str(PORTS)) and 0 < int(port) < PORTS):
        raise ValueError("expected HOST or HOST:PORT without a scheme, the port from 1 to 65535")
    return name, int(port)
