"""A measurement over its bound fails the run and is named."""

import json
from pathlib import Path

import pytest

from bench import cli
from bench.result import BenchError, BusyError, Result, table, write
from bench.review import SIZE, body


def result(value: float, *, is_ratio: bool = True) -> Result:
    """A measurement against a floor of 10 with a bound of 2."""
    return Result(name="x", floor="y", floor_value=10, value=value, unit="us", bound=2, is_ratio=is_ratio)


@pytest.mark.parametrize(
    ("measured", "passes"),
    [(result(20), True), (result(20.1), False), (result(2, is_ratio=False), True), (result(3, is_ratio=False), False)],
)
def test_a_bound_is_inclusive(measured: Result, passes: bool) -> None:  # noqa: FBT001 - a table's column
    """The bound itself passes; ratios are compared as ratios, sizes as sizes."""
    assert measured.passes is passes
    assert ("OVER" in table([measured])) is not passes


def test_json_has_what_was_measured(tmp_path: Path) -> None:
    """Programs find the ratio and the verdict beside the raw figures."""
    write([result(25)], tmp_path / "new" / "bench.json")

    row = json.loads((tmp_path / "new" / "bench.json").read_text())["results"][0]
    assert (row["measured"], row["passes"], row["value"]) == (2.5, False, 25)


def test_what_has_no_bound_is_told_and_passes(tmp_path: Path) -> None:
    """In JSON its bound is null; above the rows stand date, command and cluster."""
    told = Result(name="x", floor="y", floor_value=0, value=7, unit="MB", bound=None, is_ratio=False)
    header = {"date": "2026-11-25", "command": "make bench-node", "cluster": "one node"}
    write([told], tmp_path / "node.json", header)

    text = (tmp_path / "node.json").read_text()
    assert json.loads(text)["results"][0]["bound"] is None
    assert list(json.loads(text))[:3] == ["date", "command", "cluster"]
    assert told.passes
    assert "none" in table([told])


def test_a_figure_that_json_does_not_have_is_refused(tmp_path: Path) -> None:
    """Where it is written, not where it is read."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        write([result(float("inf"))], tmp_path / "bench.json")


@pytest.mark.parametrize(("value", "code"), [(15, 0), (25, 1)])
def test_the_exit_code_says_whether_all_passed(
    value: float, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One result over its bound makes the command fail."""
    monkeypatch.setitem(cli.MEASUREMENTS, "mutation", lambda: [result(value)])

    assert cli.main(["mutation", f"--output={tmp_path / 'bench.json'}"]) == code


def test_what_cannot_be_measured_fails_and_costs_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A machine without a tool, or never at rest, is told so in a line; the other measurements are there."""

    def refuse() -> list[Result]:
        raise BenchError("valgrind is needed")

    monkeypatch.setitem(cli.MEASUREMENTS, "token", refuse)
    monkeypatch.setitem(cli.MEASUREMENTS, "mutation", lambda: [result(15)])

    assert cli.main(["token", "mutation", f"--output={tmp_path / 'bench.json'}"]) == 1
    said = capsys.readouterr()
    assert "token: valgrind is needed\n" in said.err
    assert "not measured: token" in said.err
    assert "1.500x" in said.out


def test_the_measured_review_has_the_size_it_claims() -> None:
    """7.9 KB, give or take one managed field."""
    assert SIZE <= len(body()) < SIZE + 50


@pytest.mark.parametrize(
    ("values", "measurements", "passes"),
    [([15], 1, True), ([25, 15], 2, True), ([25, 30, 28, 26, 27, 29], 6, False)],
)
def test_only_what_is_over_each_time_is_over(
    values: list[float],
    measurements: int,
    passes: bool,  # noqa: FBT001 - a table's column
) -> None:
    """A busy neighbour costs a second measurement, a regression is over its bound in all six; the lowest is told."""
    left = iter(values)
    (measured,) = cli.confirmed(lambda: [result(next(left))])

    assert measured.passes is passes
    assert measured.value == min(values)
    assert len(list(left)) == len(values) - measurements


def test_a_busy_machine_is_tried_again() -> None:
    """One that is busy each time can't be measured; anything else that can't is told at once."""
    tries = 0

    def measure(error: type[BenchError], times: int) -> list[Result]:
        nonlocal tries
        tries += 1
        if tries <= times:
            raise error("not now")
        return [result(15)]

    (measured,) = cli.confirmed(lambda: measure(BusyError, 1))
    assert (measured.value, tries) == (15, 2)

    tries = 0
    with pytest.raises(BusyError):
        cli.confirmed(lambda: measure(BusyError, 9))
    assert tries == cli.ATTEMPTS

    tries = 0
    with pytest.raises(BenchError):
        cli.confirmed(lambda: measure(BenchError, 1))
    assert tries == 1
