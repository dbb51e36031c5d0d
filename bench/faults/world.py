"""The cluster in which things break: applications that call STS all the time, pods that are created all the time."""

import json
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from demo.cluster import cloud
from demo.cluster.kubectl import (
    ClusterError,
    apply,
    delete_namespaces,
    get,
    kubeconfig,
    kubectl,
    listed,
    make_namespaces,
    until,
)
from demo.cluster.release import NAMESPACE, TOKEN_LIFETIME, Images, Release
from demo.cluster.workload import ROLE_ARN, SLEEP, application, namespace, pod, service_account
from kube.config import Connection, from_kubeconfig

ROLE = "arn:aws:iam::123456789012:role/orders"
SIDECAR = "update-gcp-id-token"
_SHAPES = {"native-1": "native", "native-2": "native", "native-3": "native", "pair": "sidecar"}
_EVERY = 2.0
# Many calls' time, on a node that starts a hundred pods too. An application that hangs makes no call that fails.
_SILENCE = 60.0
_KILL = """
import contextlib, glob, os, sys

def is_victim(path):
    try:
        return sys.argv[1] in open(path).read()
    except OSError:
        return False

victims = [int(path.split("/")[2]) for path in glob.glob("/proc/[0-9]*/cgroup") if is_victim(path)]
for victim in victims:
    with contextlib.suppress(ProcessLookupError):  # the first one took the others with it
        os.kill(victim, 9)
print(len(victims))
"""


class FaultError(Exception):
    """A harm could not be done, or can't be shown to have happened: its row means nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """What the applications saw in a while."""

    made: int
    failed: int
    tokens_lost: int
    """Calls at which the token was missing or over."""
    errors: Sequence[str] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What a row may touch."""

    images: Images
    release: Release
    connection: Connection
    namespace: str

    def native_pods(self) -> list[str]:
        """The applications whose refresher is a native sidecar."""
        return [name for name, shape in _SHAPES.items() if shape == "native"]

    def calls_since(self, began: float) -> Calls:
        """Of all applications. Raises `FaultError` for one that has fallen silent."""
        lines = []
        for name in _SHAPES:
            own = [line for line in _lines(self.namespace, name) if line.get("at", 0) >= began]
            if not own or "running" not in _status(self.namespace, name, "app")["state"]:
                raise FaultError(f"application {name} has ended, or made no call")
            silence = longest_silence([began, *(line["at"] for line in own), time.time()])
            if silence > _SILENCE:
                raise FaultError(f"application {name} made no call for {silence:.0f} s")
            lines += own
        errors = [str(line["error"]) for line in lines if "error" in line]
        lost = [line for line in lines if line["token_ends_in"] is None or line["token_ends_in"] <= 0]
        return Calls(made=len(lines), failed=len(errors), tokens_lost=len(lost), errors=tuple(errors[:3]))

    def is_renewed(self, since: float) -> bool:
        """Whether each application has a token that was issued after `since`, when the one before is over for long."""
        deadline = time.monotonic() + 2 * TOKEN_LIFETIME
        while not all(has_token_of(_lines(self.namespace, name), since) for name in _SHAPES):
            if time.monotonic() > deadline:
                return False
            time.sleep(_EVERY)
        return True

    def in_sidecar(self, name: str, program: str) -> subprocess.CompletedProcess[str]:
        """Run Python in the injected container of an application; its exit code is the caller's to judge.

        Raises `FaultError` for one that does not end.
        """
        command = [
            "kubectl",
            "exec",
            "-n",
            self.namespace,
            name,
            "-c",
            SIDECAR,
            "--",
            "/usr/bin/python3",
            "-c",
            program,
        ]
        try:
            return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        except subprocess.TimeoutExpired as exc:
            raise FaultError(f"no end of a program in {name} within {exc.timeout:g} s") from exc

    def kill_processes(self, pod: dict[str, Any], container: str) -> int:
        """SIGKILL every process of a container, from the node; how many."""
        statuses = [
            status
            for kind in ("containerStatuses", "initContainerStatuses")
            for status in pod["status"].get(kind) or ()
            if status["name"] == container
        ]
        container_id = statuses[0]["containerID"].rpartition("/")[2]
        there = _executioner_name(pod["spec"]["nodeName"])
        return int(kubectl("exec", "-n", self.namespace, there, "--", "python3", "-c", _KILL, container_id))


@contextmanager
def world(images: Images) -> Iterator[World]:
    """The release, the clouds and the applications, and nothing of them afterwards."""
    name = f"faults-{uuid.uuid4().hex[:6]}"
    connection = from_kubeconfig(kubeconfig())
    cloud.start_cloud(images.application)
    cloud.metadata(lifetime=TOKEN_LIFETIME, bound=True, standing=None, skew=0)
    cloud.aws(session_scale=1 / 60)
    cloud.google_role(ROLE)
    make_namespaces(namespace(NAMESPACE, enforce="restricted"), namespace(name))
    release = Release(images=images)
    release.install()
    try:
        nodes = [each["metadata"]["name"] for each in listed("nodes")]
        executioners = [_executioner(name, images.application, node) for node in nodes]
        apply(service_account(name, "app", {ROLE_ARN: ROLE}), *executioners)
        for each, shape in _SHAPES.items():
            container = application(images.application, "--calls=0", f"--every={_EVERY}")
            apply(pod(name, each, [container], annotations={"admission.token-injector/refresher": shape}))
        there = [f"pod/{_executioner_name(node)}" for node in nodes]
        kubectl("wait", "-n", name, *there, "--for=condition=Ready", "--timeout=120s", seconds=130)
        until("the applications' first calls", lambda: _all_call(name), seconds=180)
        yield World(images=images, release=release, connection=connection, namespace=name)
    finally:
        release.uninstall()
        delete_namespaces(name, NAMESPACE, cloud.NAMESPACE)


def _all_call(namespace: str) -> bool:
    try:
        return all(any("arn" in line for line in _lines(namespace, name)) for name in _SHAPES)
    except ClusterError:
        return False  # a container that has not begun has no log


def _lines(namespace: str, name: str) -> list[dict[str, Any]]:
    printed = kubectl("logs", "-n", namespace, name, "-c", "app")
    return [json.loads(line) for line in printed.splitlines() if line.startswith("{")]


def has_token_of(lines: Sequence[Mapping[str, Any]], since: float) -> bool:
    """Whether the last call found a token that ends later than any could that was issued before."""
    calls = [line for line in lines if "at" in line]
    if not calls or calls[-1]["token_ends_in"] is None:
        return False
    # Its times are rounded to a tenth of a second.
    return bool(calls[-1]["at"] + calls[-1]["token_ends_in"] > since + TOKEN_LIFETIME + 0.2)


def longest_silence(times: Sequence[float]) -> float:
    """The longest time between two of these, which are in order."""
    return max(after - before for before, after in pairwise(times))


def _executioner_name(node: str) -> str:
    return f"executioner-{node}"


def _executioner(namespace: str, image: str, node: str) -> dict[str, Any]:
    """A pod that sees its node's processes: the only way to a SIGKILL of a container's first one."""
    container = {
        "name": "executioner",
        "image": image,
        "command": ["python3", "-c", SLEEP],
        "securityContext": {"privileged": True, "runAsUser": 0},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": _executioner_name(node), "namespace": namespace},
        "spec": {"nodeName": node, "hostPID": True, "restartPolicy": "Never", "containers": [container]},
    }


def restarts(namespace: str, name: str, container: str = SIDECAR) -> int:
    """How often a container of a pod was started again."""
    return int(_status(namespace, name, container)["restartCount"])


def last_exit_code(namespace: str, name: str, container: str = SIDECAR) -> int | None:
    """With which code a container of a pod ended before it was started again; None if it never was."""
    ended = _status(namespace, name, container)["lastState"].get("terminated")
    return int(ended["exitCode"]) if ended else None


def _status(namespace: str, name: str, container: str) -> dict[str, Any]:
    status = get("pod", name, namespace)["status"]
    found = [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]
    return next(dict(each) for each in found if each["name"] == container)


def pause(seconds: float) -> None:
    """Let it last."""
    time.sleep(seconds)
