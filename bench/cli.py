"""`python -m bench`: measures, prints a table, writes JSON, ends with 1 over a bound."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import memory, mutation, token, webhook
from bench.result import BenchError, Result, table, write

EXAMPLE = "example:\n  python -m bench token memory    only these two"
MEASUREMENTS: dict[str, Callable[[], list[Result]]] = {
    "token": token.measure,
    "memory": memory.measure,
    "mutation": mutation.measure,
    "webhook": webhook.measure,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what is asked for, or all; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "measurements", nargs="*", choices=[*MEASUREMENTS, []], metavar="NAME", help="; ".join(MEASUREMENTS)
    )
    parser.add_argument("--output", type=Path, default=Path("bench/results/latest.json"), help="default %(default)s")
    arguments = parser.parse_args(sys.argv[1:] if argv is None else argv)
    results: list[Result] = []
    unmeasured: list[str] = []
    for name in arguments.measurements or MEASUREMENTS:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        try:
            results += MEASUREMENTS[name]()
        except BenchError as exc:
            print(f"{name}: {exc}", file=sys.stderr)
            unmeasured.append(name)
    print(table(results))
    write(results, arguments.output)
    over = [result.name for result in results if not result.passes]
    print(f"\n{len(over)} over their bound{': ' + ', '.join(over) if over else ''}; written to {arguments.output}")
    if unmeasured:
        print(f"not measured: {', '.join(unmeasured)}", file=sys.stderr)
    return 1 if over or unmeasured else 0
