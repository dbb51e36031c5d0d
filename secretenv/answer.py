"""What the injected container and a launcher say to each other: contract/secrets.py has the form.

Pure: bytes in, bytes out. An answer is ours; a request is anybody's who is in the application's container, so that it
has limits and is believed nothing.
"""

from collections.abc import Iterable, Mapping

from contract.secrets import (
    MAGIC,
    RECORD_END,
    RECORD_ERROR,
    RECORD_SET,
    RECORD_UNSET,
    REQUEST_LIMIT,
    VARIABLE_LIMIT,
)
from secretenv.variable import variable

_MAGIC = MAGIC.encode()


class MessageError(Exception):
    """Bytes that are no request or no answer; the message says where, without quoting."""


def set_record(name: str, value: str) -> bytes:
    """The record that sets a variable. Raises `VariableError`."""
    return RECORD_SET.encode() + variable(name, value) + b"\0"


def unset_record(name: str) -> bytes:
    """The record that takes a variable away."""
    return (RECORD_UNSET + name).encode(errors="surrogateescape") + b"\0"


def answer(records: Iterable[bytes]) -> bytes:
    """What a container gets, in an env file and on a socket."""
    return b"".join((_MAGIC, *records, RECORD_END.encode(), b"\0"))


def refusal(reason: str) -> bytes:
    """The answer that says no: one line, since it is shown as the container's termination message."""
    line = " ".join(reason.replace("\0", " ").split())
    return answer([(RECORD_ERROR + line).encode(errors="replace") + b"\0"])


def request_ended(data: bytes) -> bool:
    """Whether nothing of a request is missing: its last record is empty. Raises `MessageError` where it is too long."""
    if len(data) > REQUEST_LIMIT:
        raise MessageError(
            f"the variables with references from Secrets have more than {REQUEST_LIMIT} bytes; use an annotation "
            "secret-file.NAME"
        )
    return data.endswith(b"\0\0") or data == _MAGIC + b"\0"


def parse_request(data: bytes) -> Mapping[str, str]:
    """The variables of a container in which references may stand. Raises `MessageError`.

    Bytes that are no UTF-8 are kept as Python keeps them in file names (surrogateescape).
    """
    if not request_ended(data):
        raise MessageError("the request has no end")
    if not data.startswith(_MAGIC):
        raise MessageError("the request does not begin as one")
    variables: dict[str, str] = {}
    for number, record in enumerate(data[len(_MAGIC) : -1].split(b"\0")[:-1], start=1):
        name, equals, value = record.partition(b"=")
        if not name or not equals:
            raise MessageError(f"record {number} of the request is no NAME=VALUE")
        if len(record) >= VARIABLE_LIMIT:
            raise MessageError(f"record {number} of the request has {VARIABLE_LIMIT} bytes or more")
        # As getenv: of two variables with one name the first.
        variables.setdefault(name.decode(errors="surrogateescape"), value.decode(errors="surrogateescape"))
    return variables


def parse_answer(data: bytes) -> tuple[Mapping[str, str], frozenset[str], str | None]:
    """What an answer sets, what it unsets, and why it says no: the launcher's part. Raises `MessageError`."""
    if not data.startswith(_MAGIC) or not data.endswith(b"\0"):
        raise MessageError("the answer has no beginning or no end")
    *records, end = data[len(_MAGIC) : -1].split(b"\0")
    if end != RECORD_END.encode():
        raise MessageError("the answer has no beginning or no end")
    texts = [record.decode(errors="surrogateescape") for record in records]
    variables = [text.removeprefix(RECORD_SET).partition("=") for text in texts if text.startswith(RECORD_SET)]
    unset = frozenset(text.removeprefix(RECORD_UNSET) for text in texts if text.startswith(RECORD_UNSET))
    reasons = [text.removeprefix(RECORD_ERROR) for text in texts if text.startswith(RECORD_ERROR)]
    if len(variables) + len(unset) + len(reasons) != len(records):
        raise MessageError("the answer has a record of no kind")
    return {name: value for name, _, value in variables}, unset, next(iter(reasons), None)
