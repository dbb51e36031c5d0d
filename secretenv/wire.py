"""What do the injected container and the broker say to each other? JSON over HTTPS, POST to PATH.

Pure. Both sides use this file; whatever comes from the other side is checked here, and no error text quotes it.
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, get_args

from secretenv.stores import Reason, Refusal

PATH = "/v1/secrets"
# A web identity token has at most 20,000 characters; a pod's references are some hundred bytes each.
QUESTION_LIMIT = 1 << 20
REFERENCES_LIMIT = 1000
# A thousand variables at Linux' limit of 128 KiB each are more than Linux gives a process; base64 takes a third more.
ANSWER_LIMIT = 16 << 20

REASONS: tuple[str, ...] = get_args(Reason)

T = TypeVar("T")


class WireError(Exception):
    """The other side does not speak this protocol; the message names the key, never a value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a pod asks: its references in canonical form, and in whose name AWS shall be asked."""

    references: tuple[str, ...]
    """Without filters: the asker applies them."""
    role_arn: str | None = None
    """None: the broker's own role."""
    web_identity_token: str | None = field(default=None, repr=False)
    """The pod's own, which the broker exchanges for credentials of `role_arn`."""
    session_name: str | None = None
    region: str | None = None
    versions_only: bool = False
    """Whether only `Answer.versions` (and refusals) are wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of each reference: a value (or a version alone), or a refusal."""

    values: Mapping[str, str | bytes] = field(default_factory=dict, repr=False)
    refusals: Mapping[str, Refusal] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)


def encode_question(question: Question) -> bytes:
    """The request's body."""
    body = {
        "references": list(question.references),
        "role_arn": question.role_arn,
        "web_identity_token": question.web_identity_token,
        "session_name": question.session_name,
        "region": question.region,
    }
    return json.dumps(body | ({"versions_only": True} if question.versions_only else {})).encode("ascii")


def decode_question(body: bytes) -> Question:
    """Raises WireError. Keys that are not known are ignored: an asker may be newer than its broker."""
    found = _object(body, limit=QUESTION_LIMIT)
    references = found.get("references")
    if not isinstance(references, list) or not 1 <= len(references) <= REFERENCES_LIMIT:
        raise WireError(f"references: expected a list of 1 to {REFERENCES_LIMIT} texts")
    versions_only = found.get("versions_only", False)
    if not isinstance(versions_only, bool):
        raise WireError("versions_only: expected true or false")
    return Question(
        references=tuple(_text(reference, "references") for reference in references),
        role_arn=_text_or_none(found, "role_arn"),
        web_identity_token=_text_or_none(found, "web_identity_token"),
        session_name=_text_or_none(found, "session_name"),
        region=_text_or_none(found, "region"),
        versions_only=versions_only,
    )


def encode_answer(answer: Answer) -> bytes:
    """The body of a 200."""
    body = {
        "values": {reference: _encoded(value) for reference, value in answer.values.items()},
        "refusals": {
            reference: {"reason": refusal.reason, "message": refusal.message}
            for reference, refusal in answer.refusals.items()
        },
        "versions": dict(answer.versions),
    }
    return json.dumps(body).encode("ascii")


def decode_answer(body: bytes) -> Answer:
    """Raises WireError."""
    found = _object(body, limit=ANSWER_LIMIT)
    return Answer(
        values=_mapping(found, "values", _decoded),
        refusals=_mapping(found, "refusals", _refusal),
        versions=_mapping(found, "versions", _text),
    )


def encode_message(message: str) -> bytes:
    """The body of every other status: why, for the one who can mend it."""
    return json.dumps({"message": message}).encode("ascii")


def decode_message(body: bytes) -> str:
    """The reason, empty where the body has none: a proxy in between speaks no JSON."""
    try:
        return _text(_object(body, limit=ANSWER_LIMIT).get("message"), "message")
    except WireError:
        return ""


def _object(body: bytes, *, limit: int) -> dict[str, Any]:
    if len(body) > limit:
        raise WireError(f"the body has {len(body)} bytes; expected at most {limit}")
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):  # json's and Unicode's errors are ValueErrors; their texts may quote the body
        found = None
    if not isinstance(found, dict):
        raise WireError("the body is not a JSON object")
    return found


def _mapping(found: Mapping[str, Any], key: str, read: Callable[[Any, str], T]) -> dict[str, T]:
    entries = found.get(key, {})
    if not isinstance(entries, dict):
        raise WireError(f"{key}: expected an object")
    return {reference: read(entry, key) for reference, entry in entries.items()}


def _encoded(value: str | bytes) -> dict[str, str]:
    return {"text": value} if isinstance(value, str) else {"base64": base64.b64encode(value).decode("ascii")}


def _decoded(entry: Any, where: str) -> str | bytes:
    if isinstance(entry, dict) and len(entry) == 1:
        if "text" in entry:
            return _text(entry["text"], where)
        try:
            return base64.b64decode(_text(entry.get("base64"), where), validate=True)
        except binascii.Error:
            raise WireError(f"{where}: expected base64") from None  # the cause may quote the value
    raise WireError(f"{where}: expected an object with either text or base64")


def _refusal(entry: Any, where: str) -> Refusal:
    if not isinstance(entry, dict) or entry.get("reason") not in REASONS:
        raise WireError(f"{where}: expected a reason of {', '.join(REASONS)}, and a message")
    reason: Reason = entry["reason"]
    return Refusal(reason=reason, message=_text(entry.get("message"), where))


def _text(value: Any, where: str) -> str:
    # JSON can hold half of a surrogate pair, which no file, socket or variable can.
    if not isinstance(value, str) or any("\ud800" <= character <= "\udfff" for character in value):
        raise WireError(f"{where}: expected text")
    return value


def _text_or_none(found: Mapping[str, Any], key: str) -> str | None:
    return None if found.get(key) is None else _text(found[key], key)
