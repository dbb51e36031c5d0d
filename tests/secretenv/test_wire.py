"""What broker and injected container say to each other survives the way, and rubbish does not."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secretenv import wire
from secretenv.stores import Refusal
from secretenv.wire import Answer, Question, WireError

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
CANARY = "canary-7c1f"

questions = st.builds(
    Question,
    references=st.lists(TEXT, min_size=1, max_size=5).map(tuple),
    role_arn=st.none() | TEXT,
    web_identity_token=st.none() | TEXT,
    session_name=st.none() | TEXT,
    region=st.none() | TEXT,
    versions_only=st.booleans(),
)
answers = st.builds(
    Answer,
    values=st.dictionaries(TEXT, TEXT | st.binary()),
    refusals=st.dictionaries(TEXT, st.builds(Refusal, reason=st.sampled_from(wire.REASONS), message=TEXT)),
    versions=st.dictionaries(TEXT, TEXT),
)


@given(questions)
def test_question(question: Question) -> None:
    """A question arrives as it was asked."""
    assert wire.decode_question(wire.encode_question(question)) == question


@given(answers)
def test_answer(answer: Answer) -> None:
    """An answer arrives as it was given, binary values as bytes."""
    assert wire.decode_answer(wire.encode_answer(answer)) == answer


@given(TEXT)
def test_message(message: str) -> None:
    """So does the reason of an error."""
    assert wire.decode_message(wire.encode_message(message)) == message


def test_forms() -> None:
    """The JSON is the documented one."""
    question = Question(references=("sm://db#user",), role_arn="arn", web_identity_token="jwt")
    assert json.loads(wire.encode_question(question)) == {
        "references": ["sm://db#user"],
        "role_arn": "arn",
        "web_identity_token": "jwt",
        "session_name": None,
        "region": None,
    }
    answer = Answer(values={"a": "x", "b": b"\0"}, refusals={"c": Refusal(reason="not_found", message="no")})
    assert json.loads(wire.encode_answer(answer)) == {
        "values": {"a": {"text": "x"}, "b": {"base64": "AA=="}},
        "refusals": {"c": {"reason": "not_found", "message": "no"}},
        "versions": {},
    }


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "not a JSON object"),
        (b"[]", "not a JSON object"),
        (b"\xff", "not a JSON object"),
        (b"[" * 100_000, "not a JSON object"),
        (b"{}", "references"),
        ({"references": []}, "references"),
        ({"references": "sm://a"}, "references"),
        ({"references": [1]}, "references"),
        ({"references": ["a"] * (wire.REFERENCES_LIMIT + 1)}, "references"),
        ({"references": ["a"], "versions_only": 1}, "versions_only"),
        ({"references": ["a"], "role_arn": 1}, "role_arn"),
        ({"references": ["a"], "web_identity_token": [CANARY]}, "web_identity_token"),
        ({"references": ["a"], "region": "\ud800"}, "region"),
        (b" " * (wire.QUESTION_LIMIT + 1), "at most"),
    ],
)
def test_bad_question(body: Any, said: str) -> None:
    """Each is refused with the key's name and without its value."""
    with pytest.raises(WireError, match=said) as caught:
        wire.decode_question(body if isinstance(body, bytes) else json.dumps(body).encode())
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        {"values": []},
        {"values": {"a": CANARY}},
        {"values": {"a": {}}},
        {"values": {"a": {"text": 1}}},
        {"values": {"a": {"text": CANARY, "base64": ""}}},
        {"values": {"a": {"base64": CANARY}}},
        {"values": {"a": {"text": "\udfff"}}},
        {"refusals": {"a": {"reason": "why not", "message": "no"}}},
        {"refusals": {"a": {"reason": [], "message": "no"}}},
        {"refusals": {"a": {"reason": "not_found"}}},
        {"versions": {"a": 1}},
        b" " * (wire.ANSWER_LIMIT + 1),
    ],
)
def test_bad_answer(body: Any) -> None:
    """Each is refused, and the value that it may hold is in no text of the error or of its causes."""
    with pytest.raises(WireError) as caught:
        wire.decode_answer(body if isinstance(body, bytes) else json.dumps(body).encode())
    assert CANARY not in str(caught.value)
    assert CANARY not in str(caught.value.__cause__)


def test_unknown_keys_are_ignored() -> None:
    """The two sides may be of different releases."""
    assert wire.decode_question(b'{"references": ["a"], "new": 1}') == Question(references=("a",))
    assert wire.decode_answer(b'{"new": 1}') == Answer()


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"message": 1}'])
def test_no_message(body: bytes) -> None:
    """What stands in between answers as it likes."""
    assert wire.decode_message(body) == ""


def test_repr_has_no_secrets() -> None:
    """Neither the token nor a value is in a repr."""
    shown = repr(Question(references=("a",), web_identity_token=CANARY)) + repr(Answer(values={"a": CANARY}))
    assert CANARY not in shown
