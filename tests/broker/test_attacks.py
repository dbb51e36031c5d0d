"""Who may not have what: tokens that are stolen, old, forged or another's."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from contract.secrets import BROKER_AUDIENCE
from demo.fakes.api_server.reviews import API_AUDIENCE
from demo.fakes.google import ClusterSigner, new_key
from secretenv import wire
from secretenv.broker.denials import MOST_DENIED
from tests.broker.conftest import Broker
from tests.broker.test_reading_once import Clock
from tests.broker.world import AUDIENCE, REGION, World, role_arn

SECRET = "sm://shop/db#password"


@dataclass
class Own:
    """A pod's role and web identity token, as it forwards them."""

    role_arn: str
    web_identity_token: str

    def fields(self) -> dict[str, str]:
        """Of a question."""
        return {"role_arn": self.role_arn, "web_identity_token": self.web_identity_token}


@pytest.fixture
def own(world: World) -> dict[str, str]:
    """Pod a of shop:api and pod b of shop:web; the identity of shop:api, which reads shop/db."""
    world.secret("shop/db", {"password": "hunter2"})
    world.pod("a")
    world.pod("b", "shop:web")
    return Own(world.role("shop"), world.web_identity()).fields()


Token = Callable[[World], str]

# What is wrong with a token for the broker: status and words of the answer.
BAD_TOKENS: dict[str, tuple[Token, int, str]] = {
    "another audience": (lambda world: world.token("a", audience="vault"), 401, "audiences"),
    "the API server's": (lambda world: world.api_token("a"), 401, "audiences"),
    "expired": (lambda world: world.token("a", lifetime=-1), 401, "expired"),
    "bound to no pod": (lambda world: world.token(None), 403, "not bound to a pod"),
    "of another uid": (lambda world: world.token("a", uid="an-older-pod"), 401, "invalidated"),
    "of no pod": (lambda world: world.token("gone"), 401, "invalidated"),
    "of another cluster": (
        lambda _: ClusterSigner().token("shop", "api", audiences=[BROKER_AUDIENCE]),
        401,
        "",
    ),
    "no JWT": (lambda _: "hunter3", 401, "does not accept"),
    "empty": (lambda _: "", 401, "no bearer token"),
    "two words": (lambda world: f"{world.token('a')} x", 401, "no bearer token"),
    "overlong": (lambda _: "x" * 20_001, 401, "no bearer token"),
    "unsigned": (lambda world: world.token("a").rpartition(".")[0] + ".", 401, "does not accept"),
    "changed": (lambda world: _with_claims(world.token("a"), world.token("b", "shop:web")), 401, "does not accept"),
}


def _with_claims(token: str, other: str) -> str:
    """The claims of another token under this one's signature."""
    header, _, signature = token.split(".")
    return ".".join((header, other.split(".")[1], signature))


@pytest.mark.parametrize("name", BAD_TOKENS)
def test_a_token_that_is_not_this_pods_for_us_gets_nothing(
    world: World, broker: Broker, own: dict[str, str], name: str
) -> None:
    """The reason is said, no value is; AWS is not asked."""
    token, status, words = BAD_TOKENS[name]
    asked = broker.refusal(token(world), SECRET, **own)
    assert asked[0] == status, asked
    assert words in asked[1]
    assert "hunter" not in asked[1]
    assert not world.aws.asked["STS"]


def test_without_a_token(world: World, broker: Broker) -> None:
    """No header, another scheme: the same answer."""
    broker.start()
    for headers in ({}, {"Authorization": f"Basic {world.token('a')}"}, {"X-Token": world.token("a")}):
        found = broker._client.post("/v1/secrets", data=b"{}", headers=headers, content_type="application/json")
        assert (found.status_code, found.get_json()["message"]) == (
            401,
            "expected the header Authorization: Bearer TOKEN",
        )
    assert not world.api.requests


def test_a_deleted_pods_token_gets_nothing_at_once(world: World, broker: Broker, own: dict[str, str]) -> None:
    """The API server takes such a token for ten more seconds, and what was read for the pod is still in memory."""
    token = world.token("a")
    assert broker.ask(token, SECRET, **own).values == {SECRET: "hunter2"}
    world.api.delete("shop", "a", "pods")

    status, message = broker.refusal(token, SECRET, **own)

    assert (status, message) == (403, "there is no pod shop/a")


def test_a_recreated_pod_is_another_one(world: World, broker: Broker, own: dict[str, str]) -> None:
    """A StatefulSet's next pod has the same name; the old one's token is not its own."""
    token = world.token("a")
    broker.ask(token, SECRET, **own)
    world.of_pod("a")["metadata"]["uid"] = "the-next-one"

    assert broker.refusal(token, SECRET, **own) == (403, "pod shop/a is not the one that the token was made for")


@pytest.mark.parametrize("how", ["Succeeded", "Failed", "deleted"])
def test_a_pod_that_is_over_gets_nothing(world: World, broker: Broker, own: dict[str, str], how: str) -> None:
    """It will start no container any more: who still has its token is somebody else."""
    token = world.token("a")
    if how == "deleted":
        world.of_pod("a")["metadata"]["deletionTimestamp"] = "2026-06-01T12:00:00Z"
    else:
        world.of_pod("a")["status"]["phase"] = how

    assert broker.refusal(token, SECRET, **own) == (403, "pod shop/a is ending or has ended")


def test_a_pod_under_another_account(world: World, broker: Broker, own: dict[str, str]) -> None:
    """A token's account must be the live pod's."""
    world.of_pod("a")["spec"]["serviceAccountName"] = "root"
    assert broker.refusal(world.token("a"), SECRET, **own)[0] == 403


def test_a_name_in_the_body_changes_nothing(world: World, broker: Broker) -> None:
    """Who the pod is, its token says; what the body claims is not read."""
    world.pod("b", "shop:web")
    broker.start()
    body = {"references": [SECRET], "name": "a", "namespace": "shop", "uid": "x", "service_account": "api"}
    found = broker._client.post(
        "/v1/secrets", json=body, headers={"Authorization": f"Bearer {world.token('b', 'shop:web')}"}
    )
    assert found.status_code == 403
    assert broker.counted.events[-1]["pod"] == "b"


def test_a_stolen_token_without_the_pods_identity_gets_nothing(
    world: World, broker: Broker, own: dict[str, str]
) -> None:
    """Neither none, nor a forged one, nor an expired one, though the pod's secrets are in memory."""
    token = world.token("a")
    broker.ask(token, SECRET, **own)
    assert broker.refusal(token, SECRET)[0] == 403
    role = own["role_arn"]
    signer = world.aws.signer
    forged = {
        "another key": signer.sign(signer.claims(AUDIENCE), key=new_key()),
        "expired": world.web_identity(exp=1_700_000_000),
        "unsigned": world.web_identity().rpartition(".")[0] + ".",
    }
    for name, web_identity in forged.items():
        answer = broker.ask(token, SECRET, role_arn=role, web_identity_token=web_identity)
        assert not answer.values, name
        assert answer.refusals[SECRET].reason in {"access_denied", "invalid"}, name


def test_another_pods_identity_gets_what_it_would_get_from_sts(
    world: World, broker: Broker, own: dict[str, str]
) -> None:
    """No more: b's token with a's web identity is exchanged for itself, and what a has read is not given to b."""
    broker.ask(world.token("a"), SECRET, **own)
    exchanged = world.aws.asked["STS"]

    answer = broker.ask(world.token("b", "shop:web"), SECRET, **own)

    assert answer.values == {SECRET: "hunter2"}  # as a's web identity token alone would have at AWS
    assert world.aws.asked["STS"] == exchanged + 1


def test_one_accounts_values_are_not_anothers(world: World, broker: Broker, own: dict[str, str]) -> None:
    """B's own identity may not assume a's role: nothing of what a has read comes out."""
    broker.ask(world.token("a"), SECRET, **own)
    other = {"role_arn": own["role_arn"], "web_identity_token": world.web_identity("99887766554433221100")}

    answer = broker.ask(world.token("b", "shop:web"), SECRET, **other)

    assert not answer.values
    assert answer.refusals[SECRET].reason == "access_denied"


def test_the_same_account_with_another_identity(world: World, broker: Broker, own: dict[str, str]) -> None:
    """Another Google service account under the same Kubernetes one shares nothing with the first."""
    broker.ask(world.token("a"), SECRET, **own)
    other = {"role_arn": own["role_arn"], "web_identity_token": world.web_identity("99887766554433221100")}
    assert not broker.ask(world.token("a"), SECRET, **other).values


@pytest.mark.parametrize(
    "question",
    [
        {"role_arn": "arn:aws:iam::123456789012:role/x"},
        {"web_identity_token": "x"},
        {"role_arn": "a" * 2049, "web_identity_token": "x"},
        {"role_arn": "arn:aws:iam::123456789012:role/x", "web_identity_token": "x" * 20_001},
        {"role_arn": "arn:aws:iam::123456789012:role/x", "web_identity_token": "x", "session_name": "x" * 65},
        {"role_arn": "arn:aws:iam::123456789012:role/x", "web_identity_token": "x", "session_name": "a b"},
    ],
)
def test_half_an_identity_is_refused(world: World, broker: Broker, question: dict[str, str]) -> None:
    """Before AWS is asked."""
    world.pod("a")
    status, message = broker.refusal(world.token("a"), SECRET, **question)
    assert status == 400
    assert "expected" in message or "give both" in message
    assert not world.aws.asked["STS"]


@pytest.mark.parametrize(
    "reference",
    ["", "x", "sm://", "sm://a|trim", "text ${sm://a}", "piggy:a", "ssm-path://", "sm://a?stage=%ZZ"],
)
def test_what_is_no_reference_is_refused_alone(
    world: World, broker: Broker, own: dict[str, str], reference: str
) -> None:
    """The others are answered."""
    answer = broker.ask(world.token("a"), SECRET, reference, **own)
    assert answer.values == {SECRET: "hunter2"}
    assert answer.refusals[reference].reason == "invalid"


_ARNS = ("sm://arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop/db-AbCdEf#password",)


@pytest.mark.parametrize("region", ["169.254.169.254", "eu-west-1.evil.example#", "../..", "eu-nowhere-7", "x" * 300])
def test_a_region_that_is_none_reaches_nobody(world: World, broker: Broker, own: dict[str, str], region: str) -> None:
    """It becomes part of a host's name: only AWS's own are taken, from the pod and from an ARN."""
    question = wire.Question(
        references=(SECRET, *_ARNS),
        region=region,
        role_arn=own["role_arn"],
        web_identity_token=own["web_identity_token"],
    )
    response = broker.post(world.token("a"), question)
    answer = wire.decode_answer(response.data)
    assert set(answer.refusals) == {SECRET, *_ARNS}
    for refusal in answer.refusals.values():
        assert refusal.reason == "invalid"
        assert "asks no region" in refusal.message
    assert not world.aws.asked["STS"]


def test_an_arn_with_a_region_that_is_none(world: World, broker: Broker, own: dict[str, str]) -> None:
    """Each would be a client of its own in memory: a pod may ask for a thousand at once."""
    asked = [f"sm://arn:aws:secretsmanager:eu-nowhere-{number}:123456789012:secret:x-AbCdEf" for number in range(9)]
    answer = broker.ask(world.token("a"), SECRET, *asked, **own)
    assert set(answer.values) == {SECRET}
    assert {refusal.reason for refusal in answer.refusals.values()} == {"invalid"}


def test_a_pod_that_invents_tokens_does_not_reach_sts_with_each(
    world: World, broker: Broker, own: dict[str, str]
) -> None:
    """After eight that STS has denied, no new one of its service account is shown, from whichever of its pods.

    An identity that STS has accepted goes on, with a new token too, and so do the other accounts.
    """
    clock = broker.clock = Clock()
    world.pod("c")
    world.role("web", "99887766554433221100")
    broker.ask(world.token("a"), SECRET, **own)
    for number in range(MOST_DENIED):
        invented = own | {"web_identity_token": f"{world.web_identity(jti=str(number))}x"}
        assert not broker.ask(world.token("ac"[number % 2]), SECRET, **invented).values
    exchanged = world.aws.asked["STS"]

    for pod, invented in (
        ("a", own | {"web_identity_token": "hunter3"}),
        ("c", own | {"web_identity_token": "hunter4"}),
        ("a", own | {"role_arn": role_arn("invented")}),
    ):
        role, web_identity = invented["role_arn"], invented["web_identity_token"]
        question = wire.Question(references=(SECRET,), region=REGION, role_arn=role, web_identity_token=web_identity)
        response = broker.post(world.token(pod), question)
        assert (response.status_code, response.headers["Retry-After"]) == (429, "60")
        message = wire.decode_message(response.data)
        assert message.startswith("service account shop:api: within 60 s AWS has denied 8 different identities")
        assert "hunter" not in message
    assert world.aws.asked["STS"] == exchanged
    assert broker.counted.requests["v1", "denied_often"] == 3

    clock.now += 30  # what was read is in memory for longer
    renewed = own | {"web_identity_token": world.web_identity(jti="renewed")}
    assert broker.ask(world.token("c"), SECRET, **renewed).values == {SECRET: "hunter2"}
    other = {"role_arn": role_arn("web"), "web_identity_token": world.web_identity("99887766554433221100")}
    assert broker.ask(world.token("b", "shop:web"), SECRET, **other).values == {SECRET: "hunter2"}
    assert world.aws.asked["STS"] == exchanged + 1


def test_a_pod_that_names_every_region(world: World, broker: Broker, own: dict[str, str]) -> None:
    """Nobody asks AWS for it, and it is told how many it may name; those regions count that are asked at all."""
    names = ("eu-west-1", "eu-west-2", "eu-west-3", "eu-north-1", "us-east-1")
    asked = [f"sm://arn:aws:secretsmanager:{region}:123456789012:secret:x-AbCdEf" for region in names]
    status, message = broker.refusal(world.token("a"), *asked, **own)
    assert status == 400
    assert message.startswith("pod shop/a asks of 5 regions in one request; expected at most 4: ")
    assert broker.refusal(world.token("a"), *asked, versions_only=True, **own)[0] == 400
    assert broker.refusal(world.token("a"), SECRET, *asked[1:], **own)[0] == 400  # SECRET is in the pod's own
    assert not world.aws.asked["STS"]
    assert broker.ask(world.token("a"), SECRET, *asked[:4], **own).values == {SECRET: "hunter2"}


def test_the_api_servers_token_is_for_nobody_else(world: World) -> None:
    """The tests above tell audiences apart."""
    assert API_AUDIENCE not in world.token("a")
