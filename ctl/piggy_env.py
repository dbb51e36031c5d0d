"""Variables that piggy's users set on its webhook, as the command line gives them. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from ctl.errors import UsageError
from secretenv.piggy_table import PIGGY_ANNOTATIONS

NAMES = frozenset(row.environ for row in PIGGY_ANNOTATIONS if row.environ)


def piggy_environ(given: Iterable[str]) -> dict[str, str]:
    """The variables of `--piggy-env NAME=VALUE`. Raises `UsageError`."""
    found: dict[str, str] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or name not in NAMES:
            raise UsageError(f"--piggy-env: expected NAME=VALUE, and NAME one of {', '.join(sorted(NAMES))}")
        found[name] = value
    return found


def environ_in_values(values: Mapping[str, Any]) -> dict[str, str]:
    """The variables in the values of piggy's chart, whose names it writes in capitals."""
    env = values.get("env")
    found = {str(name).upper(): _text(value) for name, value in env.items()} if isinstance(env, dict) else {}
    return {name: value for name, value in found.items() if name in NAMES and value}


def _text(value: Any) -> str:
    """As Helm quotes it."""
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
