"""What can a process have as an environment variable? However it gets there, Linux is the same.

Pure. What no delivery can hold belongs into a file.
"""

from contract.secrets import VARIABLE_LIMIT


class VariableError(Exception):
    """A value that no variable can hold; the message says why and what to do, without the value."""


def variable(name: str, value: str) -> bytes:
    """The variable as a process has it. Raises `VariableError`."""
    whole = f"{name}={value}".encode(errors="surrogateescape")
    if b"\0" in whole:
        raise VariableError("the value has a NUL in it, which no variable can hold: use an annotation secret-file.NAME")
    if len(whole) >= VARIABLE_LIMIT:
        raise VariableError(
            f"the variable has {len(whole) + 1} bytes with its name, and Linux takes {VARIABLE_LIMIT}: "
            "use an annotation secret-file.NAME"
        )
    return whole
