"""The broker's own role: for pods without one, and only what is granted."""

from collections.abc import Mapping
from typing import Any

import pytest

from secretenv.broker.grants import Grants, parse_grants
from tests.broker.conftest import Broker
from tests.broker.world import World

DB = "sm://shop/db#password"


def grants(service_accounts: str = "shop:*", secrets: str = "sm://shop/*") -> Grants:
    """One grant."""
    return parse_grants({"grants": [{"name": "g", "serviceAccounts": [service_accounts], "secrets": [secrets]}]})


@pytest.fixture
def shared(world: World, broker: Broker) -> Broker:
    """A broker with a role; pod a of shop:api has none."""
    broker.shared_role = world.role("broker")
    world.pod("a")
    return broker


def secret(world: World, **more: Any) -> None:
    """shop/db."""
    world.secret("shop/db", {"password": "hunter2", **more})


def test_a_granted_pod_reads(world: World, shared: Broker) -> None:
    """What a grant allows, once for all of them."""
    secret(world)
    shared.grants = grants()
    assert shared.ask(world.token("a"), DB).values == {DB: "hunter2"}
    world.pod("b", "shop:web")
    assert shared.ask(world.token("b", "shop:web"), DB).values == {DB: "hunter2"}
    assert world.aws.asked["GetSecretValue"] == 1


@pytest.mark.parametrize(
    "granted",
    [Grants(grants=()), grants("bank:*"), grants("shop:web"), grants(secrets="sm://bank/*"), grants(secrets="ssm://*")],
)
def test_what_no_grant_allows_is_not_even_read(world: World, shared: Broker, granted: Grants) -> None:
    """The message names the secret, the service account and who can help."""
    secret(world)
    shared.grants = granted
    refusal = shared.ask(world.token("a"), DB).refusals[DB]
    assert refusal.reason == "access_denied"
    for part in ("sm://shop/db", "shop:api", "broker's operator"):
        assert part in refusal.message
    assert not world.aws.asked["GetSecretValue"]


def test_a_grant_that_ends_ends_what_is_in_memory(world: World, shared: Broker) -> None:
    """What another one has read is nobody's without a grant; versions too."""
    secret(world)
    shared.grants = grants()
    shared.ask(world.token("a"), DB)
    shared.grants = grants("shop:web")
    assert not shared.ask(world.token("a"), DB).values
    assert not shared.ask(world.token("a"), DB, versions_only=True).versions


# The secret's own list, whether it is enforced, and what pod shop:api gets.
LISTS: Mapping[str, tuple[Any, bool, bool]] = {
    "absent": (None, False, True),
    "absent, enforced": (None, True, False),
    "names it": ("shop:api", False, True),
    "names it, enforced": ("shop:api", True, True),
    "with blanks": (" bank:x ,\tshop:api ", True, True),
    "names others": ("bank:api,shop:web", False, False),
    "names its namespace": ("shop", False, False),
    "is a pattern": ("shop:*", False, False),
    "empty": ("", False, False),
    "no text": (["shop:api"], False, False),
}


@pytest.mark.parametrize("name", LISTS)
def test_the_secrets_own_list(world: World, shared: Broker, name: str) -> None:
    """Where both speak, grant and list have to allow."""
    listed, shared.enforces_accounts, allowed = LISTS[name]
    secret(world, **({} if listed is None else {"PIGGY_ALLOWED_SA": listed}))
    shared.grants = grants()
    answer = shared.ask(world.token("a"), DB)
    assert bool(answer.values) is allowed
    if not allowed:
        assert "PIGGY_ALLOWED_SA" in answer.refusals[DB].message


def test_the_list_itself_is_nobodys(world: World, shared: Broker) -> None:
    """Neither as a key, nor by a pointer, nor within the whole."""
    secret(world, PIGGY_ALLOWED_SA="shop:api", number=1.50)
    shared.grants = grants()
    asked = ("sm://shop/db#PIGGY_ALLOWED_SA", "sm://shop/db#/PIGGY_ALLOWED_SA", "sm://shop/db")
    answer = shared.ask(world.token("a"), *asked)
    assert answer.values == {"sm://shop/db": '{"password":"hunter2","number":1.5}'}
    assert {refusal.reason for refusal in answer.refusals.values()} == {"not_found"}


@pytest.mark.parametrize("pinned", ["?stage=AWSPREVIOUS", "?version={}"])
def test_the_list_of_now_holds_for_the_version_of_before(world: World, shared: Broker, pinned: str) -> None:
    """A secret gets a list, or a shorter one: what it held before is not for whom it does not name."""
    secret(world)
    store = world.owner("secretsmanager")
    before = store.describe_secret(SecretId="shop/db")["VersionIdsToStages"]
    asked = f"sm://shop/db{pinned.format(next(iter(before)))}#password"
    shared.grants = grants()
    world.pod("b", "shop:web")
    store.put_secret_value(SecretId="shop/db", SecretString='{"password": "hunter3", "PIGGY_ALLOWED_SA": "shop:web"}')

    answer = shared.ask(world.token("a"), asked)

    assert not answer.values
    assert "PIGGY_ALLOWED_SA does not name service account shop:api" in answer.refusals[asked].message
    assert shared.ask(world.token("b", "shop:web"), asked).values == {asked: "hunter2"}


def test_a_pods_own_role_heeds_the_list_too(world: World, broker: Broker) -> None:
    """Piggy's proxy does; IAM and the list both have to allow."""
    secret(world, PIGGY_ALLOWED_SA="shop:web")
    world.pod("a")
    own = {"role_arn": world.role("shop"), "web_identity_token": world.web_identity()}
    assert broker.ask(world.token("a"), DB, **own).refusals[DB].reason == "access_denied"


def test_a_path_with_a_list(world: World, shared: Broker) -> None:
    """Piggy's form for parameters: one of the path's names."""
    owner = world.owner("ssm")
    for name, value in {"password": "hunter2", "PIGGY_ALLOWED_SA": "shop:web, shop:api"}.items():
        owner.put_parameter(Name=f"/shop/{name}", Value=value, Type="SecureString")
    shared.grants = grants(secrets="ssm-path:///shop")
    asked = "ssm-path:///shop#password"
    assert shared.ask(world.token("a"), asked).values == {asked: "hunter2"}
    world.pod("b", "shop:other")
    assert not shared.ask(world.token("b", "shop:other"), asked).values


def test_without_a_shared_role(world: World, broker: Broker) -> None:
    """A pod without a role is told what it needs."""
    world.pod("a")
    status, message = broker.refusal(world.token("a"), DB)
    assert status == 403
    assert "no role of its own" in message
    assert "--shared-role-arn" in message
