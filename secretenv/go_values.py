"""Values as Go's and Kubernetes' parsers take them, for what piggy's users wrote for those.

Pure: each returns the typed value or raises `ValueError` with the expected form.
"""

import re

_TRUE, _FALSE = ("1", "t", "T", "TRUE", "true", "True"), ("0", "f", "F", "FALSE", "false", "False")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
# Possessive: an annotation may hold 256 KiB of digits.
_PIECE = re.compile(r"([0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(ns|us|µs|μs|ms|s|m|h)")
_DURATION = re.compile(rf"[+-]?(?:0|(?:{_PIECE.pattern})+)")
# Go counts nanoseconds in 64 bits.
_LONGEST = (2**63 - 1) / 1e9
# apimachinery's resource.Quantity.
_QUANTITY = re.compile(r"[+-]?([0-9]++(\.[0-9]*+)?|\.[0-9]++)(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E|[eE][+-]?[0-9]+)?")
# More digits than any number of 64 bits has; int() refuses 4300.
_MOST_DIGITS = 64


def boolean(text: str) -> bool:
    """strconv.ParseBool. piggy takes anything else for false, so that a typo turns a protection off; this does not."""
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError(f"expected true or false (also {' '.join(_TRUE)} or {' '.join(_FALSE)})")


def integer(text: str) -> int:
    """strconv.Atoi on a machine of 64 bits."""
    if len(text) > _MOST_DIGITS or not re.fullmatch(r"[+-]?[0-9]+", text) or not -(2**63) <= int(text) < 2**63:
        raise ValueError("expected a whole number, for example 5")
    return int(text)


def duration(text: str) -> float:
    """time.ParseDuration, in seconds."""
    if not _DURATION.fullmatch(text):
        raise ValueError("expected a duration, for example 500ms, 10s or 1m30s")
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in _PIECE.findall(text))
    if seconds > _LONGEST:
        raise ValueError("expected a duration of less than 292 years, for example 10s")
    return -seconds if text.startswith("-") else seconds


def quantity(text: str) -> str:
    """A Kubernetes quantity, kept as written. piggy takes anything else for zero."""
    if not _QUANTITY.fullmatch(text):
        raise ValueError("expected a Kubernetes quantity, for example 50m or 64Mi")
    return text
