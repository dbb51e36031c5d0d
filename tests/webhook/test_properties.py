"""What holds for every pod: nothing of the author's is lost, twice is once, and the patch says exactly what happens."""

import copy
import functools
import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any

import jsonpatch
import kubernetes_validate
import pytest
from hypothesis import assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from contract import annotations as keys
from contract import secrets
from contract.pod import VOLUME_NAME
from secretenv.plan import from_json
from secretenv.references import parse
from tests.webhook import strategies
from tests.webhook.cases import admission_review
from tests.webhook.strategies import NAMESPACE, Pod
from webhook import mutate as mutating
from webhook import review as reviewing
from webhook.decision import Deny, EphemeralInjection, Injection, Skip
from webhook.env import INJECTED_VARIABLES
from webhook.mutate import Mutation, mutate_ephemeral
from webhook.pod import CONTAINER_LISTS, INJECTED_CONTAINERS, application_containers
from webhook.secrets.restore import LAUNCHER, is_our_volume
from webhook.settings import Settings

pytestmark = pytest.mark.slow

KUBERNETES = "1.36"
many = hypothesis_settings(max_examples=300)
some = hypothesis_settings(many, max_examples=100)

mutate = functools.partial(mutating.mutate, look_ups=strategies.LOOK_UPS)
review = functools.partial(reviewing.review, look_ups=strategies.LOOK_UPS)
Answer = reviewing.Answer
all_pods = strategies.pods() | strategies.secret_pods() | strategies.copied_pods()


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
    """Every field survives: env and mounts of a container grow, lists of the spec grow, a command moves behind ours."""
    mutated = applied(pod, mutate(pod, NAMESPACE, account, settings, seed="one"))

    grown = {"env", "volumeMounts", "command", "args"}
    for (which, before), (which_after, after) in zip(author_containers(pod), author_containers(mutated), strict=True):
        assert which == which_after
        assert without(before, grown) == without(after, grown)
        assert kept_mounts(before) == kept_mounts(after)
        assert is_kept(kept_entries(before), after.get("env") or [])
        assert_is_still_run(before, after)
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
    """The mounts of volumes that do not carry a name of ours."""
    return [mount for mount in container.get("volumeMounts") or () if not is_ours(mount["name"])]


def is_ours(volume: str) -> bool:
    """Whether it is a name that no author may use."""
    return volume == VOLUME_NAME or is_our_volume(volume)


def is_kept(part: list[Any], whole: list[Any]) -> bool:
    """Whether all entries stand in the whole, in their order; a reference may have moved into a file, or back."""
    rest = iter(whole)
    return all(any(entry == other or is_moved(entry, other) for other in rest) for entry in part)


def is_moved(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether one of the two entries of one name is a file of ours."""
    references = [(entry.get("valueFrom") or {}).get("fileKeyRef") or {} for entry in (before, after)]
    rest = [without(entry, {"value", "valueFrom"}) for entry in (before, after)]
    return rest[0] == rest[1] and any(is_our_volume(reference.get("volumeName")) for reference in references)


def assert_is_still_run(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """What the author's container runs, it still runs: as it was, or behind the launcher."""
    argv = [(behind_launcher(each.get("command") or []), each.get("args") or []) for each in (before, after)]
    of_images: tuple[list[str], ...] = ([], ["/entry", "$$HOME"], ["/app", "$$(A)"])
    if argv[0][0] in of_images:
        assert argv[1][0] in of_images
        assert argv[1][1] in (argv[0][1], ["serve"], [] if argv[0][1] == ["serve"] else ["serve"])
        return
    assert argv[0] == argv[1]


def behind_launcher(command: list[str]) -> list[str]:
    """The command without the launcher and its flags."""
    return command[command.index("--") + 1 :] if command[:1] == [LAUNCHER] else command


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
    """The volumes that do not carry a name of ours."""
    return [volume for volume in pod["spec"].get("volumes") or () if not is_ours(volume["name"])]


@some
@given(pod=all_pods, account=strategies.annotations(), settings=strategies.settings())
def test_an_injected_pod_is_whole(pod: Pod, account: dict[str, str], settings: Settings) -> None:
    """Names and mounts are unique, every mount has its volume, and who shall have an identity has it."""
    mutation = mutate(pod, NAMESPACE, account, settings, seed="one")
    decision = mutation.decision
    assume(isinstance(decision, Injection))
    assert isinstance(decision, Injection)
    mutated = applied(pod, mutation)

    containers = [container for which in CONTAINER_LISTS for container in mutated["spec"].get(which) or ()]
    names = [container["name"] for container in containers]
    assert len(names) == len(set(names))
    ours = [volume["name"] for volume in mutated["spec"].get("volumes") or () if is_ours(volume["name"])]
    assert len(ours) == len(set(ours))
    for container in containers:
        mounts = [mount for mount in container.get("volumeMounts") or () if is_our_volume(mount["name"])]
        assert {mount["name"] for mount in mounts} <= set(ours)
        paths = [mount["mountPath"] for mount in container.get("volumeMounts") or ()]
        assert all(paths.count(mount["mountPath"]) == 1 for mount in mounts)
    for which, container in author_containers(mutated):
        if container["name"] not in decision.skip_containers and decision.for_application:
            assert decision.web_identity is not None
            paths = [mount["mountPath"] for mount in container["volumeMounts"]]
            assert paths.count(decision.web_identity.volume_path) == 1
            assert_has_identity(which, container)


@some
@given(pod=strategies.secret_pods(), settings=strategies.settings())
def test_what_is_planned_can_be_read(pod: Pod, settings: Settings) -> None:
    """The plan in the pod is the decision's, each of its texts is a reference, and no container misses its volume."""
    mutation = mutate(pod, NAMESPACE, {keys.ROLE_ARN: strategies.ROLES[0]}, settings, seed="one")
    decision = mutation.decision
    assume(isinstance(decision, Injection) and decision.secrets is not None)
    assert isinstance(decision, Injection)
    assert decision.secrets is not None
    spec = applied(pod, mutation)["spec"]

    [first, *others] = spec["initContainers"]
    env = {entry["name"]: entry.get("value") for entry in first["env"]}
    plan = from_json(env[secrets.PLAN].replace("$$", "$"))
    assert plan == decision.secrets.plan
    assert not any(secrets.PLAN in str(container.get("env")) for container in [*others, *spec["containers"]])
    mounts = {mount["mountPath"] for mount in first["volumeMounts"]}
    for one in plan.containers:
        assert one.directory in mounts
        assert one.variables or one.copied or one.own_environment
        for variable in one.variables:
            template = parse(variable.text, plan.syntax)
            assert template is not None
            # Of an escape there is nothing to read.
            assert template.references or one.own_environment or one.copied
    for file in plan.files:
        assert parse(file.text, plan.syntax) is not None
    listening = (env.get(secrets.SOCKETS) or "").split(":")
    served = [f"{one.directory}/{secrets.SOCKET_FILE}" for one in plan.containers if one.delivery == "socket"]
    assert [path for path in listening if path] == served


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
    """Each has what a container of the pod has, one read-only mount at the token's folder, and a valid schema."""
    pod, old = pods
    mutation = mutate_ephemeral(pod, old, NAMESPACE, settings)
    if not isinstance(mutation.decision, EphemeralInjection):
        return
    mutated = applied(pod, mutation)

    kubernetes_validate.validate(mutated, KUBERNETES, strict=True)
    for one in mutation.decision.containers:
        container = mutated["spec"]["ephemeralContainers"][one.index]
        mounts = [mount for mount in container["volumeMounts"] if mount["name"] == VOLUME_NAME]
        assert mounts == [{"name": VOLUME_NAME, "mountPath": one.volume_path, "readOnly": True}]
        assert [mount["mountPath"] for mount in container["volumeMounts"]].count(one.volume_path) == 1
        variables = {entry["name"] for entry in container["env"]}
        theirs = [
            {entry["name"] for entry in each.get("env") or ()} & {*INJECTED_VARIABLES}
            for _, _, each in application_containers(old)
        ]
        # An author may have written a part of them himself.
        assert "AWS_WEB_IDENTITY_TOKEN_FILE" in variables
        assert any(each <= variables for each in theirs if "AWS_WEB_IDENTITY_TOKEN_FILE" in each)


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
