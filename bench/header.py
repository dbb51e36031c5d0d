"""What a run on a cluster says of itself, above its results: when, by which command, on what."""

import datetime as dt

from demo.cluster.kubectl import listed


def header(command: str) -> dict[str, str]:
    """The first lines of a results file; `command` repeats the run."""
    nodes = listed("nodes")
    versions = {node["status"]["nodeInfo"]["kubeletVersion"] for node in nodes}
    return {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "command": command,
        "cluster": f"Kubernetes {', '.join(sorted(versions))}, {len(nodes)} node{'' if len(nodes) == 1 else 's'}",
    }
