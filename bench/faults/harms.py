"""The harms. Each function does one to the world and gives the proof that it happened."""

import contextlib
import os
import re
import subprocess
import time
from collections.abc import Iterator
from typing import Any

from bench.faults.world import SIDECAR, FaultError, World, last_exit_code, pause, restarts
from demo.cluster import cloud
from demo.cluster.kubectl import ClusterError, apply, get, kubectl, listed, run, until
from demo.cluster.release import DEPLOYMENT, NAMESPACE, TIME_DIVISOR, TOKEN_LIFETIME, Release, webhook_pods
from demo.cluster.replicas import ca_bundle, leaf, run_cert_job
from demo.cluster.workload import SLEEP, application, deployment, pod

# Ten minutes of a cluster whose hour lasts a minute.
TEN_MINUTES = 600 / TIME_DIVISOR
FIVE_MINUTES = 300 / TIME_DIVISOR
# 128 and SIGKILL, as kubectl and the kubelet tell it.
_KILLED = 137
# Commands of whoever runs the cluster: a cluster that is reached by kubectl alone can't be broken from outside.
RESTART_API_SERVER = "FAULTS_RESTART_API_SERVER"
PAUSE_ETCD = "FAULTS_PAUSE_ETCD"


def api_server_restarted(_: World) -> str:
    """With the command that the operator gave."""
    before = _started()
    _command(RESTART_API_SERVER)
    after = until("the API server", lambda: _started_or_none(before), seconds=90)
    return f"its start time went from {before:.0f} to {after:.0f}"


def replicas_killed(world: World, *, seconds: float) -> str:
    """One every five seconds: SIGKILL of all its processes, then a new pod in its place."""
    began = time.monotonic()
    killed = []
    while time.monotonic() < began + seconds:
        victim = _oldest_ready()
        name = victim["metadata"]["name"]
        if not world.kill_processes(victim, "webhook"):
            raise FaultError(f"{name} had no process to kill")
        killed.append(name)
        kubectl("delete", "pod", "-n", NAMESPACE, name, "--grace-period=0", "--force")
        pause(5.0)
    return f"{len(killed)} replicas killed in {time.monotonic() - began:.0f} s"


def replicas_replaced(_: World) -> str:
    """A rollout, then each replica deleted."""
    before = {each["metadata"]["name"] for each in webhook_pods()}
    kubectl("rollout", "restart", f"deployment/{DEPLOYMENT}", "-n", NAMESPACE)
    _rolled_out()
    for each in webhook_pods():
        kubectl("delete", "pod", "-n", NAMESPACE, each["metadata"]["name"], seconds=90)
        _rolled_out()
    after = {each["metadata"]["name"] for each in webhook_pods()}
    if before & after:
        raise FaultError(f"{before & after} are still there")
    return f"{len(before)} replicas replaced by a rollout, {len(after)} deleted"


def certificates_rotated(_: World) -> str:
    """The leaf renewed, then the CA rotated."""
    serials, authorities = [leaf().serial_number], ca_bundle()
    for argument in ("--renew", "--rotate-ca"):
        run_cert_job(argument)
        serials.append(leaf().serial_number)
    if len(set(serials)) != len(serials):
        raise FaultError("the leaf is the same")
    trusted = ca_bundle()
    if len(trusted) != 1 or trusted[0] in authorities:
        raise FaultError("the old CA is still trusted")
    leaf().verify_directly_issued_by(trusted[0])
    return "three leaves, two CAs"


def etcd_paused(_: World) -> str:
    """Ten seconds."""
    began = time.monotonic()
    process = subprocess.Popen(["bash", "-c", os.environ[PAUSE_ETCD], "-", "10"])
    pause(1.0)
    # A read from etcd, not from the API server's cache: it waits for as long as etcd stands still.
    kubectl("get", "namespace", "default", seconds=60)
    waited = time.monotonic() - began
    process.wait(timeout=60)
    if waited < 5.0:
        raise FaultError(f"a read took {waited:.1f} s: etcd did not stand still")
    return f"a read from etcd took {waited:.1f} s"


def metadata_faulty(_: World, **fault: Any) -> str:
    """For ten minutes (a sixth of a token's life), until a refresh has met it."""
    met = cloud.seen().faults_met
    for _try in range(6):
        with _metadata(standing=fault):
            pause(TEN_MINUTES)
        if cloud.seen().faults_met > met:
            pause(TEN_MINUTES)
            return f"{cloud.seen().faults_met - met} requests met it"
        pause(TEN_MINUTES / 2)
    raise FaultError("no refresh met the fault")


def metadata_clock(_: World) -> str:
    """Five minutes fast, then five minutes slow, each for longer than a token's life needs to be refreshed."""
    tokens = []
    for skew in (FIVE_MINUTES, -FIVE_MINUTES):
        asked = cloud.seen().identity_requests
        with _metadata(skew=skew):
            pause(TOKEN_LIFETIME)
            tokens.append(cloud.seen().identity_requests - asked)
    if not all(tokens):
        raise FaultError(f"{tokens[0]} tokens were asked for by a fast clock, {tokens[1]} by a slow one")
    return f"{sum(tokens)} tokens with a clock off by {FIVE_MINUTES:g} s of {TOKEN_LIFETIME:g}"


def injector_out_of_memory(world: World) -> str:
    """The kernel kills what takes more than the limit, and its container with it."""
    name = world.native_pods()[0]
    before = restarts(world.namespace, name)
    hog = world.in_sidecar(name, "held = bytearray(256 << 20)")
    if hog.returncode == 0:
        raise FaultError("256 MiB fit into the container's limit")
    said = f"exit code {hog.returncode}: {hog.stderr.strip()}"
    until(f"a kill for 256 MiB ({said})", lambda: _was_killed(world, name, before, hog.returncode), seconds=30)
    # Where cgroups are of version 1 the kernel takes only the hog: the first process then dies by the same signal.
    if restarts(world.namespace, name) == before:
        world.kill_processes(get("pod", name, world.namespace), SIDECAR)
    until("the container's restart", lambda: restarts(world.namespace, name) > before, seconds=60)
    return f"256 MiB were refused (exit code {hog.returncode}), and the container was restarted"


def _was_killed(world: World, name: str, before: int, exit_code: int) -> bool:
    """The hog by itself, or its container with it; a command that could not be run proves nothing."""
    if exit_code == _KILLED:
        return True
    return restarts(world.namespace, name) > before and last_exit_code(world.namespace, name) == _KILLED


def node_drained(world: World, *, pods: int) -> str:
    """Every injected pod of a Deployment evicted, then the node comes back and all of them with it."""
    container = {**application(world.images.application), "command": ["python3", "-c", _SLEEP_WITH_TOKEN]}
    with _real_time(world):
        apply(deployment(pod(world.namespace, "drained", [container]), replicas=pods))
        _rolled_out("drained", world.namespace, seconds=300)
        before = _uids(world)
        nodes = sorted({each["spec"]["nodeName"] for each in listed("pods", world.namespace, "app=drained")})
        try:
            for node in nodes:
                kubectl("drain", node, "--pod-selector=app=drained", *_EVICTED, "--timeout=240s", seconds=250)
        finally:
            for node in nodes:
                kubectl("uncordon", node)
        _rolled_out("drained", world.namespace, seconds=400)
        back = [each for each in listed("pods", world.namespace, "app=drained") if _is_injected_and_ready(each)]
        left = before & _uids(world)
        kubectl("delete", "deployment", "drained", "-n", world.namespace, "--wait=false")
    if left or len(back) != pods:
        raise FaultError(f"{len(back)} of {pods} pods are back, injected and ready")
    return f"{pods} injected pods evicted, {len(back)} back, injected and ready"


@contextlib.contextmanager
def _real_time(world: World) -> Iterator[None]:
    """Pods that are created now live at an hour's pace.

    A hundred that each refresh twice a minute, and give a start two seconds, show only that the node is too small.
    """
    settings = {"injector-env": [f"GCE_METADATA_HOST={cloud.METADATA_HOST}"]}
    Release(images=world.images, settings=settings).install()
    cloud.metadata(lifetime=3600)
    try:
        yield
    finally:
        cloud.metadata(lifetime=TOKEN_LIFETIME)
        world.release.install()


# A token's memory volume is an emptyDir, which drain asks about; nobody misses it.
_EVICTED = ("--force", "--delete-emptydir-data")
_FILLER = "/var/run/secrets/aws/token/filler"
_FILL = f"""
import contextlib
with open({_FILLER!r}, "wb", 0) as filler, contextlib.suppress(OSError):
    while filler.write(b"x" * 4096):
        pass
"""
_EMPTY = f"import os; os.unlink({_FILLER!r})"
# Ends at once, and its pod is not ready, where there is no token.
_SLEEP_WITH_TOKEN = f"import os; os.stat(os.environ['AWS_WEB_IDENTITY_TOKEN_FILE']); {SLEEP}"


def volume_full(world: World) -> str:
    """Not a byte left in the token's memory volume, for ten minutes, until a refresh has met it."""
    name = world.native_pods()[1]
    for _try in range(6):
        world.in_sidecar(name, _FILL)
        began = time.time()
        pause(TEN_MINUTES)
        world.in_sidecar(name, _EMPTY)
        log = kubectl("logs", "-n", world.namespace, name, "-c", SIDECAR, f"--since={int(time.time() - began) + 1}s")
        met = [line for line in log.splitlines() if re.search("No space left", line)]
        if met:
            pause(TEN_MINUTES)
            return f"{len(met)} refreshes found no space"
        pause(TEN_MINUTES / 2)
    raise FaultError("no refresh met the full volume")


def release_rolled_back(world: World) -> str:
    """To the next image, and back."""
    world.release.install(tag=world.images.next_tag)
    upgraded = _tags()
    world.release.rollback()
    if upgraded != {world.images.next_tag} or _tags() != {world.images.tag}:
        raise FaultError(f"the replicas ran {upgraded}, then {_tags()}")
    return f"{world.images.tag} → {world.images.next_tag} → {world.images.tag}"


def _started() -> float:
    found = re.search(r"^process_start_time_seconds (\S+)$", kubectl("get", "--raw", "/metrics"), re.MULTILINE)
    if found is None:
        raise FaultError("the API server's metrics have no start time")
    return float(found[1])


def _started_or_none(before: float) -> float | None:
    try:
        started = _started()
    except ClusterError:
        return None
    return started if started > before else None


def _command(variable: str) -> None:
    try:
        run(["bash", "-c", os.environ[variable]], seconds=120)
    except ClusterError as exc:
        raise FaultError(f"the command of {variable}: {exc}") from exc


@contextlib.contextmanager
def _metadata(**wanted: object) -> Iterator[None]:
    healthy = {"standing": None, "skew": 0}
    cloud.metadata(**wanted)
    try:
        yield
    finally:
        cloud.metadata(**{name: healthy[name] for name in wanted})


def _oldest_ready() -> dict[str, Any]:
    def found() -> dict[str, Any] | None:
        ready = [each for each in webhook_pods() if _is_ready(each)]
        # Never the last one: what is shown is the loss of a replica, not of the webhook.
        return min(ready, key=lambda each: str(each["metadata"]["creationTimestamp"])) if len(ready) > 1 else None

    return until("two ready replicas", found, seconds=90)


def _is_ready(each: dict[str, Any]) -> bool:
    conditions = each["status"].get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _is_injected_and_ready(each: dict[str, Any]) -> bool:
    names = [one["name"] for one in each["spec"].get("initContainers") or ()]
    return names == [SIDECAR] and _is_ready(each) and "deletionTimestamp" not in each["metadata"]


def _uids(world: World) -> set[str]:
    pods = listed("pods", world.namespace, "app=drained")
    return {each["metadata"]["uid"] for each in pods if not each["metadata"].get("deletionTimestamp")}


def _tags() -> set[str]:
    return {each["spec"]["containers"][0]["image"].rpartition(":")[2] for each in webhook_pods()}


def _rolled_out(name: str = DEPLOYMENT, namespace: str = NAMESPACE, *, seconds: float = 120) -> None:
    wait = f"--timeout={seconds:g}s"
    kubectl("rollout", "status", f"deployment/{name}", "-n", namespace, wait, seconds=seconds + 10)
