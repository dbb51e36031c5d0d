"""kubectl and helm as functions: manifests in, dicts out. Nothing is retried, nothing waits without a limit."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

T = TypeVar("T")

Manifest = Mapping[str, Any]
# On each namespace that demo, tests and faults make, so that none of them touches a namespace that is in use.
OURS = "demo.token-injector/made"


class ClusterError(Exception):
    """A command failed or a wait was in vain; the message has the command and its last words."""


def kubectl(*arguments: str, given: str | None = None, seconds: float = 120) -> str:
    """What kubectl printed. Raises `ClusterError`."""
    return run(["kubectl", *arguments], given=given, seconds=seconds).stdout


def run(command: Sequence[str], *, given: str | None = None, seconds: float) -> subprocess.CompletedProcess[str]:
    """A command that must succeed. Raises `ClusterError`."""
    try:
        done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as exc:
        raise ClusterError(f"{' '.join(command)}: no end within {seconds:g} s") from exc
    if done.returncode:
        raise ClusterError(f"{' '.join(command)}: exit code {done.returncode}: {done.stderr.strip()}")
    return done


def kubeconfig() -> str:
    """KUBECONFIG, for what reaches the cluster without kubectl. Raises `ClusterError` where it is not set."""
    named = os.environ.get("KUBECONFIG")
    if not named:
        raise ClusterError('KUBECONFIG names no cluster: export KUBECONFIG="$HOME/.kube/config", or another one')
    return named


def delete_namespaces(*names: str) -> None:
    """To the end: nothing can be made in a namespace that is still going. Raises `ClusterError`."""
    kubectl("delete", "namespace", *names, "--ignore-not-found", "--timeout=180s", seconds=190)


def refused(*arguments: str, given: str | None = None) -> str:
    """What kubectl said on stderr when it failed, as it must. Raises `ClusterError` if it did not fail."""
    done = subprocess.run(["kubectl", *arguments], input=given, capture_output=True, text=True, timeout=60, check=False)
    if not done.returncode:
        raise ClusterError(f"kubectl {' '.join(arguments)} was to be refused, and was not: {done.stdout}")
    return done.stderr


def make_namespaces(*manifests: Manifest) -> None:
    """Namespaces of ours, which are deleted in the end. Raises `ClusterError` for one that somebody else made."""
    require_ours(*(manifest["metadata"]["name"] for manifest in manifests))
    apply(*manifests)


def require_ours(*names: str) -> None:
    """Raises `ClusterError` for a namespace that exists and was not made by us: it may be in use."""
    for name in names:
        found = kubectl("get", "namespace", name, "--ignore-not-found", "-o", "json")
        if found and json.loads(found)["metadata"].get("labels", {}).get(OURS) != "true":
            raise ClusterError(
                f"namespace {name} of the cluster {kubectl('config', 'current-context').strip()} was not made by us, "
                "and what we make is deleted again: name another cluster by KUBECONFIG, or delete that namespace"
            )


def apply(*manifests: Manifest, verb: str = "apply", arguments: Sequence[str] = ()) -> str:
    """Apply (or create) objects; what kubectl said on stderr: the API server's warnings."""
    return run(["kubectl", verb, *arguments, "-f", "-"], given=_list(manifests), seconds=120).stderr


def create_refused(manifest: Manifest) -> str:
    """The API server's words to an object that must not come into being."""
    return refused("create", "-f", "-", given=_list([manifest]))


def get(kind: str, name: str, namespace: str = "") -> dict[str, Any]:
    """One object."""
    found: dict[str, Any] = json.loads(kubectl("get", kind, name, *_in(namespace), "-o", "json"))
    return found


def listed(kind: str, namespace: str = "", selector: str = "") -> list[dict[str, Any]]:
    """Objects of a kind in a namespace."""
    chosen = ["-l", selector] if selector else []
    items: list[dict[str, Any]] = json.loads(kubectl("get", kind, *_in(namespace), *chosen, "-o", "json"))["items"]
    return items


def until(what: str, found: Callable[[], T | None], *, seconds: float = 60, every: float = 0.25) -> T:
    """The first answer that is neither None nor False. Raises `ClusterError`, which names what was waited for."""
    deadline = time.monotonic() + seconds
    while True:
        answer = found()
        if answer is not None and answer is not False:
            return answer
        if time.monotonic() >= deadline:
            raise ClusterError(f"waited {seconds:g} s in vain for {what}")
        time.sleep(every)


def _list(manifests: Sequence[Manifest]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)})


def _in(namespace: str) -> list[str]:
    return ["-n", namespace] if namespace else []
