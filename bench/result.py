"""What a measurement says: a ratio or a size, beside its floor and its bound."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


class BenchError(RuntimeError):
    """This machine can't be measured now; says why and what to do."""


class BusyError(BenchError):
    """Other processes are in the way now; another try may go well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One row: the product against a named floor, measured in the same run."""

    name: str
    floor: str
    floor_value: float
    value: float
    unit: str
    bound: float | None
    """The largest ratio (or, where `is_ratio` is false, the largest value) that passes; None: it is only told."""
    is_ratio: bool = True

    @property
    def measured(self) -> float:
        """What is compared with the bound."""
        return self.value / self.floor_value if self.is_ratio else self.value

    @property
    def passes(self) -> bool:
        """Whether it is within the bound."""
        return self.bound is None or self.measured <= self.bound


def table(results: Sequence[Result]) -> str:
    """For people."""
    lines = [f"{'what':<46} {'floor':>12} {'product':>12} {'unit':<12} {'measured':>9} {'bound':>7}"]
    for result in results:
        sign = "x" if result.is_ratio else " "
        verdict = "" if result.passes else "  OVER"
        bound = "none" if result.bound is None else f"{result.bound:.2f}"
        lines.append(
            f"{result.name:<46} {result.floor_value:>12,.2f} {result.value:>12,.2f} {result.unit:<12} "
            f"{result.measured:>8.3f}{sign} {bound:>6}{sign}{verdict}"
        )
        lines.append(f"  against: {result.floor}")
    return "\n".join(lines)


def write(results: Sequence[Result], path: Path, header: Mapping[str, str] | None = None) -> None:
    """For programs; `header` says where and when it was measured."""
    rows = [{**asdict(result), "measured": result.measured, "passes": result.passes} for result in results]
    write_json({**(header or {}), "results": rows}, path)


def write_json(content: Mapping[str, object], path: Path) -> None:
    """JSON as RFC 8259 has it: a figure that is none is an error here, not in whoever reads the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")
