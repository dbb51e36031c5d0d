"""`python -m bench.node`: what an injected pod costs on a real node.

Start is seconds until the application's first instruction, memory what the sleeping container's cgroup holds. Runs are
interleaved, each after a random pause: runs without one lock to the kubelet's second. The metadata server answers
after 150 ms, as GKE's may; AWS is moto, on the same node.
"""

import argparse
import json
import random
import statistics
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.header import header
from bench.result import BenchError, Result, table, write
from demo.cluster import cloud
from demo.cluster.kubectl import (
    ClusterError,
    apply,
    delete_namespaces,
    kubeconfig,
    kubectl,
    listed,
    make_namespaces,
    until,
)
from demo.cluster.release import NAME, NAMESPACE, Images, Release, injector_env
from demo.cluster.workload import RESTRICTED, ROLE_ARN, SLEEP, namespace, pod, service_account
from kube.client import Client
from kube.config import from_kubeconfig

EXAMPLE = "example:\n  KUBECONFIG=… python -m bench.node --runs=4"
RUNS = 12
START_BOUND = 0.30
SECRETS_BOUND = 0.45
# What secrets may add to a sidecar that fetches the token: the two bounds' difference, which holds on any node.
SHARE_BOUND = 0.15
GATE_BOUND = 0.10
ANON_BOUND = 0.1
ANSWER_SECONDS = 0.15
PODS = 20
_ROLE = "arn:aws:iam::123456789012:role/orders"
_SHARED_ROLE = "arn:aws:iam::123456789012:role/of-the-broker"
_PREFIX = "admission.token-injector/"
_SECRETS = {_PREFIX + "refresher": "native", _PREFIX + "secrets": "true"}
# Annotations by shape. None: the label is off, and the pod stays as it is. "gated" is what a native sidecar costs on
# this node whatever is in it, in the `restricted` profile: its hook does nothing but sleep as long as the metadata
# server takes.
_SHAPES: Mapping[str, Mapping[str, str] | None] = {
    "bare": None,
    "gated": None,
    "native": {_PREFIX + "refresher": "native"},
    "pair": {_PREFIX + "refresher": "sidecar"},
    "secrets envfile": _SECRETS | {_PREFIX + "secret-delivery": "envfile"},
    "secrets launcher": _SECRETS | {_PREFIX + "secret-delivery": "launcher"},
    # As piggy's proxy: the pod has no role, and the broker reads with its own.
    "secrets broker": _SECRETS | {_PREFIX + "secret-identity": "broker"},
}
_WITHOUT_ROLE = ("secrets broker",)
_COMPARED = (
    ("native", "bare", START_BOUND),
    ("native", "gated", GATE_BOUND),
    ("gated", "bare", None),
    ("pair", "bare", None),
    ("secrets envfile", "bare", SECRETS_BOUND),
    ("secrets launcher", "bare", SECRETS_BOUND),
    ("secrets broker", "bare", SECRETS_BOUND),
    ("secrets envfile", "native", SHARE_BOUND),
    ("secrets launcher", "native", SHARE_BOUND),
)
# Of one secret, read with the pod's own role.
_SECRET = "shop/db"
_REFERENCES = {name.upper(): f"sm://{_SECRET}#{name}" for name in ("user", "password", "host")}
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_FIRST = ["cat", "/proc/uptime", str(_BOOT_ID)]
# Prints a container's memory as its cgroup has it: version 2 says anon, file and slab; version 1 rss, cache and kmem.
_MEMORY = """
import glob, json, sys

def cgroup(container):
    for path in glob.glob("/proc/[0-9]*/cgroup"):
        try:
            lines = open(path).read().splitlines()
        except OSError:
            continue
        for line in lines:
            _, controllers, place = line.split(":", 2)
            if container in place and controllers in ("", "memory"):
                return "/host/cgroup" + ("/memory" if controllers else "") + place

found = []
for container in sys.argv[1:]:
    place = cgroup(container)
    stat = dict(line.split() for line in open(place + "/memory.stat"))
    if "anon" in stat:
        found.append([int(stat[name]) for name in ("anon", "file", "slab")])
    else:
        kernel = int(open(place + "/memory.kmem.usage_in_bytes").read())
        found.append([int(stat["rss"]), int(stat["cache"]), kernel])
print(json.dumps(found))
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print a table, write JSON; 1 over a bound."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.node",
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--runs", type=int, default=RUNS, help="of each shape (default %(default)s)")
    parser.add_argument("--output", type=Path, default=Path("bench/results/node.json"), help="default %(default)s")
    chosen = parser.parse_args(sys.argv[1:] if argv is None else argv)
    try:
        images = Images.from_environ()
        with _place(images) as place:
            image = images.application
            results = [
                *start(place, image, f"{images.prefix}/injector:{images.tag}", chosen.runs),
                *memory(place, image),
            ]
            print(table(results))
            command = "make bench-node" if chosen.runs == RUNS else f"python -m bench.node --runs={chosen.runs}"
            write(results, chosen.output, header(command))
    except (BenchError, ClusterError) as exc:
        print(f"bench.node: {exc}", file=sys.stderr)
        return 1
    return 0 if all(result.passes for result in results) else 1


def start(place: str, image: str, injector: str, runs: int) -> list[Result]:
    """Seconds over a bare pod, medians of interleaved runs."""
    client = Client(from_kubeconfig(kubeconfig()))
    took: dict[str, list[float]] = {shape: [] for shape in _SHAPES}
    for number in range(runs):
        print(f"run {number + 1} of {runs} …", file=sys.stderr, flush=True)
        for shape in _SHAPES:
            time.sleep(random.uniform(0.0, 1.0))
            timed = _pod(place, shape, image, _FIRST)
            if shape == "gated":
                timed["spec"]["initContainers"] = [_gate(injector)]
            took[shape].append(_seconds_to_first_instruction(client, place, timed))
    medians = {shape: statistics.median(values) for shape, values in took.items()}
    spread = {shape: f"{min(values):.2f}..{max(values):.2f}" for shape, values in took.items()}
    return [
        Result(
            name=f"pod start, {shape}: seconds over {floor}",
            floor=f"{floor} {medians[floor]:.2f} ({spread[floor]}); {shape} {medians[shape]:.2f} ({spread[shape]})",
            floor_value=medians[floor],
            value=medians[shape] - medians[floor],
            unit="s",
            bound=bound,
            is_ratio=False,
        )
        for shape, floor, bound in _COMPARED
    ]


def memory(place: str, image: str) -> list[Result]:
    """MB of each part of the cgroup of a sleeping native sidecar, mean of PODS pods."""
    wait = ["python3", "-c", SLEEP]
    pods = [_pod(place, "native", image, wait) for _ in range(PODS)]
    apply(*pods, _reader(place, image))
    names = [each["metadata"]["name"] for each in pods]
    ready = [f"pod/{name}" for name in (*names, "reader")]
    kubectl("wait", "-n", place, *ready, "--for=condition=Ready", "--timeout=180s", seconds=190)
    time.sleep(5.0)  # the refresher's memory is given back a little later
    containers = [
        each["status"]["initContainerStatuses"][0]["containerID"].rpartition("/")[2]
        for each in listed("pods", place)
        if each["metadata"]["name"] in names
    ]
    read = json.loads(kubectl("exec", "-n", place, "reader", "--", "python3", "-c", _MEMORY, *containers))
    means = [statistics.mean(values) / 2**20 for values in zip(*read, strict=True)]
    floor = f"the container's cgroup, mean of {len(read)}"
    return [
        Result(
            name=f"sleeping sidecar: {part}",
            floor=floor,
            floor_value=0.0,
            value=value,
            unit="MB",
            bound=ANON_BOUND if part == "anon" else None,
            is_ratio=False,
        )
        for part, value in zip(("anon", "page cache", "kernel"), means, strict=True)
    ]


def _seconds_to_first_instruction(client: Client, place: str, manifest: dict[str, Any]) -> float:
    name = manifest["metadata"]["name"]
    began = float(Path("/proc/uptime").read_text().split()[0])
    client.create(f"/api/v1/namespaces/{place}/pods", manifest)

    def is_over() -> bool:
        # No kubectl here: its own start would take a core from the pod that is timed.
        found = client.get(f"/api/v1/namespaces/{place}/pods/{name}")
        statuses = found["status"].get("containerStatuses") or ()
        return any(each["name"] == "app" and "terminated" in each["state"] for each in statuses)

    until(f"pod {name}", is_over, seconds=60)
    uptime, boot_id = kubectl("logs", "-n", place, name, "-c", "app").splitlines()
    kubectl("delete", "pod", "-n", place, name, "--wait=true", seconds=60)
    if boot_id != _BOOT_ID.read_text().strip():
        raise BenchError("the node is another machine than this one: its pods can't be timed from here")
    return float(uptime.split()[0]) - began


def _pod(place: str, shape: str, image: str, command: Sequence[str]) -> dict[str, Any]:
    name = f"{shape.replace(' ', '-')}-{uuid.uuid4().hex[:8]}"
    annotations = _SHAPES[shape]
    references = _REFERENCES if annotations and _PREFIX + "secrets" in annotations else {}
    env = [{"name": name, "value": value} for name, value in references.items()]
    container = {"name": "app", "image": image, "command": list(command), "env": env}
    account = "granted" if shape in _WITHOUT_ROLE else "app"
    made = pod(place, name, [container], account=account, annotations=annotations, terminationGracePeriodSeconds=1)
    if annotations is None:
        made["metadata"]["labels"] = {}
    return made


def _gate(injector: str) -> dict[str, Any]:
    sleep = ["/usr/bin/python3", "-I", "-S", "-c", f"import time; time.sleep({ANSWER_SECONDS})"]
    return {
        "name": "gate",
        "image": injector,
        "command": ["/token-injector", "await", "/nothing", "--timeout=3600"],
        "restartPolicy": "Always",
        "lifecycle": {"postStart": {"exec": {"command": sleep}}},
        "securityContext": RESTRICTED,
    }


def _reader(place: str, image: str) -> dict[str, Any]:
    """A pod that sees the node's cgroups."""
    container = {
        "name": "reader",
        "image": image,
        "command": ["python3", "-c", SLEEP],
        "securityContext": {"privileged": True, "runAsUser": 0},
        "volumeMounts": [{"name": "cgroup", "mountPath": "/host/cgroup", "readOnly": True}],
    }
    spec = {
        "hostPID": True,
        "restartPolicy": "Never",
        "containers": [container],
        "volumes": [{"name": "cgroup", "hostPath": {"path": "/sys/fs/cgroup"}}],
        "terminationGracePeriodSeconds": 1,
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "reader", "namespace": place}, "spec": spec}


def _broker(place: str) -> dict[str, Any]:
    """The chart's values of one whose shared role reads for one account."""
    issuer = cloud.trust_cluster()
    cloud.cluster_role(_SHARED_ROLE, issuer=issuer, namespace=NAMESPACE, account=f"{NAME}-broker")
    grant = {"name": "bench", "serviceAccounts": [f"{place}:granted"], "secrets": [f"sm://{_SECRET}"]}
    return {
        "enabled": True,
        "settings": {"region": "eu-west-1"},
        "sharedRole": {"arn": _SHARED_ROLE, "mode": "cluster", "grants": [grant]},
        "extraEnv": [{"name": "AWS_ENDPOINT_URL", "value": cloud.AWS_URL}],
    }


@contextmanager
def _place(images: Images) -> Iterator[str]:
    """A namespace with a service account, the release and the clouds; nothing of them afterwards."""
    name = f"bench-{uuid.uuid4().hex[:6]}"
    kubeconfig()  # before anything is made
    cloud.start_cloud(images.application)
    cloud.metadata(lifetime=3600, standing={"fault": "Slow", "seconds": ANSWER_SECONDS})
    cloud.google_role(_ROLE)
    cloud.aws(secrets={_SECRET: {"json": dict.fromkeys(("user", "password", "host"), "a value of this length")}})
    make_namespaces(namespace(NAMESPACE, enforce="restricted"), namespace(name))
    # A life of an hour at an hour's pace: nobody refreshes while it is measured.
    release = Release(images=images, settings={"injector-env": injector_env()}, values={"broker": _broker(name)})
    release.install()
    try:
        apply(service_account(name, "app", {ROLE_ARN: _ROLE}), service_account(name, "granted", {}))
        yield name
    finally:
        release.uninstall()
        delete_namespaces(name, NAMESPACE, cloud.NAMESPACE)


if __name__ == "__main__":
    sys.exit(main())
