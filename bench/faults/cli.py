"""`python -m bench.faults`: breaks a real cluster row by row, writes JSON, ends with 1 if anything was lost."""

import argparse
import os
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench.faults.result import Result, as_json
from bench.faults.rows import ROWS, Row
from bench.faults.world import Calls, FaultError, World, world
from bench.header import header
from bench.result import write_json
from demo.cluster.kubectl import ClusterError, kubectl
from demo.cluster.load import NOBODY, Outcome, load
from demo.cluster.release import Images

EXAMPLE = """example:
  python -m bench.faults --quick
  python -m bench.faults "token volume full" "metadata server: 503"
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is asked for, or all; the exit code."""
    names = [row.name for row in ROWS]
    parser = argparse.ArgumentParser(
        prog="python -m bench.faults",
        description=__doc__,
        epilog=f"{EXAMPLE}\nrows:\n" + "".join(f"  {name}\n" for name in names),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("rows", nargs="*", metavar="ROW", help="all of them where none is named")
    parser.add_argument("--quick", action="store_true", help="the rows that CI runs: about six minutes")
    parser.add_argument("--output", type=Path, default=Path("bench/results/faults.json"), help="default %(default)s")
    chosen = parser.parse_args(sys.argv[1:] if argv is None else argv)
    if unknown := set(chosen.rows) - set(names):
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    rows = [row for row in ROWS if row.name in chosen.rows or (not chosen.rows and (row.quick or not chosen.quick))]
    try:
        with world(Images.from_environ()) as shared:
            results = [confirmed(row, shared) for row in rows]
            # Here: what was measured outlives a cluster that does not let go of a namespace.
            write_json(as_json(results, header(_command(chosen.rows, quick=chosen.quick))), chosen.output)
    except (FaultError, ClusterError) as exc:
        print(f"bench.faults: {exc}", file=sys.stderr)
        return 1
    lost = [result.name for result in results if not result.passes and result.is_measured]
    print(f"\n{len(lost)} of {len(results)} rows lost something{': ' + ', '.join(lost) if lost else ''}")
    left_out = [result for result in results if not result.is_measured]
    for result in left_out:
        print(f"not measured: {result.name}: {result.proof}")
    print(f"written to {chosen.output}; docs/reliability.md is made from such a file by make docs")
    return 1 if lost or (left_out and os.environ.get("REQUIRE_ALL_TESTS")) else 0


def _command(rows: Sequence[str], *, quick: bool) -> str:
    """What repeats the run: a table of some rows must not look like one of all."""
    arguments = [*(["--quick"] if quick else []), *(shlex.quote(row) for row in rows)]
    return f"python -m bench.faults {' '.join(arguments)}" if arguments else "make faults"


def confirmed(row: Row, shared: World) -> Result:
    """What the row cost. One that could not be done, or in which something was late, is done once more, and says so.

    A busy node makes calls late once, a fault of ours each time; an application that has ended is still over then. An
    unmutated pod or a lost token is never excused.
    """
    result = measure(row, shared)
    if result.passes or not result.is_measured or result.unmutated or result.tokens_lost:
        return result
    print("  done once more", file=sys.stderr, flush=True)
    again = measure(row, shared)
    first = f"{result.refused} refused, {result.unreachable} unreachable, {result.failed_calls} calls failed"
    return replace(again, proof=f"{again.proof}; done twice, at first: {first} ({result.proof})")


def measure(row: Row, shared: World) -> Result:
    """Do one harm and count."""
    print(f"{row.name} …", file=sys.stderr, flush=True)
    if row.needs and row.needs not in os.environ:
        return Result(name=row.name, proof=f"needs {row.needs}, a command", is_measured=False)
    began, started = time.time(), time.monotonic()
    outcome, calls, is_renewed, failures = Outcome(), Calls(made=0, failed=0, tokens_lost=0), True, []
    try:
        with load(shared.connection, shared.namespace, rate=row.rate) as outcome:
            proof = row.harm(shared)
            is_renewed = not row.renews or shared.is_renewed(time.time())
            time.sleep(row.watched)
        _require_load(outcome, row.rate)
    except (FaultError, ClusterError) as exc:
        failures.append(str(exc))
    try:
        # What was lost is lost, whatever else failed.
        calls = shared.calls_since(began)
    except (FaultError, ClusterError) as exc:
        failures.append(str(exc))
    # One request for all of them; `kubectl delete` makes one for each.
    pods = f"/api/v1/namespaces/{shared.namespace}/pods?fieldSelector=spec.schedulerName%3D{NOBODY}"
    kubectl("delete", "--raw", pods, seconds=120)
    if failures:
        proof = f"failed: {'; '.join(failures)}"
    result = Result(
        name=row.name,
        proof=proof,
        seconds=round(time.monotonic() - started, 1),
        created=outcome.created,
        unmutated=outcome.unmutated,
        refused=outcome.refused,
        unreachable=outcome.unreachable,
        in_flight=row.in_flight,
        api_server_away=row.api_server_away,
        reasons=dict(outcome.reasons) or None,
        calls=calls.made,
        failed_calls=calls.failed + len(failures),
        tokens_lost=calls.tokens_lost + (not is_renewed),
    )
    _tell(result, calls)
    return result


def _require_load(outcome: Outcome, rate: float) -> None:
    if outcome.created < rate:
        few = f"{outcome.created} pods were created, less than a second's worth"
        raise FaultError(f"{few}: {dict(outcome.reasons)}")


def _tell(result: Result, calls: Calls) -> None:
    verdict = "nothing lost" if result.passes else "LOST"
    print(
        f"  {verdict}: {result.created} pods created, {result.unmutated} unmutated, {result.refused} refused, "
        f"{result.unreachable} while the API server was away; {result.calls} calls, {result.failed_calls} failed, "
        f"{result.tokens_lost} tokens lost; {result.proof} ({result.seconds:.0f} s)",
        flush=True,
    )
    for reason, count in (result.reasons or {}).items():
        print(f"    {count} times: {reason}", flush=True)
    for error in calls.errors:
        print(f"    {error}", flush=True)
