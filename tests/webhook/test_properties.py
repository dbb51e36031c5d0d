"""What holds for every pod: nothing of the author's is lost, twice is once, and the patch says exactly what happens."""

import copy
import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any

import jsonpatch
import kubernetes_validate
import pytest
from hypothesis import HealthCheck, assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from contract.pod import VOLUME_NAME
from tests.webhook import strategies
from tests.webhook.cases import admission_review
from tests.webhook.strategies import NAMESPACE, Pod
from webhook.decision import Deny, EphemeralInjection, Injection, Skip
from webhook.env import INJECTED_VARIABLES
from webhook.mutate import Mutation, mutate, mutate_ephemeral
from webhook.pod import CONTAINER_LISTS, INJECTED_CONTAINERS
from webhook.review import Answer, review
from webhook.settings import Settings

pytestmark = pytest.mark.slow

KUBERNETES = "1.36"
many = hypothesis_settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
some = hypothesis_settings(many, max_examples=100)

all_pods = strategies.pods() | strategies.copied_pods()


class Accounts:
    """Every service account has these annotations."""

    def __init__(self, annotations: dict[str, str]) -> None:
        self._annotations = annotations

    def annotations(self, namespace: str, name: str) -> dict[str, str]:
        """Whatever the name."""
        assert isinstance(namespace, str)
        assert isinstance(name, str)
        return self._annotations


def applied(pod: Pod, mutation: Mutation) -> Pod:
    """The pod as the API server makes it of the patch, by a library that is not ours."""
    return dict(jsonpatch.apply_patch(copy.deepcopy(pod), json.loads(json.dumps(mutation.patch))))


def author_containers(pod: Pod) -> Iterator[tuple[str, dict[str, Any]]]:
    """The containers that no webhook of this kind injected, with their list."""
    for which in CONTAINER_LISTS:
        for container in pod["spec"].get(which) or ():
            if container["name"] not in INJECTED_CONTAINERS:
                yield which, container


@many
@given(pod=all_pods, account=strategies.annotations(), settings=strategies.settings())
def test_twice_is_once(pod: Pod, account: dict[str, str], settings: Settings) -> None:
    """A mutated pod under review again, under whatever uid, gets no operation and the same decision."""
    once = mutate(pod, NAMESPACE, account, settings, seed="one")
    mutated = applied(pod, once)

    twice = mutate(mutated, NAMESPACE, account, settings, seed="two")

    assert twice.patch == []
    assert type(twice.decision) is type(once.decision)


@some
@given(pod=all_pods, account=strategies.annotations(), settings=strategies.settings())
def test_input_is_untouched(pod: Pod, account: dict[str, str], settings: Settings) -> None:
    """Neither the pod nor the account's annotations are changed in place."""
    before = copy.deepcopy((pod, account))

    mutate(pod, NAMESPACE, account, settings, seed="one")

    assert (pod, account) == before


@some
@given(pod=all_pods, account=strategies.annotations(), settings=strategies.settings())
def test_only_an_injection_has_a_patch(pod: Pod, account: dict[str, str], settings: Settings) -> None:
    """Skipped and denied pods stay as they are; a denial says more than its reason's name."""
    mutation = mutate(pod, NAMESPACE, account, settings, seed="one")

    match mutation.decision:
        case Injection():
            return
        case Skip():
            assert mutation.patch == []
        case Deny(message=message):
            assert mutation.patch == []
            assert len(message.split()) > 5


@many
@given(
    pod=all_pods | strategies.pods(future_fields=True),
    account=strategies.annotations(),
    settings=strategies.settings(),
)
def test_nothing_of_the_authors_is_lost(pod: Pod, account: dict[str, str], settings: Settings) -> None:
    """Every field survives but four names: env and mounts of a container grow, lists of the spec grow."""
    mutated = applied(pod, mutate(pod, NAMESPACE, account, settings, seed="one"))

    grown = {"env", "volumeMounts"}
    for (which, before), (which_after, after) in zip(author_containers(pod), author_containers(mutated), strict=True):
        assert which == which_after
        assert without(before, grown) == without(after, grown)
        assert kept_mounts(before) == kept_mounts(after)
        assert is_subsequence(kept_entries(before), after.get("env") or [])
    lists = {*CONTAINER_LISTS, "volumes", "imagePullSecrets"}
    assert without(pod["spec"], lists) == without(mutated["spec"], lists)
    assert other_volumes(pod) == other_volumes(mutated)
    secrets = pod["spec"].get("imagePullSecrets") or []
    assert (mutated["spec"].get("imagePullSecrets") or [])[: len(secrets)] == secrets
    assert without(pod, {"spec"}) == without(mutated, {"spec"})


def without(node: Mapping[str, Any], fields: set[str]) -> dict[str, Any]:
    """All other fields."""
    return {key: value for key, value in node.items() if key not in fields}


def kept_mounts(container: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The mounts of volumes that do not carry our name."""
    return [mount for mount in container.get("volumeMounts") or () if mount["name"] != VOLUME_NAME]


def kept_entries(container: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The entries that no review may touch.

    A container that mounts our volume was mutated before, so entries with our names may be an earlier review's. In any
    other only a token file in our folder is not its author's to choose.
    """
    mounted = any(mount["name"] == VOLUME_NAME for mount in container.get("volumeMounts") or ())
    return [
        entry
        for entry in container.get("env") or ()
        if entry["name"] not in INJECTED_VARIABLES or not (mounted or entry.get("value") in strategies.TOKEN_FILES)
    ]


def is_subsequence(part: list[Any], whole: list[Any]) -> bool:
    """Whether all elements stand in the whole, in their order."""
    rest = iter(whole)
    return all(element in rest for element in part)


def other_volumes(pod: Pod) -> list[dict[str, Any]]:
    """The volumes that do not carry our name."""
    return [volume for volume in pod["spec"].get("volumes") or () if volume["name"] != VOLUME_NAME]


@some
@given(pod=all_pods, account=strategies.annotations(), settings=strategies.settings())
def test_an_injected_pod_is_whole(pod: Pod, account: dict[str, str], settings: Settings) -> None:
    """Container names are unique, one volume carries our name, and every container has what an SDK needs."""
    mutation = mutate(pod, NAMESPACE, account, settings, seed="one")
    assume(isinstance(mutation.decision, Injection))
    assert isinstance(mutation.decision, Injection)
    mutated = applied(pod, mutation)

    containers = [container for which in CONTAINER_LISTS for container in mutated["spec"].get(which) or ()]
    names = [container["name"] for container in containers]
    assert len(names) == len(set(names))
    assert [volume["name"] for volume in mutated["spec"]["volumes"]].count(VOLUME_NAME) == 1
    assert mutation.decision.web_identity is not None
    for container in containers:
        if container["name"] in mutation.decision.skip_containers:
            continue
        paths = [mount["mountPath"] for mount in container["volumeMounts"]]
        assert paths.count(mutation.decision.web_identity.volume_path) == 1
    for which, container in author_containers(mutated):
        if container["name"] not in mutation.decision.skip_containers:
            assert_has_identity(which, container)


def assert_has_identity(which: str, container: Mapping[str, Any]) -> None:
    """Every variable that an SDK needs is there."""
    variables = {entry["name"] for entry in container["env"]}
    assert {"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME"} <= variables, which
    assert len(variables & {"AWS_REGION", "AWS_DEFAULT_REGION"}) in {0, 2}


@some
@given(pod=all_pods, account=strategies.annotations(), settings=strategies.settings())
def test_result_is_valid_against_the_schema(pod: Pod, account: dict[str, str], settings: Settings) -> None:
    """A pod that Kubernetes' schema takes is one that it takes after the mutation, in strict mode."""
    kubernetes_validate.validate(pod, KUBERNETES, strict=True)
    mutated = applied(pod, mutate(pod, NAMESPACE, account, settings, seed="one"))

    kubernetes_validate.validate(mutated, KUBERNETES, strict=True)


@some
@given(pod=all_pods, account=strategies.annotations(), settings=strategies.settings())
def test_dry_run_is_the_same(pod: Pod, account: dict[str, str], settings: Settings) -> None:
    """`kubectl --dry-run=server` shows what will happen, not half of it."""
    body = admission_review(pod)
    dry = copy.deepcopy(body)
    dry["request"]["dryRun"] = True

    answer, dry_answer = (review(each, accounts=Accounts(account), settings=settings) for each in (body, dry))

    assert answer.body == dry_answer.body


@many
@given(pods=strategies.debugged_pods(), settings=strategies.settings())
def test_only_new_ephemeral_containers_are_touched(pods: tuple[Pod, Pod], settings: Settings) -> None:
    """Nothing of the old pod changes; of a new container grow env and mounts only, and nothing of the author's goes."""
    pod, old = pods
    before = copy.deepcopy(pods)
    mutation = mutate_ephemeral(pod, old, NAMESPACE, settings)
    mutated = applied(pod, mutation)

    assert pods == before
    known = len(old["spec"].get("ephemeralContainers") or ())
    assert mutated["spec"]["ephemeralContainers"][:known] == pod["spec"]["ephemeralContainers"][:known]
    assert without(mutated["spec"], {"ephemeralContainers"}) == without(pod["spec"], {"ephemeralContainers"})
    assert without(mutated, {"spec"}) == without(pod, {"spec"})
    for container, after in zip(
        pod["spec"]["ephemeralContainers"], mutated["spec"]["ephemeralContainers"], strict=True
    ):
        grown = {"env", "volumeMounts"}
        assert without(container, grown) == without(after, grown)
        assert kept_mounts(container) == kept_mounts(after)
        mounted = any(mount["name"] == VOLUME_NAME for mount in container.get("volumeMounts") or ())
        if not mounted and not any(
            entry["name"] == "AWS_WEB_IDENTITY_TOKEN_FILE" for entry in container.get("env") or ()
        ):
            assert is_subsequence(container.get("env") or [], after.get("env") or [])


@many
@given(pods=strategies.debugged_pods(), settings=strategies.settings())
def test_ephemeral_containers_twice_is_once(pods: tuple[Pod, Pod], settings: Settings) -> None:
    """A reinvocation gets no operation and the same decision."""
    pod, old = pods
    once = mutate_ephemeral(pod, old, NAMESPACE, settings)

    twice = mutate_ephemeral(applied(pod, once), old, NAMESPACE, settings)

    assert twice.patch == []
    assert type(twice.decision) is type(once.decision)


@some
@given(pods=strategies.debugged_pods(), settings=strategies.settings())
def test_injected_ephemeral_containers_are_whole(pods: tuple[Pod, Pod], settings: Settings) -> None:
    """Each has the token file of a container of the pod, one read-only mount at its folder, and a valid schema."""
    pod, old = pods
    mutation = mutate_ephemeral(pod, old, NAMESPACE, settings)
    assume(isinstance(mutation.decision, EphemeralInjection))
    assert isinstance(mutation.decision, EphemeralInjection)
    mutated = applied(pod, mutation)

    kubernetes_validate.validate(mutated, KUBERNETES, strict=True)
    for one in mutation.decision.containers:
        container = mutated["spec"]["ephemeralContainers"][one.index]
        mounts = [mount for mount in container["volumeMounts"] if mount["name"] == VOLUME_NAME]
        assert mounts == [{"name": VOLUME_NAME, "mountPath": one.volume_path, "readOnly": True}]
        assert [mount["mountPath"] for mount in container["volumeMounts"]].count(one.volume_path) == 1
        variables = {entry["name"] for entry in container["env"]}
        assert {"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME"} <= variables


@st.composite
def damaged_reviews(draw: st.DrawFn) -> Any:
    """A review in which some values are replaced by any other."""
    pod = strategies.pod_with_every_field()
    debugged = copy.deepcopy(pod)
    debugged["spec"]["ephemeralContainers"] = [{**debugged["spec"]["containers"][0], "targetContainerName": "app"}]
    body: Any = draw(
        st.sampled_from((admission_review(pod), admission_review(debugged, old=strategies.pod_with_every_field())))
    )
    for path in draw(st.lists(st.sampled_from([path for path in paths_of(body) if path]), min_size=1, max_size=2)):
        parent = body
        for step in path[:-1]:
            parent = parent[step] if can_step(parent, step) else None
        if can_step(parent, path[-1]):
            parent[path[-1]] = draw(strategies.json_values())
    return body


def can_step(parent: Any, step: Any) -> bool:
    """Whether an earlier replacement left this place."""
    return (isinstance(parent, dict) and step in parent) or (isinstance(parent, list) and step in range(len(parent)))


def paths_of(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where a value stands in a document."""
    yield path
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield from paths_of(child, (*path, key))


@many
@given(
    body=damaged_reviews() | strategies.json_values(), account=strategies.annotations(), settings=strategies.settings()
)
def test_review_takes_any_json(body: Any, account: dict[str, str], settings: Settings) -> None:
    """Whatever comes, an AdmissionReview goes back that can be written as JSON, and the words for the log are words."""
    before = copy.deepcopy(body)

    answer: Answer = review(body, accounts=Accounts(account), settings=settings)

    response = json.loads(json.dumps(answer.body))["response"]
    assert isinstance(response["allowed"], bool)
    assert isinstance(response["uid"], str)
    if not response["allowed"]:
        assert response["status"]["message"]
    assert all(isinstance(word, str) for word in itertools.chain(answer.fields.values(), [answer.reason]))
    assert body == before
