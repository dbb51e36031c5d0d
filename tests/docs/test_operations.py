"""What the operations and reliability pages say of logs, names and results is what the programs do."""

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from docs import generate
from tests.docs.documents import ROOT
from webhook.app import create_app
from webhook.review import Answer

PAGE = (ROOT / "docs/operations.md").read_text()


class Kept:
    """An event log that is read again."""

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}

    def write(self, event: str, fields: Mapping[str, Any]) -> None:
        """Keep it, with what every event has."""
        self.fields = {"time": "", "event": event, **fields}


def test_the_log_lines_fields_are_listed() -> None:
    """Every field of a review's line has its row, and no row is of a field that is not there."""
    events = Kept()
    fields = {"uid": "1", "namespace": "shop", "pod": "orders", "service_account": "orders"}
    answer = Answer(body={"response": {}}, outcome="injected", reason="native", fields=fields)
    app = create_app(lambda _: answer, events=events)
    app.test_client().post("/pods", json={})
    table = PAGE.partition("### Logs")[2].partition("### Metrics")[0]
    heads = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)

    assert sorted(name for head in heads for name in re.findall(r"`([a-z_]+)`", head)) == sorted(events.fields)


ROWS = [{"name": "x", "proof": "it happened", "is_measured": True, "created": 7, "calls": 5}]
ZEROS = ("unmutated", "refused", "unreachable", "failed_calls", "tokens_lost")


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Any:
    """A folder of results in the place of the committed one."""
    monkeypatch.setattr(generate, "RESULTS", tmp_path)
    return tmp_path


def test_the_fault_table_is_made_from_results(results: Any) -> None:
    """Command, date and cluster stand before the rows, which are `make faults`' own table."""
    rows = [{**row, **dict.fromkeys(ZEROS, 0)} for row in ROWS]
    written = {"date": "2026-11-25", "command": "make faults", "cluster": "Kubernetes v1.36.3, 1 node(s)", "rows": rows}
    (results / "faults.json").write_text(json.dumps(written))

    table = generate.fault_table()

    assert table.startswith("`make faults` on 2026-11-25, Kubernetes v1.36.3, 1 node(s):\n\n| harm |")
    assert "| x | 7 | 0 | 0 | 0 | 5 | 0 | 0 | it happened |" in table


def test_the_node_table_is_made_from_results(results: Any) -> None:
    """Command, date and cluster stand before the rows; a row has its bound where it has one."""
    row = {"name": "pod start", "value": 0.271, "unit": "s", "bound": 0.3, "floor": "bare 0.57"}
    header = {"date": "2026-11-25", "command": "make bench-node", "cluster": "Kubernetes v1.36.3, 1 node"}
    written = {**header, "results": [row, {**row, "name": "cache", "bound": None}]}
    (results / "node.json").write_text(json.dumps(written))

    said, empty, *table = generate.node_table().splitlines()

    assert (said, empty) == ("`make bench-node` on 2026-11-25, Kubernetes v1.36.3, 1 node:", "")
    assert table[2:] == [
        "| pod start | 0.27 s | 0.3 s | bare 0.57 |",
        "| cache | 0.27 s |  | bare 0.57 |",
    ]


@pytest.mark.parametrize("name", ["faults", "node"])
def test_committed_results_are_json_and_say_where_they_are_from(name: str) -> None:
    """No NaN or Infinity, which JSON has not; date, command and cluster in both."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    found = json.loads((generate.RESULTS / f"{name}.json").read_text(), parse_constant=refuse)

    assert list(found)[:3] == ["date", "command", "cluster"]


def test_secrets_are_within_their_bounds() -> None:
    """A committed run with a pod start over its bound is seen here; there are such rows."""
    results = json.loads((generate.RESULTS / "node.json").read_text())["results"]
    bounded = [row for row in results if "secrets" in row["name"] and row["bound"] is not None]

    assert {row["name"] for row in bounded} >= {
        f"pod start, secrets {way}: seconds over bare" for way in ("envfile", "launcher", "broker")
    }
    assert [row["name"] for row in bounded if not row["value"] <= row["bound"]] == []


def test_no_results_are_said_so(results: Any) -> None:
    """No table of nothing."""
    (results / "faults.json").write_text('{"date": "", "command": "make faults", "cluster": "", "rows": []}')
    (results / "node.json").write_text('{"date": "", "command": "make bench-node", "cluster": "", "results": []}')

    assert generate.fault_table() == "No results of `make faults` are committed yet.\n"
    assert generate.node_table() == "No results of `make bench-node` are committed yet.\n"
