"""AWS does not answer for a minute: pods that start wait and then start, and pods that run notice nothing."""

import time
from collections.abc import Iterator

import pytest

from demo.cluster import cloud
from demo.cluster.kubectl import apply, get
from demo.cluster.release import Images, Release
from demo.cluster.workload import ROLE_ARN, pod, revealing, service_account
from tests.e2e import vault
from tests.e2e.conftest import ROLE
from tests.e2e.pods import lines, told
from tests.e2e.silence import silent_namespace

PREFIX = "admission.token-injector/"
ASKS = {PREFIX + "secrets": "true"}
SHAPES = {
    "envfile": ASKS,
    "launcher": ASKS | {PREFIX + "secret-delivery": "launcher"},
    "init": ASKS | {PREFIX + "refresher": "none"},
    "rotating": ASKS | {PREFIX + "secret-rotation": "signal:HUP", PREFIX + "secret-rotation-interval": "30"},
}
# The broker may have read the value before: then nobody has to wait.
BROKER = {"broker": ASKS | {PREFIX + "secret-identity": "broker"}}
EVERYBODY = SHAPES | BROKER
WRITTEN = {"FOO": "sm://shop/db#password"}
SEEN = vault.revealed({"FOO": vault.DATABASE["password"]})
AWAY = 60.0


@pytest.fixture(scope="module")
def place(secrets_release: Release, images: Images) -> Iterator[str]:
    """A restricted namespace; AWS is back in the end."""
    with silent_namespace("outage") as name:
        apply(service_account(name, "app", {ROLE_ARN: ROLE}))
        try:
            yield name
        finally:
            cloud.aws(away=0)


def test_pods_wait_for_aws_and_then_start(place: str, images: Images) -> None:
    """No application began before AWS was back, none saw anything but the value, and no container was restarted."""
    container = revealing(images.application, WRITTEN, options=["--stay"])
    apply(*(pod(place, f"running-{shape}", [container], annotations=asks) for shape, asks in EVERYBODY.items()))
    for shape in EVERYBODY:
        told(place, f"running-{shape}")

    back = time.time() + AWAY
    cloud.aws(away=AWAY, forget_calls=True)
    apply(*(pod(place, f"starting-{shape}", [container], annotations=asks) for shape, asks in EVERYBODY.items()))
    for shape in EVERYBODY:
        told(place, f"starting-{shape}")

    assert "ServiceUnavailable" in {call["outcome"] for call in cloud.seen().calls}
    for shape in EVERYBODY:
        (line,) = lines(place, f"starting-{shape}")
        assert line["at"] > back or shape in BROKER
        assert line["variables"] == SEEN
        (line,) = lines(place, f"running-{shape}")
        assert line["variables"] == SEEN
        for name in (f"starting-{shape}", f"running-{shape}"):
            status = get("pod", name, place)["status"]
            counts = [
                each["restartCount"] for key in ("initContainerStatuses", "containerStatuses") for each in status[key]
            ]
            assert set(counts) == {0}, name
