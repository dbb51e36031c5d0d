"""What does a valid value of any program's settings look like?

Pure. Each returns the typed value, or raises `ValueError` with the expected form; the caller prefixes the key.
"""

import re


def boolean(text: str) -> bool:
    """Go's strconv.ParseBool, which the seed's flags go through."""
    if text in {"1", "t", "T", "true", "TRUE", "True"}:
        return True
    if text in {"0", "f", "F", "false", "FALSE", "False"}:
        return False
    raise ValueError("expected true or false")


def whole_number(text: str, least: int, most: int, unit: str) -> int:
    """ASCII digits only: int() would take ' 600' and '6_00'."""
    if not re.fullmatch(r"[0-9]{1,12}", text) or not least <= int(text) <= most:
        raise ValueError(f"expected a whole number of {unit} from {least} to {most}")
    return int(text)
