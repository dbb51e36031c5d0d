"""Memory and crowds: what is asked again, what is not, and who waits."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from tests.entrypoint.asking import failed, found, lookup, offering, password, settings
from tests.entrypoint.fake_registry import FakeRegistry, Reply
from tests.entrypoint.images import Image
from webhook.entrypoint.attempts import Places
from webhook.entrypoint.cache import STALE_SECONDS, TAG_SECONDS, Bounded, ImageCache
from webhook.entrypoint.counts import UNCOUNTED, Attempted, Counts, LookedUp, SourceName
from webhook.entrypoint.credential import Credential
from webhook.entrypoint.lookup import EntrypointLookup, Limits
from webhook.entrypoint.manifest import Entrypoint
from webhook.entrypoint.question import Failure, Wanted
from webhook.entrypoint.ssrf import Guard, resolve
from webhook.entrypoint.transport import Transport, tls_contexts

IMAGE = Image(entrypoint=["/app"])
APP = Entrypoint(("/app",), ())
TAG = "/v2/shop/web/manifests/1"


class Clock:
    """Monotonic seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Now."""
        return self.now


def clocked(
    fake: FakeRegistry, clock: Clock, *, at_once: int = 4, seconds: float = 5.0, counts: Counts = UNCOUNTED
) -> EntrypointLookup:
    """A look-up whose memory has this clock; requests have the real one."""
    hosts = settings(registry_insecure=(fake.host,), registry_local=(fake.host,))
    guard = Guard(hosts, resolve=resolve)
    return EntrypointLookup(
        Places(mirrors=(), sources={}, cache=ImageCache(clock=clock), counts=counts),
        lambda deadline: Transport(guard, tls_contexts(()), deadline),
        limits=Limits(seconds=seconds, at_once=at_once),
        clock=clock,
    )


@pytest.fixture
def image(fake: FakeRegistry) -> str:
    """An image by tag."""
    fake.serve("shop/web", "1", IMAGE)
    return f"{fake.host}/shop/web:1"


def test_a_digest_is_never_asked_again(fake: FakeRegistry, image: str) -> None:
    """What a digest means does not change; not even a dead registry matters then."""
    clock = Clock()
    asked = clocked(fake, clock)
    by_digest = f"{image.rpartition(':')[0]}@{IMAGE.digest}"
    assert found(asked, by_digest) == APP
    fake.down()
    clock.now += 10 * STALE_SECONDS

    assert found(asked, by_digest) == APP


def test_a_tag_is_looked_at_again_by_head_alone(fake: FakeRegistry, image: str) -> None:
    """After its moment one HEAD says that it means the same; with Always each time."""
    clock = Clock()
    asked = clocked(fake, clock)
    found(asked, image)
    found(asked, image)
    assert len(fake.seen) == 3

    clock.now += TAG_SECONDS
    found(asked, image)
    found(asked, image, pull_policy="Always")
    found(asked, image, pull_policy="Always")

    assert fake.paths("HEAD") == [TAG] * 2 + [TAG] * 2
    assert len(fake.paths("GET")) == 2


def test_latest_is_always_asked(fake: FakeRegistry) -> None:
    """Without a pull policy the tag latest means Always, as for the kubelet."""
    fake.serve("shop/web", "latest", IMAGE)
    asked = clocked(fake, Clock())

    found(asked, f"{fake.host}/shop/web")
    found(asked, f"{fake.host}/shop/web")

    assert len(fake.paths("HEAD")) == 2


def test_a_silent_registry_is_stood_in_for(fake: FakeRegistry, image: str) -> None:
    """A tag that was known an hour ago is answered while the registry is down; not with Always, and not for ever."""
    clock = Clock()
    asked = clocked(fake, clock)
    found(asked, image)
    fake.down()
    clock.now += TAG_SECONDS

    assert found(asked, image) == APP
    assert "no connection" in failed(asked, image, pull_policy="Always")
    clock.now += STALE_SECONDS
    assert "no connection" in failed(asked, image)


def test_a_refusal_is_not_stood_in_for(fake: FakeRegistry, image: str) -> None:
    """A registry that says no has answered."""
    clock = Clock()
    asked = clocked(fake, clock)
    found(asked, image)
    fake.routes.clear()
    clock.now += TAG_SECONDS

    assert "answers 404" in failed(asked, image)


def test_namespaces_share_nothing(fake: FakeRegistry, image: str) -> None:
    """What one namespace may read is asked anew for another, with its own credentials."""
    asked = lookup(insecure=[fake.host])
    found(asked, image, namespace="shop")
    for path in list(fake.routes):
        fake.routes[path] = Reply(status=403)

    assert found(asked, image, namespace="shop") == APP
    assert "answers 403" in failed(asked, image, namespace="other")
    assert "answers 403" in failed(asked, f"{fake.host}/shop/web@{IMAGE.digest}", namespace="other")


def test_failures_are_remembered_for_a_moment(fake: FakeRegistry) -> None:
    """Controllers try again at once; a registry need not hear of it."""
    clock = Clock()
    asked = clocked(fake, clock)
    image = f"{fake.host}/shop/none:1"
    failed(asked, image)
    failed(asked, image)
    assert len(fake.seen) == 1

    clock.now += 5
    failed(asked, image)
    assert len(fake.seen) == 2


def test_one_flight_for_one_question(fake: FakeRegistry, image: str) -> None:
    """Many callers with the same question make one look-up."""
    arrived = threading.Event()
    fake.routes[f"HEAD {TAG}"].before = lambda: arrived.wait(0.1)
    asked = lookup(insecure=[fake.host])

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: asked.look_up(Wanted(image=image)), range(4)))

    assert answers == [APP] * 4
    assert len(fake.seen) == 3


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.usefixtures("image")
def test_a_crowd_is_sent_away_early(fake: FakeRegistry) -> None:
    """Half of a worker's threads may wait for registries; who comes then is refused in a fraction of a second."""
    fake.routes[f"HEAD {TAG}"].before = lambda: fake.closing.wait(10)
    asked = lookup_of(fake, at_once=1, seconds=8.0)
    images = [f"{fake.host}/shop/web:1", f"{fake.host}/shop/other:1"]

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(asked.look_up, Wanted(image=images[0]))
        while not asked._waiting:
            time.sleep(0.002)
        began = time.monotonic()
        second = asked.look_up(Wanted(image=images[1]))
        took = time.monotonic() - began
        asked.stop()
        assert isinstance(first.result(5), Failure)

    assert second == Failure("too many other images are looked up at this moment, or the webhook is ending: retry")
    assert took < 4  # whoever is let in waits for 8


def lookup_of(fake: FakeRegistry, *, at_once: int, seconds: float) -> EntrypointLookup:
    """With limits of its own, and the real clock."""
    asked = clocked(fake, Clock(), at_once=at_once, seconds=seconds)
    asked._clock = time.monotonic
    return asked


@pytest.mark.slow
def test_a_thread_is_free_again_after_a_slow_registry(fake: FakeRegistry, image: str) -> None:
    """What is ended at the limit does not keep the next one from its thread."""
    fake.routes["HEAD /v2/slow/web/manifests/1"] = Reply(before=lambda: fake.closing.wait(10))
    asked = lookup_of(fake, at_once=1, seconds=2.0)

    assert "no answer" in failed(asked, f"{fake.host}/slow/web:1")
    assert found(asked, image) == APP


@pytest.mark.slow
def test_stop_ends_what_is_under_way(fake: FakeRegistry, image: str) -> None:
    """The server's end does not wait for a registry; afterwards nothing begins."""
    fake.routes[f"HEAD {TAG}"].before = lambda: fake.closing.wait(10)
    asked = lookup(insecure=[fake.host])
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(asked.look_up, Wanted(image=image))
        time.sleep(0.3)
        asked.stop()
        assert isinstance(waiting.result(3), Failure)

    assert "the webhook is ending" in failed(asked, f"{image}-other")


def test_each_credential_is_tried_once(fake: FakeRegistry) -> None:
    """The same user and password from two Secrets is one; what cannot be read is told, once."""
    fake.routes["HEAD /v2/a/b/manifests/1"] = Reply(status=403)
    same = Credential(origin="one", username="u", password="p")
    again = replace(same, origin="another")
    source = offering(same, again, problems=["pull secret a/b: there is none"])

    message = failed(lookup(source, insecure=[fake.host]), f"{fake.host}/a/b:1")

    assert message.count("answers 403") == 2
    assert "with one: " in message
    assert "with another" not in message
    assert message.count("pull secret a/b: there is none") == 1


def test_a_name_that_is_none() -> None:
    """Nobody is asked."""
    message = failed(lookup(), "Registry.example/Shop:1")

    assert message.startswith("image 'Registry.example/Shop:1': the repository has to be lower case letters")


def test_bounded_memory() -> None:
    """The one that was not used for longest goes."""
    kept: Bounded[int] = Bounded(2)
    kept.put("a", 1)
    kept.put("b", 2)
    assert kept.get("a") == 1
    kept.put("c", 3)

    assert (kept.get("a"), kept.get("b"), kept.get("c")) == (1, None, 3)


class Counted:
    """What was counted, in its order."""

    def __init__(self) -> None:
        self.ends: list[tuple[LookedUp, float]] = []
        self.attempts: list[tuple[SourceName, Attempted]] = []

    def looked_up(self, outcome: LookedUp, seconds: float) -> None:
        """Keep it."""
        self.ends.append((outcome, seconds))

    def attempted(self, source: SourceName, outcome: Attempted) -> None:
        """Keep it."""
        self.attempts.append((source, outcome))


def test_each_credential_is_counted(fake: FakeRegistry, image: str) -> None:
    """By its source and what the registry said to it; a source with a problem by that; a second question by memory."""
    well = fake.routes[f"HEAD {TAG}"]
    tries = iter((403,))

    def again() -> None:
        if next(tries, None) is None:
            fake.routes[f"HEAD {TAG}"] = well

    fake.routes[f"HEAD {TAG}"] = Reply(status=403, before=again)
    counted = Counted()
    sources = (offering(password("a", "x")), offering(problems=["gone"]), offering(password("b", "y")))
    asked = lookup(*sources, insecure=[fake.host], counts=counted)

    assert found(asked, image) == APP
    assert found(asked, image) == APP

    assert counted.attempts == [
        ("pull_secret", "denied"),
        ("pod_pull_secret", "unavailable"),
        ("google", "denied"),
        ("anonymous", "found"),
    ]
    assert [outcome for outcome, _ in counted.ends] == ["found", "memory"]
    assert all(0 <= seconds < 5 for _, seconds in counted.ends)


@pytest.mark.parametrize(("status", "said"), [(403, "denied"), (404, "absent"), (500, "unreachable")])
def test_failures_are_counted(fake: FakeRegistry, image: str, status: int, said: str) -> None:
    """Once at the registry; the question that is answered by a remembered failure failed too."""
    fake.routes[f"HEAD {TAG}"] = Reply(status=status)
    counted = Counted()
    asked = lookup(insecure=[fake.host], counts=counted)

    for _ in range(2):
        failed(asked, image)

    assert counted.attempts == [("anonymous", said)]
    assert [outcome for outcome, _ in counted.ends] == ["failed", "failed"]
