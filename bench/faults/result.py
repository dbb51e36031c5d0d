"""What a row says, as JSON for programs and as a table for people. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

# How Go says that a connection ended under a request, or that nobody listens where a replica was. Long messages are
# cut by our client, so the tail of "read tcp …: connection reset by peer" may be missing.
_CUT_OFF = re.compile(
    r"failed calling webhook .*(EOF$|read tcp |write tcp |connection (reset|refused)|no route to host|broken pipe|"
    r"server closed)"
)


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
    api_server_away: bool = False
    """The harm is the API server's, so what it did not answer is counted, not judged."""
    calls: int = 0
    failed_calls: int = 0
    tokens_lost: int = 0
    in_flight: bool = False
    """The harm is a kill: reviews that it cut off are counted, not judged. A denial or a time-out is a loss all the
    same."""
    reasons: Mapping[str, int] | None = None

    @property
    def cut_off(self) -> int:
        """Refusals by a connection that ended."""
        return sum(count for reason, count in (self.reasons or {}).items() if _CUT_OFF.search(reason))

    @property
    def passes(self) -> bool:
        """Nothing was lost."""
        refused = self.refused - (self.cut_off if self.in_flight else 0)
        unanswered = 0 if self.api_server_away else self.unreachable
        lost = self.unmutated + self.tokens_lost + self.failed_calls + refused + unanswered
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


def as_json(results: Sequence[Result], header: Mapping[str, str]) -> dict[str, Any]:
    """What the run writes."""
    return {**header, "rows": [{**asdict(result), "passes": result.passes} for result in results]}
