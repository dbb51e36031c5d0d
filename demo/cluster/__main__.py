"""`python -m demo.cluster up | down`: the main job on a cluster, with fake clouds and without any cloud account.

The cluster is kubectl's current one (KUBECONFIG), the images are IMAGES/NAME:TAG as `make images` names them: by the
variables IMAGES (default: ghcr.io/token-injector) and TAG (default: dev). A namespace that somebody else made is left
alone: a release that is in use is never changed.
"""

import argparse
import json
import sys
from collections.abc import Sequence

from demo.cluster import cloud
from demo.cluster.kubectl import ClusterError, apply, delete_namespaces, kubectl, make_namespaces, require_ours, until
from demo.cluster.release import NAMESPACE, TOKEN_LIFETIME, Images, Release
from demo.cluster.workload import ROLE_ARN, application, deployment, namespace, pod, service_account

EXAMPLE = """example, on kind:
  kind create cluster
  make images
  for image in webhook injector e2e; do kind load docker-image "ghcr.io/token-injector/$image:dev"; done
  python -m demo.cluster up
"""
PLACE = "token-injector-demo"
ROLE = "arn:aws:iam::123456789012:role/orders"
NEXT = f"""
next:
  kubectl get pods -n {PLACE} -o wide
  kubectl logs -n {PLACE} deployment/orders -c app --follow    # a token's hour takes a minute here
  kubectl get pod -n {PLACE} -l app=orders -o yaml             # what was injected
  python -m demo.cluster down
"""


def up() -> None:
    """Clouds, release, an application; until it has called STS as its role. Raises `ClusterError`."""
    images = Images.from_environ()
    _say(f"cluster {kubectl('config', 'current-context').strip()}: starting the fake clouds")
    cloud.start_cloud(images.application)
    cloud.metadata(lifetime=TOKEN_LIFETIME)
    cloud.aws(session_scale=1 / 60)
    cloud.google_role(ROLE)
    _say("installing the chart: webhook, cert job, configuration")
    make_namespaces(namespace(NAMESPACE, enforce="restricted"), namespace(PLACE))
    Release(images=images).install()
    _say(f"starting {PLACE}/orders: a label on the pod, an annotation on its service account")
    # A pod of an earlier try may have been created without the webhook.
    kubectl("delete", "deployment", "orders", "-n", PLACE, "--ignore-not-found", seconds=90)
    apply(service_account(PLACE, "orders", {ROLE_ARN: ROLE}))
    container = application(images.application, "--calls=0", "--every=2")
    apply(deployment(pod(PLACE, "orders", [container], account="orders"), replicas=1))
    kubectl("rollout", "status", "deployment/orders", "-n", PLACE, "--timeout=120s", seconds=130)
    line = until("the application's first call of STS", _first_call, seconds=60)
    print(f"the application is {line['arn']}{NEXT}")


def down() -> None:
    """Everything that `up` made. Raises `ClusterError`."""
    require_ours(PLACE, NAMESPACE, cloud.NAMESPACE)
    delete_namespaces(PLACE)
    Release(images=Images.from_environ()).uninstall()
    delete_namespaces(NAMESPACE, cloud.NAMESPACE)
    print("removed")


def _first_call() -> dict[str, str] | None:
    printed = kubectl("logs", "-n", PLACE, "deployment/orders", "-c", "app")
    lines = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    return next((line for line in lines if "arn" in line), None)


def _say(text: str) -> None:
    print(f"{text} …", file=sys.stderr, flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """One of the two; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m demo.cluster",
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=["up", "down"])
    chosen = parser.parse_args(sys.argv[1:] if argv is None else argv)
    try:
        (up if chosen.command == "up" else down)()
    except ClusterError as exc:
        print(f"demo.cluster: {exc}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
