"""What the launcher and the kubelet are told."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import exit_codes, refresh
from injector.errors import RefreshError, printable
from injector.report import (
    Next,
    last_words,
    line,
    read_permanent,
    read_report,
    read_termination_log,
    write_termination_log,
)
from injector.settings import Shared


def shared(path: Path, *, create: bool = True) -> Shared:
    """Settings with this termination log."""
    return Shared(termination_log=str(path), create_termination_log=create, time_divisor=1)


@pytest.mark.parametrize(("seconds", "text"), [(2340.1234, "next 2340123\n"), (0.5, "next 500\n"), (0, "next 1\n")])
def test_next(seconds: float, text: str) -> None:
    """Milliseconds, at least one."""
    assert line(Next(seconds=seconds)) == text


def test_error() -> None:
    """Code and reason, in one line."""
    assert line(RefreshError("no\nway", exit_code=20)) == "error 20 no way\n"


@given(st.text(), st.integers(min_value=0, max_value=99))
def test_any_reason_is_one_short_ascii_line(reason: str, code: int) -> None:
    """Whatever a reason holds, the report keeps the contract's form and can be read back."""
    text = line(RefreshError(reason, exit_code=code))
    assert len(text.encode("ascii")) <= refresh.REPORT_LIMIT
    assert text.count("\n") == 1
    found = read_report(text)
    assert found is None if not printable(reason) else isinstance(found, RefreshError) and found.exit_code == code


@given(st.integers(min_value=1, max_value=10**9))
def test_next_is_read_back(milliseconds: int) -> None:
    """What is written is read."""
    assert read_report(line(Next(seconds=milliseconds / 1000))) == Next(seconds=milliseconds / 1000)


@given(st.text())
def test_garbage_is_no_report(text: str) -> None:
    """A child may write anything."""
    found = read_report(text)
    assert found is None or text.startswith(("next ", "error "))


@pytest.mark.parametrize(
    "text", ["", "next", "next 5", "next -5\n", "next 5 6\n", "error 20\n", "next 99999999999999\n"]
)
def test_almost_a_report(text: str) -> None:
    """A cut or malformed line is none."""
    assert read_report(text) is None


def test_tokens_are_withheld(token: Callable[..., str]) -> None:
    """A foreign text with a token in it is not repeated at all."""
    assert printable(f"oops {token(exp=1)}") == "(withheld: it looks like a token)"
    assert "ya29" not in printable("Bearer ya29.a0Af")


@pytest.mark.parametrize(
    ("code", "text"),
    [(10, "permanent: 10 why\n"), (19, "permanent: 19 why\n"), (20, "why\n"), (2, "permanent: 2 why\n")],
)
def test_last_words(code: int, text: str) -> None:
    """Only what no retry can mend is called permanent."""
    assert last_words(RefreshError("why", exit_code=code)) == text


@pytest.mark.parametrize(
    ("text", "code", "reason"),
    [
        ("permanent: 11 why it is\nold rest", 11, "why it is"),
        ("permanent: 2 unknown flag", 2, "unknown flag"),
        ("permanent: 20 not permanent", 10, "20 not permanent"),
        ("permanent: 99 why", 10, "99 why"),
        ("permanent: why", 10, "why"),
        ("permanent: ", 10, ""),
    ],
)
def test_read_permanent(text: str, code: int, reason: str) -> None:
    """The code in the line is the exit code; without a good one it is the first permanent one."""
    found = read_permanent(text)
    assert found
    assert (found.exit_code, str(found)) == (code, reason)


@pytest.mark.parametrize("text", ["", "why", "Permanent: 10 why", "why\npermanent: 10 why"])
def test_not_permanent(text: str) -> None:
    """Only the first words count."""
    assert read_permanent(text) is None


def test_termination_log(tmp_path: Path) -> None:
    """A shorter text leaves nothing of a longer one behind."""
    path = tmp_path / "log"
    write_termination_log(shared(path), "a long reason\n")
    write_termination_log(shared(path), "short\n")
    assert (path.read_text(), read_termination_log(shared(path))) == ("short\n", "short\n")


def test_termination_log_is_not_made_by_default(tmp_path: Path) -> None:
    """Outside a pod there is no /dev/termination-log, and none is made."""
    path = tmp_path / "log"
    write_termination_log(shared(path, create=False), "why\n")
    assert not path.exists()


def test_termination_log_that_cannot_be(tmp_path: Path) -> None:
    """A log that cannot be written or read stops nothing."""
    write_termination_log(shared(tmp_path), "why\n")
    assert read_termination_log(shared(tmp_path)) == ""
    assert read_termination_log(shared(tmp_path / "absent")) == ""


def test_contract_agrees() -> None:
    """A reason in the termination log leaves room in the kubelet's 4096 bytes."""
    assert refresh.REPORT_LIMIT + len("permanent: ") < 4096
    assert exit_codes.PERMANENT[0] == exit_codes.NO_SERVICE_ACCOUNT
