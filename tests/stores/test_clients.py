"""botocore's clients are few, whoever names how many regions."""

import gc
import weakref

from secretenv.stores.clients import Clients


def test_the_least_recently_used_client_goes() -> None:
    """What was used last is kept and is the same; what nobody holds any more is freed."""
    clients = Clients(region="eu-west-1", most=2)
    kept = clients.theirs("sts", "eu-west-1")
    gone = weakref.ref(clients.theirs("sts", "eu-west-2"))
    assert clients.theirs("sts", "eu-west-1") is kept
    clients.theirs("sts", "eu-west-3")
    gc.collect()
    assert gone() is None
    assert clients.theirs("sts", "eu-west-1") is kept
