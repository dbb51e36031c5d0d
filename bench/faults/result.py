"""What a row says, as JSON for programs and as a table for people. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One row: what happened and what it cost."""

    name: str
    proof: str
    """How the row knows that its harm happened; or why it could not be done."""
    is_measured: bool = True
    seconds: float = 0.0
    created: int = 0
    unmutated: int = 0
    refused: int = 0
    unreachable: int = 0
    """Creations that the API server itself did not answer."""
    calls: int = 0
    failed_calls: int = 0
    tokens_lost: int = 0
    in_flight: bool = False
    """Refused reviews were in flight on a replica that was killed, and are counted, not judged."""
    reasons: Mapping[str, int] | None = None

    @property
    def passes(self) -> bool:
        """Nothing was lost."""
        lost = self.unmutated + self.tokens_lost + self.failed_calls + (0 if self.in_flight else self.refused)
        return self.is_measured and lost == 0


HEAD = "| harm | pods created | unmutated | refused | API server away | AWS calls | failed | tokens lost | proof |"


def markdown_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows of the JSON as the document has them."""
    lines = [HEAD, "|---|--:|--:|--:|--:|--:|--:|--:|---|"]
    for row in rows:
        keys = ("created", "unmutated", "refused", "unreachable", "calls", "failed_calls", "tokens_lost")
        cells = [str(row[key]) if row["is_measured"] else "" for key in keys]
        lines.append(f"| {row['name']} | {' | '.join(cells)} | {row['proof']} |")
    return "\n".join(lines) + "\n"


def as_json(results: Sequence[Result], *, date: str, command: str, cluster: str) -> dict[str, Any]:
    """What the run writes."""
    rows = [{**asdict(result), "passes": result.passes} for result in results]
    return {"date": date, "command": command, "cluster": cluster, "rows": rows}


def merged(before: Mapping[str, Any], renewed: Mapping[str, Any]) -> dict[str, Any]:
    """An earlier run's JSON in which some rows were run again; the others, their order and the command stay."""
    again = {row["name"]: row for row in renewed["rows"]}
    known = {row["name"] for row in before["rows"]}
    rows = [again.get(row["name"], row) for row in before["rows"]]
    rows += [row for row in renewed["rows"] if row["name"] not in known]
    return {**before, "date": renewed["date"], "rows": rows}
