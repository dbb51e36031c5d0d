"""What pods get: the broker of its real parts, the strict API server, moto behind the strict STS."""

import json

from tests.broker.conftest import Broker
from tests.broker.world import World


def test_a_pod_gets_what_its_own_role_reads(world: World, broker: Broker) -> None:
    """Only what it asked for by name; the broker has no credentials of its own."""
    world.secret("shop/db", {"user": "app", "password": "hunter2", "other": "x"})
    world.pod("api-1")
    own = {"role_arn": world.role("shop"), "web_identity_token": world.web_identity()}

    answer = broker.ask(world.token("api-1"), "sm://shop/db#password", "sm://shop/db#nobody", **own)

    assert answer.values == {"sm://shop/db#password": "hunter2"}
    assert answer.refusals["sm://shop/db#nobody"].reason == "not_found"
    assert list(answer.versions) == ["sm://shop/db#password"]
    (event,) = broker.counted.events
    assert event["pod"] == "api-1"
    assert "hunter2" not in json.dumps(dict(event))


def test_a_reference_has_one_spelling(world: World, broker: Broker) -> None:
    """Another spelling of the same secret is refused: an answer is not made longer by asking often."""
    world.secret("shop/db", {"password": "hunter2"})
    world.pod("api-1")
    own = {"role_arn": world.role("shop"), "web_identity_token": world.web_identity()}

    answer = broker.ask(world.token("api-1"), "sm://shop/d%62#password", **own)

    assert answer.values == {}
    assert answer.refusals["sm://shop/d%62#password"].reason == "invalid"
