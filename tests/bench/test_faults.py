"""What a row of the fault table says, and when it fails."""

import pytest

from bench.faults import cli
from bench.faults.result import Result, as_json, markdown_table, merged
from bench.faults.rows import ROWS

FINE = Result(name="x", proof="it happened", created=10, calls=5)


def test_a_row_in_which_nothing_is_lost_passes() -> None:
    """Pods that the API server itself did not answer are nobody's loss: they never were."""
    assert FINE.passes
    assert Result(name="x", proof="it happened", created=10, unreachable=3, calls=5).passes


@pytest.mark.parametrize("lost", ["unmutated", "refused", "failed_calls", "tokens_lost"])
def test_one_loss_fails_the_row(lost: str) -> None:
    """Of any kind."""
    assert not Result(name="x", proof="it happened", **{lost: 1}).passes  # type: ignore[arg-type]  # a field by name


def test_reviews_in_flight_on_a_killed_replica_are_counted_not_judged() -> None:
    """But a pod that is created unmutated fails that row too."""
    assert Result(name="x", proof="it happened", refused=3, in_flight=True).passes
    assert not Result(name="x", proof="it happened", unmutated=1, in_flight=True).passes


def test_a_row_that_was_not_measured_does_not_pass() -> None:
    """It proves nothing."""
    assert not Result(name="x", proof="needs a command", is_measured=False).passes


def test_the_table_is_made_from_the_json() -> None:
    """Figures of measured rows, and the reason of those that were not."""
    left_out = Result(name="y", proof="needs a command", is_measured=False)
    rows = as_json([FINE, left_out], date="2026-11-25", command="make faults", cluster="one node")["rows"]

    assert markdown_table(rows).splitlines()[2:] == [
        "| x | 10 | 0 | 0 | 0 | 5 | 0 | 0 | it happened |",
        "| y |  |  |  |  |  |  |  | needs a command |",
    ]


def test_every_row_has_a_name_of_its_own_and_ci_runs_some() -> None:
    """Names are what the command line takes."""
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert 3 <= sum(row.quick for row in ROWS) < len(ROWS)


def test_an_unknown_row_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is touched."""
    with pytest.raises(SystemExit):
        cli.main(["earthquake"])
    assert "no such row: earthquake" in capsys.readouterr().err


def test_a_row_that_is_run_again_takes_its_old_place() -> None:
    """The others stay as they were measured, under the command that measured them; the date is the last one."""
    other = Result(name="y", proof="it happened", created=3)
    before = as_json([FINE, other], date="2026-11-24", command="make faults", cluster="one node")
    again = Result(name="x", proof="it happened again", created=20)

    after = merged(before, as_json([again], date="2026-11-25", command="make faults", cluster="one node"))

    assert [(row["name"], row["created"]) for row in after["rows"]] == [("x", 20), ("y", 3)]
    assert (after["date"], after["command"]) == ("2026-11-25", "make faults")
