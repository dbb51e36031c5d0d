"""What a row of the fault table says, and when it fails."""

import contextlib
from dataclasses import replace

import pytest

from bench.faults import cli
from bench.faults.result import Result, as_json, markdown_table
from bench.faults.rows import ROWS
from bench.faults.world import Calls, FaultError, has_token_of, longest_silence
from demo.cluster.kubectl import ClusterError
from demo.cluster.load import Outcome
from demo.cluster.release import TOKEN_LIFETIME

FINE = Result(name="x", proof="it happened", created=10, calls=5)


def test_a_row_in_which_nothing_is_lost_passes() -> None:
    """Where the API server is what breaks, what it did not answer is nobody's loss: these pods never were."""
    assert FINE.passes
    assert Result(name="x", proof="it happened", created=10, unreachable=3, api_server_away=True, calls=5).passes


@pytest.mark.parametrize("lost", ["unmutated", "refused", "unreachable", "failed_calls", "tokens_lost"])
def test_one_loss_fails_the_row(lost: str) -> None:
    """Of any kind."""
    assert not Result(name="x", proof="it happened", **{lost: 1}).passes  # type: ignore[arg-type]  # a field by name


CALLING = (
    '500: Internal error occurred: failed calling webhook "pods.admission.token-injector.io": failed to call webhook: '
    'Post "https://token-injector-webhook.token-injector.svc:443/pods?timeout=5s": '
)


@pytest.mark.parametrize(
    "words",
    [
        "EOF",
        "unexpected EOF",
        "http: server closed idle connection",
        "dial tcp 10.96.31.7:443: connect: connection refused",
        "dial tcp 10.244.0.188:8443: connect: no route to host",
        "read tcp 172.18.0.2:41234->10.96.31.7:443: read: connec",
        "write: broken pipe",
    ],
)
def test_reviews_in_flight_on_a_killed_replica_are_counted_not_judged(words: str) -> None:
    """A connection that ended with its replica; in a row without a kill it is a loss, and so is an unmutated pod."""
    row = Result(name="x", proof="it happened", refused=3, in_flight=True, reasons={CALLING + words: 3})
    assert row.passes
    assert not replace(row, in_flight=False).passes
    assert not replace(row, refused=4).passes
    assert not replace(row, unmutated=1).passes


@pytest.mark.parametrize(
    "reason",
    [
        CALLING + "context deadline exceeded",
        CALLING + 'no endpoints available for service "token-injector-webhook"',
        CALLING + "tls: failed to verify certificate: x509: certificate signed by unknown authority",
        'admission webhook "pods.admission.token-injector.io" denied the request: service account x/EOF: retry',
    ],
)
def test_what_else_a_kill_costs_is_a_loss(reason: str) -> None:
    """A denial, a time-out, nobody left, a certificate: not what was in flight."""
    assert not Result(name="x", proof="it happened", refused=1, in_flight=True, reasons={reason: 1}).passes


def test_an_application_that_hangs_is_silent() -> None:
    """Calls that are not made can't fail: the gaps before the first, between two, and after the last are looked at."""
    assert longest_silence([0.0, 2.0, 4.0]) == 2
    assert longest_silence([0.0, 90.0, 92.0]) == 90
    assert longest_silence([0.0, 2.0, 4.0, 70.0]) == 66


def test_a_token_from_after_the_harm_is_told_by_its_end() -> None:
    """One that was issued at its last moment still ends a life later, and a call without a token proves nothing."""
    began = {"began": 900.0, "token_was_there": True}
    assert not has_token_of([began], 1000.0)
    assert not has_token_of([began, {"at": 1010.0, "token_ends_in": TOKEN_LIFETIME - 10}], 1000.0)
    assert not has_token_of([began, {"at": 1010.0, "token_ends_in": None}], 1000.0)
    assert has_token_of([began, {"at": 1010.0, "token_ends_in": TOKEN_LIFETIME - 5}], 1000.0)
    last = [{"at": 1010.0, "token_ends_in": TOKEN_LIFETIME}, {"at": 1012.0, "token_ends_in": -1.0}]
    assert not has_token_of(last, 1000.0)


def test_harms_to_tokens_are_watched_until_there_are_new_ones() -> None:
    """A refresher that never comes back must be seen in the row that stopped it."""
    touched = [row for row in ROWS if row.name.startswith(("metadata", "injector", "token"))]
    assert len(touched) >= 9
    assert all(row.renews for row in touched)


def test_only_a_whole_run_is_called_one() -> None:
    """Named rows and CI's subset stand in the command."""
    assert cli._command([], quick=False) == "make faults"
    assert cli._command([], quick=True) == "python -m bench.faults --quick"
    assert cli._command(["token volume full"], quick=False) == "python -m bench.faults 'token volume full'"


def test_a_row_that_was_not_measured_does_not_pass() -> None:
    """It proves nothing."""
    assert not Result(name="x", proof="needs a command", is_measured=False).passes


@pytest.mark.parametrize(
    ("first", "times"),
    [
        (FINE, 1),
        (replace(FINE, failed_calls=1), 2),
        (replace(FINE, refused=1), 2),
        (replace(FINE, unmutated=1), 1),
        (replace(FINE, tokens_lost=1), 1),
        (replace(FINE, is_measured=False), 1),
    ],
)
def test_a_row_is_done_once_more_for_what_a_busy_node_can_cost(
    first: Result, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unmutated pod or a lost token is a loss at once; what the first time cost stands in the row."""
    measured = [first, replace(FINE, proof="it happened again")]
    monkeypatch.setattr(cli, "measure", lambda *_: measured.pop(0))

    result = cli.confirmed(ROWS[0], None)  # type: ignore[arg-type]  # a world that nobody touches

    assert 2 - len(measured) == times
    assert result.passes is (first.passes or times == 2)
    assert (f"{first.failed_calls} calls failed (it happened)" in result.proof) is (times == 2)


class FakeWorld:
    """What a row asks of the world."""

    connection, namespace = None, "faults"

    def __init__(self, *, renewed: bool, silent: bool) -> None:
        self._renewed = renewed
        self._silent = silent

    def is_renewed(self, since: float) -> bool:
        """As it is told."""
        assert since
        return self._renewed

    def calls_since(self, began: float) -> Calls:
        """Five, or an application that is gone."""
        assert began
        if self._silent:
            raise FaultError("application pair has ended, or made no call")
        return Calls(made=5, failed=0, tokens_lost=0)


@pytest.mark.parametrize(
    ("harm", "renewed", "silent", "lost"),
    [
        ("done", True, False, {"unmutated": 3}),
        ("failed", True, False, {"unmutated": 3, "failed_calls": 1}),
        ("done", False, False, {"unmutated": 3, "tokens_lost": 1}),
        ("done", True, True, {"unmutated": 3, "failed_calls": 1}),
    ],
)
def test_what_was_lost_counts_whatever_else_failed(
    harm: str,
    renewed: bool,  # noqa: FBT001 - a table's column
    silent: bool,  # noqa: FBT001 - a table's column
    lost: dict[str, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A harm that cannot be shown, a refresher that never comes back, an application that is gone."""

    def do(_: object) -> str:
        if harm == "failed":
            raise ClusterError("no end within 120 s")
        return "it happened"

    monkeypatch.setattr(cli, "load", lambda *_, **__: contextlib.nullcontext(Outcome(created=9, unmutated=3)))
    monkeypatch.setattr(cli, "kubectl", lambda *_, **__: "")
    row = replace(ROWS[0], harm=do, rate=1, watched=0, renews=True, needs="")

    result = cli.measure(row, FakeWorld(renewed=renewed, silent=silent))  # type: ignore[arg-type]  # what a row asks

    assert {name: getattr(result, name) for name in ("unmutated", "failed_calls", "tokens_lost")} == {
        "unmutated": 0,
        "failed_calls": 0,
        "tokens_lost": 0,
    } | lost
    assert result.proof.startswith("failed: ") is bool(lost.get("failed_calls"))


def test_the_table_is_made_from_the_json() -> None:
    """Figures of measured rows, and the reason of those that were not."""
    left_out = Result(name="y", proof="needs a command", is_measured=False)
    written = as_json([FINE, left_out], {"date": "2026-11-25", "command": "make faults", "cluster": "one node"})
    rows = written["rows"]

    assert list(written) == ["date", "command", "cluster", "rows"]
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
