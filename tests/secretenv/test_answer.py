"""What injected container and launcher say to each other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.secrets import REQUEST_LIMIT
from secretenv.answer import (
    MessageError,
    answer,
    parse_answer,
    parse_request,
    refusal,
    request_ended,
    set_record,
    unset_record,
)
from secretenv.variable import VariableError

MAGIC = b"token-injector secrets 1\n"
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="=\0"), min_size=1)
VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\0")) | st.just("\udcff'\n=\r")


def test_what_it_looks_like() -> None:
    """Records that end with NUL, and "." at the end."""
    written = answer([set_record("A", "x=\n\udcff"), unset_record("B"), set_record("EMPTY", "")])

    assert written == MAGIC + b"S A=x=\n\xff\0U B\0S EMPTY=\0.\0"
    assert refusal("no\0secret\n  'db'") == MAGIC + b"E no secret 'db'\0.\0"


@given(variables=st.dictionaries(NAMES, VALUES), unset=st.frozensets(NAMES))
def test_answers_round_trip(variables: dict[str, str], unset: frozenset[str]) -> None:
    """What is written is read: any bytes but NUL."""
    records = [set_record(name, value) for name, value in variables.items()] + [unset_record(name) for name in unset]

    assert parse_answer(answer(records)) == (variables, unset, None)


@given(reason=st.text())
def test_refusals_are_one_line(reason: str) -> None:
    """Whatever the reason, the launcher reads one line."""
    variables, unset, said = parse_answer(refusal(reason))

    assert (variables, unset) == ({}, frozenset())
    assert said is not None
    assert said.split() == reason.replace("\0", " ").split() or not reason.isprintable()
    assert "\n" not in said


@pytest.mark.parametrize(
    "data", [b"", MAGIC, MAGIC + b".", MAGIC + b"S A=b\0", b"S A=b\0.\0", MAGIC + b"X A\0.\0", MAGIC + b".\0."]
)
def test_no_answers(data: bytes) -> None:
    """A part of an answer is none."""
    with pytest.raises(MessageError):
        parse_answer(data)


def test_the_longest_variable() -> None:
    """Linux takes 131072 bytes with name, = and NUL; more, or a NUL, has to go into a file."""
    assert len(set_record("A", "x" * 131069)) == 2 + 131072

    with pytest.raises(
        VariableError, match=r"the variable has 131073 bytes .* takes 131072: use an annotation secret-f"
    ):
        set_record("A", "x" * 131070)
    with pytest.raises(VariableError, match="131073 bytes"):
        set_record("é", "x" * 131069)
    with pytest.raises(VariableError, match=r"NUL .* secret-file"):
        set_record("A", "x\0")


@given(variables=st.dictionaries(NAMES, VALUES))
def test_requests(variables: dict[str, str]) -> None:
    """Each record is NAME=VALUE in any bytes; the end is seen when it is there, and not before."""
    records = [f"{name}={value}".encode(errors="surrogateescape") + b"\0" for name, value in variables.items()]
    request = MAGIC + b"".join(records) + b"\0"

    assert parse_request(request) == variables
    assert not any(request_ended(request[:length]) for length in range(len(request)))


def test_of_two_variables_the_first() -> None:
    """As getenv."""
    assert parse_request(MAGIC + b"A=1\0A=2\0\0") == {"A": "1"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no end"),
        (MAGIC, "no end"),
        (MAGIC + b"A=b\0", "no end"),
        (b"A=b\0\0", "does not begin"),
        (b"\0\0", "does not begin"),
        (MAGIC[1:] + b"\0\0", "does not begin"),
        (MAGIC + b"A=hunter2\0hunter2\0\0", "record 2 of the request is no NAME=VALUE"),
        (MAGIC + b"=hunter2\0\0", "record 1 of the request is no NAME=VALUE"),
        (MAGIC + b"\0A=b\0\0", "record 1 of the request is no NAME=VALUE"),
        (MAGIC + b"A=b\0\0\0", "record 2 of the request is no NAME=VALUE"),
        (MAGIC + b"A=" + b"x" * 131070 + b"\0\0", "record 1 of the request has 131072 bytes or more"),
        (MAGIC + b"x" * REQUEST_LIMIT, "more than 1048576 bytes"),
    ],
)
def test_hostile_requests(data: bytes, message: str) -> None:
    """What is wrong is told by its place, and not quoted."""
    with pytest.raises(MessageError, match=message) as error:
        parse_request(data)
    assert "hunter2" not in str(error.value)


@given(data=st.binary(), begins=st.booleans())
def test_any_bytes(data: bytes, *, begins: bool) -> None:
    """Any bytes are a request or a `MessageError`."""
    try:
        variables = parse_request((MAGIC if begins else b"") + data)
    except MessageError:
        return
    assert begins
    assert all(variables)
