"""A file of one variable, as the kubelet reads it for `fileKeyRef`: NAME='value', which may have several lines.

Pure. Source: Kubernetes' parser of env files (pkg/util/env). It reads line by line and takes what stands between single
quotes as it is, without escapes. What it cannot hold is refused here, before the application starts with less.
"""

import re
from typing import Final

from secretenv.variable import VariableError, variable

# bufio.Scanner ends with an error at a longer line, its newline counted.
_LINE_LIMIT: Final = 64 * 1024
# Kubernetes' IsEnvVarName; the API server takes more where its relaxed validation is on.
_NAME: Final = re.compile(r"(?!\.{1,2}\Z)[A-Za-z_.-][A-Za-z0-9_.-]*")


class EnvfileError(Exception):
    """What the format cannot hold; the message says what is in the way and what to do, without the value."""


def is_name(name: str) -> bool:
    """Whether a variable of this name can stand in an env file."""
    return _NAME.fullmatch(name) is not None


def envfile(name: str, value: str) -> bytes:
    """The file of one variable. Raises `EnvfileError`."""
    if not is_name(name):
        raise _refused("the name has other characters than A-Z a-z 0-9 _ . - or begins with a digit")
    if not value:
        raise _refused("the value is empty, which the kubelet takes for a missing key")
    try:
        data = f"{name}='{value}'\n".encode()
    except UnicodeEncodeError:
        raise _refused("the value is no UTF-8") from None
    try:
        variable(name, value)
    except VariableError as exc:
        # Before all that the launcher could hold: it cannot hold this either.
        raise EnvfileError(str(exc)) from exc
    for mark, what in (("'", "has a ' in it"), ("\r\n", "has a line that ends with CR LF")):
        if mark in value:
            raise _refused(f"the value {what}")
    if max(map(len, data.split(b"\n"))) >= _LINE_LIMIT:
        raise _refused("the value has a line of 64 KiB or more")
    return data


def _refused(what: str) -> EnvfileError:
    return EnvfileError(
        f"{what}: an env file cannot hold it; annotate the pod with admission.token-injector/secret-delivery: launcher"
    )
