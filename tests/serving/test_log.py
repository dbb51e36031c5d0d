"""What is written down."""

import io
import json
import logging
import os
import sys

import pytest

from serving import log


def test_exception_is_logged_without_its_message() -> None:
    """A stack and the types, chained ones too; never the message, which may quote a pod."""
    try:
        try:
            int("hunter2")
        except ValueError as exc:
            raise KeyError("hunter2") from exc
    except KeyError as exc:
        described = log.describe_exception(exc)

    assert "builtins.KeyError\ncaused by:\n" in described
    assert described.endswith("builtins.ValueError")
    assert __file__ in described
    assert "hunter2'" not in described.replace('int("hunter2")', "").replace('KeyError("hunter2")', "")


@pytest.mark.parametrize("as_json", [True, False])
def test_log_lines(monkeypatch: pytest.MonkeyPatch, as_json: bool) -> None:  # noqa: FBT001 - pytest's argument
    """The level holds, and an exception has its stack in either format."""
    captured = io.StringIO()
    monkeypatch.setattr(sys, "stderr", captured)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers = []
    try:
        log.configure("warn", as_json=as_json)
        logging.getLogger("a").info("hidden")
        try:
            int("not shown")
        except ValueError:
            logging.getLogger("a").exception("failed for %s", "b")
    finally:
        root.handlers, root.level = handlers, level

    text = captured.getvalue()
    assert "hidden" not in text
    assert "literal" not in text
    assert "builtins.ValueError" in text
    if as_json:
        line = json.loads(text)
        assert (line["level"], line["logger"], line["message"]) == ("error", "a", "failed for b")


def test_event_is_one_short_line() -> None:
    """An event is one line of JSON; overlong names are cut, line ends can't forge a line."""
    reader, writer = os.pipe()
    log.EventLog(writer).write("review", {"pod": "x\n" * 1000, "milliseconds": 1.5})
    os.close(writer)
    with os.fdopen(reader) as written:
        lines = written.read().splitlines()

    (line,) = [json.loads(text) for text in lines]
    assert (line["event"], line["milliseconds"], len(line["pod"])) == ("review", 1.5, 253)
    assert line["time"].endswith("Z")


def test_closed_stdout_fails_no_review() -> None:
    """Nobody reads the events: the webhook serves on."""
    reader, writer = os.pipe()
    os.close(reader)
    log.EventLog(writer).write("review", {})
    os.close(writer)
