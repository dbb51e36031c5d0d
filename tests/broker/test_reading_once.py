"""How often AWS is asked, and what holds while it cannot answer."""

import threading
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.wrappers import Response

from tests.broker.conftest import Broker
from tests.broker.world import World
from tests.stores.faulty import denied, error, says

if TYPE_CHECKING:
    from secretenv.wire import Answer

SECRET, OTHER = "sm://shop/db#password", "sm://shop/mail#password"


class Clock:
    """Seconds that a test turns."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Now."""
        return self.now


@pytest.fixture
def own(world: World) -> dict[str, str]:
    """An identity and its two secrets; three pods."""
    for name in ("shop/db", "shop/mail"):
        world.secret(name, {"password": "hunter2"})
    for pod in ("a", "b", "c"):
        world.pod(pod)
    return {"role_arn": world.role("shop"), "web_identity_token": world.web_identity()}


def reads(world: World) -> tuple[int, int]:
    """Requests to STS and to Secrets Manager."""
    asked = world.aws.asked
    return asked["STS"], asked["GetSecretValue"] + asked["BatchGetSecretValue"]


def test_pods_of_one_account_share_a_session_and_what_was_read(
    world: World, broker: Broker, own: dict[str, str]
) -> None:
    """Each brings a token of its own, whose claims the issuer has signed alike."""
    for pod in ("a", "b", "c"):
        question = own | {"web_identity_token": world.web_identity(jti=pod)}
        assert broker.ask(world.token(pod), SECRET, **question).values == {SECRET: "hunter2"}
    assert reads(world) == (1, 1)
    assert broker.counted.origins == {"aws": 1, "cache": 2}
    assert broker.counted.calls == {("AssumeRoleWithWebIdentity", "ok"): 1, ("GetSecretValue", "ok"): 1}


def test_where_no_key_is_to_be_had_each_token_is_stss_to_check(
    world: World, broker: Broker, own: dict[str, str]
) -> None:
    """An issuer that does not answer makes nobody wrong, and nobody share."""
    world.keys.listener.down()
    for pod in ("a", "b"):
        question = own | {"web_identity_token": world.web_identity(jti=pod)}
        assert broker.ask(world.token(pod), SECRET, **question).values
    assert reads(world) == (2, 2)


def test_many_at_once_are_one(world: World, broker: Broker, own: dict[str, str]) -> None:
    """Eight pods' requests at the same time: one exchange, one read of each secret."""
    broker.start()
    answers: list[Answer] = []
    gate = threading.Barrier(8)

    def ask(number: int) -> None:
        gate.wait()
        question = own | {"web_identity_token": world.web_identity(jti=str(number))}
        answers.append(broker.ask(world.token("a"), SECRET, OTHER, **question))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(answer.values) for answer in answers] == [2] * 8
    assert reads(world) == (1, 1)


def test_what_is_old_is_read_again(world: World, broker: Broker, own: dict[str, str]) -> None:
    """After cache-seconds a change is seen; the session goes on."""
    clock = broker.clock = Clock()
    assert broker.ask(world.token("a"), SECRET, **own).values == {SECRET: "hunter2"}
    world.owner("secretsmanager").put_secret_value(SecretId="shop/db", SecretString='{"password": "hunter3"}')
    clock.now += 59
    assert broker.ask(world.token("a"), SECRET, **own).values == {SECRET: "hunter2"}
    clock.now += 2
    assert broker.ask(world.token("a"), SECRET, **own).values == {SECRET: "hunter3"}
    assert world.aws.asked["STS"] == 1


def test_a_poll_that_sees_a_new_version_ends_the_old_value(world: World, broker: Broker, own: dict[str, str]) -> None:
    """Who learns that a secret has changed gets the change when it asks next."""
    clock = broker.clock = Clock()
    first = broker.ask(world.token("a"), SECRET, **own)
    clock.now += 61
    assert broker.ask(world.token("a"), SECRET, versions_only=True, **own).versions == first.versions
    assert broker.ask(world.token("b"), SECRET, versions_only=True, **own).versions == first.versions
    assert world.aws.asked["DescribeSecret"] == 1
    world.owner("secretsmanager").put_secret_value(SecretId="shop/db", SecretString='{"password": "hunter3"}')
    clock.now += 61
    later = broker.ask(world.token("a"), SECRET, versions_only=True, **own)
    assert later.versions != first.versions
    assert not later.values
    answer = broker.ask(world.token("a"), SECRET, **own)
    assert (answer.values, answer.versions) == ({SECRET: "hunter3"}, later.versions)


def test_what_a_poll_has_seen_to_be_old_is_not_given_in_an_outage(
    world: World, broker: Broker, own: dict[str, str]
) -> None:
    """The last good value is one that nobody knows to have changed: else a rotation would deliver the old one."""
    clock, broker.timeout = Clock(), 4.0
    broker.clock = clock
    broker.ask(world.token("a"), SECRET, OTHER, **own)
    world.owner("secretsmanager").put_secret_value(SecretId="shop/db", SecretString='{"password": "hunter3"}')
    clock.now += 61
    broker.ask(world.token("a"), SECRET, OTHER, versions_only=True, **own)
    for api in ("GetSecretValue", "BatchGetSecretValue"):
        world.aws.faults[api] = says(503, "ServiceUnavailable")
    answer = broker.ask(world.token("a"), SECRET, OTHER, **own)
    assert answer.values == {OTHER: "hunter2"}
    assert answer.refusals[SECRET].reason == "unavailable"


def test_throttling_is_waited_out(world: World, broker: Broker, own: dict[str, str]) -> None:
    """Half of all requests are told to come later; the pod does not notice."""
    turns = {"STS": 0, "GetSecretValue": 0}

    def every_other(operation: str) -> Any:
        def fault(_: dict[str, Any]) -> Response | None:
            turns[operation] += 1
            return error(400, "ThrottlingException") if turns[operation] % 2 else None

        return fault

    world.aws.faults["GetSecretValue"] = every_other("GetSecretValue")
    assert broker.ask(world.token("a"), SECRET, **own).values == {SECRET: "hunter2"}
    assert broker.counted.calls["GetSecretValue", "throttled"] == 1


def test_while_aws_is_away_the_last_good_value_is_given(world: World, broker: Broker, own: dict[str, str]) -> None:
    """For a bounded time; then the pod is told that it is AWS, and asks again."""
    clock, broker.timeout = Clock(), 4.0
    broker.clock = clock
    token = world.token("a")
    first = broker.ask(token, SECRET, **own)
    for api in ("STS", "GetSecretValue"):
        world.aws.faults[api] = says(503, "ServiceUnavailable")
    clock.now += 599
    assert broker.ask(token, SECRET, **own) == first
    assert broker.counted.origins["stale"] == 1
    asked = world.aws.asked.total()
    assert broker.ask(token, SECRET, **own) == first
    assert broker.counted.origins["stale"] == 2
    assert world.aws.asked.total() == asked  # for ten seconds
    clock.now += 2
    refused = broker.ask(token, SECRET, **own).refusals[SECRET]
    assert refused.reason == "unavailable"
    world.aws.faults.clear()
    clock.now += 5
    assert broker.ask(token, SECRET, **own).values == first.values


def test_a_refusal_of_aws_ends_the_last_good_value(world: World, broker: Broker, own: dict[str, str]) -> None:
    """A permission that was taken away is an answer, not an outage."""
    clock, broker.timeout = Clock(), 4.0
    broker.clock = clock
    broker.ask(world.token("a"), SECRET, **own)
    clock.now += 61
    world.aws.faults["GetSecretValue"] = denied("secretsmanager:GetSecretValue")
    assert broker.ask(world.token("a"), SECRET, **own).refusals[SECRET].reason == "access_denied"
    world.aws.faults["GetSecretValue"] = says(503, "ServiceUnavailable")
    clock.now += 3
    assert broker.ask(world.token("b"), SECRET, **own).refusals[SECRET].reason == "unavailable"


def test_a_revoked_session_is_exchanged_anew(world: World, broker: Broker, own: dict[str, str]) -> None:
    """What is denied to a session that is not new is asked again with a new one."""
    clock = broker.clock = Clock()
    broker.ask(world.token("a"), SECRET, **own)
    clock.now += 61
    world.aws.sessions.clear()
    assert broker.ask(world.token("a"), SECRET, **own).refusals[SECRET].reason == "access_denied"
    clock.now += 3
    assert broker.ask(world.token("a"), SECRET, **own).values == {SECRET: "hunter2"}


def test_a_session_is_exchanged_before_its_end(world: World, broker: Broker, own: dict[str, str]) -> None:
    """An hour's session is used for 55 minutes."""
    clock = broker.clock = Clock()
    broker.ask(world.token("a"), SECRET, **own)
    clock.now += 3200
    broker.ask(world.token("a"), SECRET, **own)
    assert world.aws.asked["STS"] == 1
    clock.now += 200
    broker.ask(world.token("a"), SECRET, **own)
    assert world.aws.asked["STS"] == 2


def test_a_secret_that_is_not_there_is_not_asked_for_by_every_pod(
    world: World, broker: Broker, own: dict[str, str]
) -> None:
    """Pods that crash-loop over a wrong name cost one read in two seconds; then it is looked for again."""
    clock = broker.clock = Clock()
    for _ in range(5):
        assert broker.ask(world.token("a"), "sm://nobody", **own).refusals["sm://nobody"].reason == "not_found"
    assert reads(world) == (1, 1)
    world.secret("nobody", "here")
    clock.now += 3
    assert broker.ask(world.token("a"), "sm://nobody", **own).values == {"sm://nobody": "here"}
