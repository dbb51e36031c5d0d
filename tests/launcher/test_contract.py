"""contract.h repeats the contract, because C cannot import it; here the two are compared."""

import ast
import re

from contract import environ, exit_codes, pod, refresh, secrets
from tests.launcher.building import SOURCES

EXPECTED = {
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
    "EXIT_SECRETS_NOT_WRITTEN": exit_codes.SECRETS_NOT_WRITTEN,
    "EXIT_INTERNAL": exit_codes.INTERNAL,
}
# Under their own names; what the launcher does not know is the webhook's and the injector's affair.
SAME = (
    *("PLAN", "SOCKETS", "SECRETS_COMMAND", "SOCKETS_FLAG", "SOCKET_FD", "EXEC_COMMAND", "EXPANDED_FLAG"),
    "TERMINATION_LOG_FLAG",
    *("APPLICATION_PATH", "SOCKET_FILE", "ENV_FILE", "GENERATION_FILE", "MAGIC", "ASIDE"),
    *("RECORD_SET", "RECORD_UNSET", "RECORD_ERROR"),
    *("RECORD_END", "MARKERS", "VARIABLE_LIMIT", "MESSAGE_LIMIT", "EXEC_UNREACHABLE", "EXEC_REFUSED"),
    *("EXEC_MALFORMED", "EXEC_ROTATED", "EXEC_USAGE", "EXEC_INTERNAL", "EXEC_NOT_EXECUTABLE", "EXEC_NOT_FOUND"),
    *("EXEC_TIMEOUT", "GENERATION_POLL", "STATE_DIRECTORY", "INJECTOR_PATH", "STATE_VOLUME", "METRICS_PORT"),
    *("METRICS_PORT_FIRST", "METRICS_PORT_LAST", "METRICS_FILE", "METRICS_TYPE", "READY_FILE"),
)


def test_header_equals_contract() -> None:
    """Each constant of contract.h has the contract's value, and none is left out."""
    header = (SOURCES / "contract.h").read_text()
    found = dict(re.findall(r"^#define (\w+) (\S.*)$", header, flags=re.MULTILINE))
    # C's strings, numbers and lists of strings are Python's too, but for the brackets.
    values = {name: ast.literal_eval(text.replace("{", "(").replace("}", ")")) for name, text in found.items()}
    assert values == EXPECTED | {name: getattr(secrets, name) for name in SAME}
