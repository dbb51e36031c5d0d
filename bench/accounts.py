"""What a large cluster costs a worker: anonymous memory of its sources, over that of a worker in an empty cluster.

Anonymous memory is what a process has for itself alone. The objects weigh what real ones do: a service account one
kilobyte or two, a node some fifteen, of which a worker keeps a name, our annotations, a version.
"""

import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from bench.result import BenchError, Result
from contract import annotations as keys
from demo.fakes.api_server import ApiServer

ACCOUNTS = 10_000
NODES = 1_000
ANNOTATED = 10
"""Every tenth account names a role."""
ACCOUNTS_BOUND_MB = 5.0
# What stays is what one page of the list took: fifty nodes, however many there are.
NODES_BOUND_MB = 5.0
_ROUNDS = 3
_ROOT = Path(__file__).parent.parent
_IMAGES = [
    {"names": [f"registry.example/team/image-{number}@sha256:{'0' * 64}"], "sizeBytes": 1} for number in range(50)
]


def measure() -> list[Result]:
    """Medians of rounds, each with an empty cluster beside a full one."""
    return [
        _result(f"{ACCOUNTS:,} service accounts, {ACCOUNTS // ANNOTATED:,} annotated", _accounts, ACCOUNTS_BOUND_MB),
        _result(f"{NODES:,} nodes", _nodes, NODES_BOUND_MB),
    ]


def _result(name: str, fill: Callable[[ApiServer], None], bound: float) -> Result:
    empty, full = [], []
    for _ in range(_ROUNDS):
        empty.append(_megabytes(lambda _: None))
        full.append(_megabytes(fill))
    more = [after - before for before, after in zip(empty, full, strict=True)]
    return Result(
        name=name,
        floor="a worker's sources in an empty cluster (for comparison; the bound is for what comes on top)",
        floor_value=statistics.median(empty),
        value=statistics.median(more),
        unit="MB",
        bound=bound,
        is_ratio=False,
    )


def _accounts(server: ApiServer) -> None:
    for number in range(ACCOUNTS):
        note = {"example.com/owner": f"team-{number}", "example.com/description": "what this account is for " * 20}
        role = {keys.ROLE_ARN: f"arn:aws:iam::123456789012:role/shop/service-{number}", keys.REGION: "eu-west-1"}
        server.put(f"namespace-{number // 20}", f"service-{number}", note | (role if number % ANNOTATED == 0 else {}))


def _nodes(server: ApiServer) -> None:
    for number in range(NODES):
        status = {"nodeInfo": {"kubeletVersion": f"v1.{33 + number % 3}.2-gke.100"}, "images": _IMAGES}
        note = {"example.com/description": "a node's annotations and conditions " * 200}
        server.put("", f"gke-cluster-pool-{number:08x}", note, "nodes", fields={"status": status})


def _megabytes(fill: Callable[[ApiServer], None]) -> float:
    server = ApiServer()
    fill(server)
    line = [sys.executable, "-m", "bench.follower", server.url]
    with subprocess.Popen(line, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            if not process.stdout.readline():
                raise BenchError("the follower ended before it knew the cluster")
            lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        finally:
            process.terminate()
            server.close()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024
