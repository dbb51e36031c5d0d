"""A worker's view of a cluster: `python -m bench.follower URL` writes a line once all is known, then waits for its end.

The same sources as in a worker, without the server around them: what is measured is what a larger cluster costs.
"""

import random
import sys
import time

from kube.config import Connection
from webhook.accounts import WatchedServiceAccounts
from webhook.nodes import WatchedNodes


def main() -> int:
    """Follow until standard input ends."""
    connection = Connection(server=sys.argv[1])
    accounts = WatchedServiceAccounts(connection, clock=time.monotonic, random=random.random)
    nodes = WatchedNodes(connection, clock=time.monotonic, random=random.random)
    accounts.start()
    nodes.start()
    while accounts.unready or nodes.unready:
        time.sleep(0.05)
    print(accounts.size, nodes.floor.text, flush=True)
    sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main())
