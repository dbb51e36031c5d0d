"""Native sidecar, pair, init only, cluster mode: the same promises to the application.

All pods run side by side in a namespace that admits restricted pods only; an hour of Google's takes a minute.
"""

import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from demo.cluster import cloud
from demo.cluster.kubectl import apply, kubectl, listed, until
from demo.cluster.release import TOKEN_LIFETIME, Images, Release
from demo.cluster.workload import (
    RESTRICTED,
    ROLE_ARN,
    SLEEP,
    application,
    job,
    namespace,
    pod,
    service_account,
    unlabelled,
)
from tests.e2e.conftest import ROLE
from tests.e2e.pods import PATIENCE, called, deletion_seconds, lines

PREFIX = "admission.token-injector/"
SHAPES = {
    "native": {PREFIX + "refresher": "native"},
    "pair": {PREFIX + "refresher": "sidecar"},
    "init": {PREFIX + "refresher": "none"},
    "cluster": {PREFIX + "mode": "cluster"},
}
CLUSTER_ROLE = "arn:aws:iam::123456789012:role/of-the-cluster"
# Long enough for one token to end and two refreshes to happen.
WATCHED_SECONDS = TOKEN_LIFETIME * 1.25
ENDS_WITHIN = 2.0
# An init container that fails on a busy machine is tried again.
RESTARTS = {"restartPolicy": "OnFailure"}


@pytest.fixture(scope="module")
def place(release: Release, images: Images) -> Iterator[str]:
    """A restricted namespace in which each shape has a running pod, and a Job."""
    name = f"e2e-shapes-{uuid.uuid4().hex[:6]}"
    apply(namespace(name, enforce="restricted"))
    cloud.cluster_role(CLUSTER_ROLE, issuer=cloud.trust_cluster(), namespace=name, account="in-cluster")
    apply(service_account(name, "app", {ROLE_ARN: ROLE}), service_account(name, "in-cluster", {ROLE_ARN: CLUSTER_ROLE}))
    runs = [application(images.application, "--calls=0")]
    once = [application(images.application)]
    for shape, annotations in SHAPES.items():
        account = "in-cluster" if shape == "cluster" else "app"
        apply(pod(name, shape, runs, account=account, annotations=annotations, **RESTARTS))
        if shape != "pair":
            apply(job(pod(name, f"{shape}-job", once, account=account, annotations=annotations, **RESTARTS), retries=4))
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


@pytest.mark.parametrize("shape", SHAPES)
def test_the_first_instruction_comes_after_the_token(shape: str, place: str) -> None:
    """The file is there when the application begins, and its first call is its role's."""
    first, second, *_ = called(place, shape)

    assert first["token_was_there"]
    role = CLUSTER_ROLE if shape == "cluster" else ROLE
    assert second["arn"].startswith(f"arn:aws:sts::123456789012:assumed-role/{role.rpartition('/')[2]}/")


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape != "pair"])
def test_a_job_completes(shape: str, place: str) -> None:
    """Nothing that was injected keeps a Job from its end."""

    def complete() -> bool:
        (found,) = [each for each in listed("jobs", place) if each["metadata"]["name"] == f"{shape}-job"]
        return bool(found["status"].get("succeeded"))

    until(f"the Job of shape {shape}", complete, seconds=PATIENCE)


def test_a_job_with_an_ordinary_sidecar_is_warned_of(place: str, images: Images) -> None:
    """Who asks for the pair in a pod that is to end hears what will happen."""
    asked = pod(place, "warned", [application(images.application)], annotations=SHAPES["pair"])

    assert "keeps this pod from completing" in apply(asked, verb="create", arguments=["--dry-run=server"])


@pytest.mark.parametrize("shape", ["native", "pair"])
def test_a_token_is_replaced_while_the_application_runs(shape: str, place: str) -> None:
    """Across the end of the first token every call goes well, and the file's token is never one that is over."""
    began = next(line["at"] for line in called(place, shape) if "at" in line)
    time.sleep(max(0.0, began + WATCHED_SECONDS - time.time()))

    said = [line for line in lines(place, shape) if "at" in line]
    assert said[-1]["at"] - said[0]["at"] > TOKEN_LIFETIME
    assert [line for line in said if "error" in line] == []
    assert min(line["token_ends_in"] for line in said) > 0
    ends = [line["at"] + line["token_ends_in"] for line in said]
    # Google's times are whole seconds.
    assert ends[-1] - ends[0] > TOKEN_LIFETIME / 3


@pytest.mark.parametrize("shape", SHAPES)
def test_a_pod_ends_within_two_seconds(shape: str, place: str, images: Images) -> None:
    """SIGTERM ends what was injected at once: within two seconds, or, on a slow node, as soon as what has nothing."""
    # Who waited for the grace period would wait for thirty seconds each time.
    account = "in-cluster" if shape == "cluster" else "app"
    runs = application(images.application, "--calls=0")
    told = []
    for number in range(3):
        name = f"ending-{shape}-{number}"
        apply(pod(place, name, [runs], account=account, annotations=SHAPES[shape], **RESTARTS))
        called(place, name)
        took = deletion_seconds(place, name)
        if took <= ENDS_WITHIN:
            return
        bare = f"bare-{shape}-{number}"
        sleeps = {"name": "app", "image": images.application, "command": ["python3", "-c", SLEEP]}
        apply(unlabelled(pod(place, bare, [sleeps | {"securityContext": RESTRICTED}])))
        kubectl("wait", "-n", place, f"pod/{bare}", "--for=condition=Ready", "--timeout=120s", seconds=130)
        without = deletion_seconds(place, bare)
        told.append(f"{took:.1f} s, without anything injected {without:.1f} s")
        if took <= without + 1:
            return
    pytest.fail("; ".join(told))


def test_the_injected_container_is_the_first(place: str) -> None:
    """Every later container, and every proxy, finds the token there."""
    found: dict[str, Any] = {each["metadata"]["name"]: each for each in listed("pods", place)}
    for name in ("native", next(name for name in found if name.startswith("native-job"))):
        assert found[name]["spec"]["initContainers"][0]["name"] == "update-gcp-id-token"
