"""launcher.h repeats the contract, because C cannot import it; here the two are compared."""

import re

from contract import environ, exit_codes, pod, refresh
from tests.launcher.building import SOURCES

# What the launcher shares with no other process.
OWN = {"NEXT_FLOOR", "NEXT_CAP", "WORDS_LIMIT", "COMMAND_LIMIT", "LINE_LIMIT"}


def test_header_equals_contract() -> None:
    """Each constant of launcher.h that another process knows has the contract's value, and none is left out."""
    header = (SOURCES / "launcher.h").read_text()
    found = dict(re.findall(r"^#define (\w+) (\S.*?)(?: *//.*)?$", header, flags=re.MULTILINE))
    values = {name: text[1:-1] if text.startswith('"') else int(text) for name, text in found.items()}
    assert {name: value for name, value in values.items() if name not in OWN} == {
        "REFRESHER_COMMAND": environ.REFRESHER_COMMAND,
        "TIME_DIVISOR": environ.TIME_DIVISOR,
        "TERMINATION_LOG_VARIABLE": environ.TERMINATION_LOG,
        "AWAIT_COMMAND": pod.AWAIT_COMMAND,
        "PYTHON_REFRESHER": " ".join(pod.PYTHON_REFRESHER),
        "TERMINATION_LOG": pod.TERMINATION_LOG,
        "PERMANENT_PREFIX": pod.PERMANENT_PREFIX,
        "REPORT_FD_FLAG": refresh.REPORT_FD_FLAG,
        "REPORT_FD": refresh.REPORT_FD,
        "REPORT_NEXT": refresh.REPORT_NEXT,
        "REPORT_ERROR": refresh.REPORT_ERROR,
        "REPORT_LIMIT": refresh.REPORT_LIMIT,
        "BACKOFF_FIRST": refresh.BACKOFF_FIRST,
        "BACKOFF_CAP": refresh.BACKOFF_CAP,
        "CHILD_DEADLINE": refresh.CHILD_DEADLINE,
        "AWAIT_TIMEOUT": refresh.AWAIT_TIMEOUT,
        "EXIT_OK": exit_codes.OK,
        "EXIT_USAGE": exit_codes.USAGE,
        "EXIT_PERMANENT_FIRST": exit_codes.PERMANENT[0],
        "EXIT_PERMANENT_LAST": exit_codes.PERMANENT[-1],
        "EXIT_SOURCE_UNAVAILABLE": exit_codes.SOURCE_UNAVAILABLE,
        "EXIT_AWAIT_TIMEOUT": exit_codes.AWAIT_TIMEOUT,
        "EXIT_INTERNAL": exit_codes.INTERNAL,
    }
