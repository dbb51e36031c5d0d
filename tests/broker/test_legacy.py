"""piggy-env's own protocol: POST /secret, its checks in their order, its codes and plain texts."""

import hashlib
import json
from typing import Any

import pytest

from tests.broker.conftest import Broker
from tests.broker.test_shared_role import grants
from tests.broker.world import World

SIGNATURE = hashlib.sha256(b"rails server").hexdigest()


def annotations(uids: dict[str, str] | None = None, **more: str) -> dict[str, str]:
    """As piggy's webhook leaves a pod."""
    own = {"piggy-uid": json.dumps({"u1": SIGNATURE} if uids is None else uids), **more}
    return {f"piggysec.com/{name.replace('_', '-')}": value for name, value in own.items()}


@pytest.fixture
def piggy(world: World, broker: Broker) -> Broker:
    """A broker that takes the protocol; pod a of shop:api, its secret by the default name."""
    broker.shared_role = world.role("broker")
    broker.grants = grants()
    world.pod("a", annotations=annotations())
    world.secret(
        "shop/api", {"password": "hunter2", "port": 5432, "PIGGY_ADDRESS": "x", "PIGGY_ALLOWED_SA": " shop:api"}
    )
    return broker


def ask(world: World, piggy: Broker, pod: str = "a", **body: Any) -> tuple[int, str]:
    """Status and text."""
    found = piggy.legacy(world.api_token(pod), **{"name": pod, "uid": "u1", "signature": SIGNATURE, **body})
    return found.status_code, found.get_data(as_text=True)


def test_all_keys_of_the_pods_secret(world: World, piggy: Broker) -> None:
    """Less those that piggy keeps for itself; what is no string is its text."""
    status, text = ask(world, piggy)
    assert (status, json.loads(text)) == (200, {"password": "hunter2", "port": "5432"})
    assert "hunter2" not in json.dumps([dict(event) for event in piggy.counted.events])


def test_an_annotation_names_the_secret(world: World, piggy: Broker) -> None:
    """As it stands on the live pod, with its stage."""
    world.secret("shop/other", {"password": "hunter3"})
    world.pod("a", annotations=annotations(aws_secret_name="shop/other", aws_region="eu-west-1"))
    assert json.loads(ask(world, piggy)[1]) == {"password": "hunter3"}


def test_a_path_of_parameters(world: World, piggy: Broker) -> None:
    """By their last elements."""
    world.owner("ssm").put_parameter(Name="/shop/sub/password", Value="hunter4", Type="String")
    piggy.grants = grants(secrets="ssm-path:///shop")
    world.pod("a", annotations=annotations(aws_ssm_parameter_path="/shop"))
    assert json.loads(ask(world, piggy)[1]) == {"password": "hunter4"}


def test_an_annotation_names_the_region(world: World, piggy: Broker) -> None:
    """The secret of that region is read, not the one of the same name where the broker is."""
    world.owner("secretsmanager", "eu-west-2").create_secret(Name="shop/api", SecretString='{"password": "there"}')
    world.pod("a", annotations=annotations(aws_region="eu-west-2"))
    assert json.loads(ask(world, piggy)[1]) == {"password": "there"}


def test_the_brokers_variables_hold_without_an_annotation(world: World, piggy: Broker) -> None:
    """As those of piggy's webhook do in piggy: secret, region and whether the command's hash is looked at."""
    world.owner("secretsmanager", "eu-west-2").create_secret(Name="shop/all", SecretString='{"password": "there"}')
    piggy.environ = {
        "AWS_SECRET_NAME": "shop/all",
        "AWS_REGION": "eu-west-2",
        "PIGGY_ENFORCE_INTEGRITY": "false",
    }
    status, text = ask(world, piggy, signature="another")
    assert (status, json.loads(text)) == (200, {"password": "there"})
    world.pod("a", annotations=annotations(aws_secret_name="shop/api", aws_region="eu-west-1"))
    assert json.loads(ask(world, piggy, signature="another")[1])["password"] == "hunter2"


def test_a_default_name_of_the_brokers_variables(world: World, piggy: Broker) -> None:
    """Around namespace and service account, where nothing names a secret."""
    world.secret("shop/prod/shop/api-1", {"password": "hunter5"})
    piggy.environ = {"PIGGY_DEFAULT_SECRET_NAME_PREFIX": "shop/prod/", "PIGGY_DEFAULT_SECRET_NAME_SUFFIX": "-1"}
    assert json.loads(ask(world, piggy)[1]) == {"password": "hunter5"}


# Source: KongZ/piggy 0.7.5, piggy-webhooks/service/service.go.
KEPT_BACK = [
    "PIGGY_AWS_SECRET_NAME",
    "PIGGY_AWS_SSM_PARAMETER_PATH",
    "PIGGY_AWS_REGION",
    "PIGGY_POD_NAME",
    "PIGGY_DEBUG",
    "PIGGY_STANDALONE",
    "PIGGY_ADDRESS",
    "PIGGY_ALLOWED_SA",
    "PIGGY_SKIP_VERIFY_TLS",
    "PIGGY_IGNORE_NO_ENV",
    "PIGGY_DEFAULT_SECRET_NAME_PREFIX",
    "PIGGY_DEFAULT_SECRET_NAME_SUFFIX",
    "PIGGY_DNS_RESOLVER",
    "PIGGY_INITIAL_DELAY",
    "PIGGY_NUMBER_OF_RETRY",
]


def test_what_would_be_piggy_envs_own_setting_is_kept_back(world: World, piggy: Broker) -> None:
    """Each of the fifteen names, and no other that looks like them."""
    assert len(KEPT_BACK) == 15
    world.secret("shop/names", {**dict.fromkeys(KEPT_BACK, "shop:api"), "PIGGY_BANK": "mine"})
    world.pod("a", annotations=annotations(aws_secret_name="shop/names"))
    assert json.loads(ask(world, piggy)[1]) == {"PIGGY_BANK": "mine"}


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({"name": ""}, 400, "invalid name"),
        ({"name": 5}, 400, "invalid name"),
        ({"name": "../pods/b"}, 400, "invalid name"),
        ({"signature": "0" * 64}, 400, "invalid signature"),
        ({"signature": ""}, 400, "invalid signature"),
        ({"uid": "u2"}, 400, "invalid signature"),
        ({"uid": "", "signature": ""}, 400, "invalid signature"),
        ({"uid": None, "signature": None}, 400, "invalid signature"),
    ],
)
def test_what_piggy_env_must_know(world: World, piggy: Broker, body: dict[str, Any], status: int, text: str) -> None:
    """A uid that is not in the annotation has no signature, not an empty one."""
    assert ask(world, piggy, **body) == (status, text)
    assert not world.aws.asked["GetSecretValue"]


def test_without_integrity_the_uid_is_still_needed(world: World, piggy: Broker) -> None:
    """As piggy has it."""
    world.pod("a", annotations=annotations(piggy_enforce_integrity="false"))
    assert ask(world, piggy, signature="x")[0] == 200
    assert ask(world, piggy, uid="u2") == (400, "invalid uid")


@pytest.mark.parametrize("annotation", ["debug", "standalone", "piggy-ignore-no-env", "piggy-env-resource-cpu-limit"])
def test_what_piggy_could_not_read(
    world: World, piggy: Broker, caplog: pytest.LogCaptureFixture, annotation: str
) -> None:
    """Piggy has admitted the pod, which goes on: the value is false or nothing, and the log says whose it is."""
    world.pod("a", annotations=annotations() | {f"piggysec.com/{annotation}": "yes"})
    assert ask(world, piggy)[0] == 200
    assert f"pod shop/a: annotation piggysec.com/{annotation}: 'yes' is not valid" in caplog.text


def test_an_integrity_that_piggy_could_not_read(world: World, piggy: Broker) -> None:
    """It is off, as in piggy: the command's hash is not looked at."""
    world.pod("a", annotations=annotations(piggy_enforce_integrity="yes"))
    assert ask(world, piggy, signature="x")[0] == 200


def test_order_and_codes_of_what_is_no_question(world: World, piggy: Broker) -> None:
    """Method, content type, header, body."""
    piggy.start()
    client, token = piggy._client, {"X-Token": world.api_token("a")}
    assert client.get("/secret").status_code == 405
    assert client.post("/secret", data="{}").status_code == 400
    assert client.post("/secret", json={"name": "a"}).status_code == 401
    for body in ("", "x", "[]", "null"):
        found = client.post("/secret", data=body, headers=token, content_type="application/json")
        assert (found.status_code, found.content_type) == (400, "text/plain; charset=utf-8")


def test_whose_token_it_is(world: World, piggy: Broker) -> None:
    """A token of another audience, of another account, or forged is refused with 400, as piggy does."""
    world.pod("b", "shop:web", annotations=annotations())
    question = {"name": "a", "uid": "u1", "signature": SIGNATURE}
    for token in (world.token("a"), world.api_token("b", "shop:web"), "hunter3"):
        assert piggy.legacy(token, **question).status_code == 400
    assert not world.aws.asked["GetSecretValue"]


def test_another_pod_of_the_same_account(world: World, piggy: Broker) -> None:
    """A projected token speaks for its own pod, where piggy lets it speak for all; a replayed uid is of no use."""
    world.pod("b", annotations=annotations({"u2": SIGNATURE}))
    found = piggy.legacy(world.api_token("b"), name="a", uid="u1", signature=SIGNATURE)
    assert (found.status_code, found.get_data(as_text=True)) == (400, "the token is another pod's")
    assert ask(world, piggy, "b", uid="u1") == (400, "invalid signature")


def test_a_deleted_pod(world: World, piggy: Broker) -> None:
    """Its uid is gone with it."""
    token = world.api_token("a")
    assert piggy.legacy(token, name="a", uid="u1", signature=SIGNATURE).status_code == 200
    world.api.delete("shop", "a", "pods")
    assert piggy.legacy(token, name="a", uid="u1", signature=SIGNATURE).status_code == 400


def test_no_grant(world: World, piggy: Broker) -> None:
    """Piggy's words, and ours."""
    piggy.grants = grants("bank:*")
    status, text = ask(world, piggy)
    assert status == 403
    assert text.startswith("decision not allowed: sm://shop/api: no grant lets")


def test_the_secrets_own_list(world: World, piggy: Broker) -> None:
    """403, as piggy answers."""
    world.pod("w", "shop:web", annotations=annotations(aws_secret_name="shop/api"))
    found = piggy.legacy(world.api_token("w", "shop:web"), name="w", uid="u1", signature=SIGNATURE)
    assert found.status_code == 403
    assert found.get_data(as_text=True).startswith("decision not allowed")


def test_a_secret_that_is_no_json_object(world: World, piggy: Broker) -> None:
    """400, with the reason and nothing of the secret."""
    world.secret("shop/text", "hunter2")
    world.pod("a", annotations=annotations(aws_secret_name="shop/text"))
    assert ask(world, piggy) == (400, "the secret is no JSON object")


def test_it_is_off_unless_asked_for(world: World, broker: Broker) -> None:
    """Without the switch there is no such path."""
    assert broker.legacy(world.api_token("a"), name="a").status_code == 404
