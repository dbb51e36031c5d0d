"""What a measurement says: a ratio or a size, beside its floor and its bound."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


class BenchError(RuntimeError):
    """This machine can't be measured now; says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One row: the product against a named floor, measured in the same run."""

    name: str
    floor: str
    floor_value: float
    value: float
    unit: str
    bound: float
    """The largest ratio (or, where `is_ratio` is false, the largest value) that passes."""
    is_ratio: bool = True

    @property
    def measured(self) -> float:
        """What is compared with the bound."""
        return self.value / self.floor_value if self.is_ratio else self.value

    @property
    def passes(self) -> bool:
        """Whether it is within the bound."""
        return self.measured <= self.bound


def table(results: Sequence[Result]) -> str:
    """For people."""
    lines = [f"{'what':<44} {'floor':>12} {'product':>12} {'unit':<12} {'measured':>9} {'bound':>7}"]
    for result in results:
        sign = "x" if result.is_ratio else " "
        verdict = "" if result.passes else "  OVER"
        lines.append(
            f"{result.name:<44} {result.floor_value:>12,.2f} {result.value:>12,.2f} {result.unit:<12} "
            f"{result.measured:>8.3f}{sign} {result.bound:>6.2f}{sign}{verdict}"
        )
        lines.append(f"  against: {result.floor}")
    return "\n".join(lines)


def write(results: Sequence[Result], path: Path) -> None:
    """For programs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{**asdict(result), "measured": result.measured, "passes": result.passes} for result in results]
    path.write_text(json.dumps({"results": rows}, indent=2) + "\n")
