"""What a pod gets follows the oldest kubelet: as the nodes say, or as the operator says."""

import pytest

from demo.cluster.kubectl import apply, create_refused, get, listed
from demo.cluster.release import Images, Release
from demo.cluster.replicas import readiness
from demo.cluster.workload import ROLE_ARN, application, pod, service_account
from tests.e2e.conftest import ROLE, Installed
from tests.e2e.pods import called, ended, lines


def floors() -> list[str]:
    """What each replica says."""
    return [each["details"]["kubelet version floor"].partition(",")[0] for each in readiness()]


def test_auto_is_the_lowest_kubelet(release: Release) -> None:
    """/readyz tells which floor holds and where it comes from."""
    versions = [node["status"]["nodeInfo"]["kubeletVersion"] for node in listed("nodes")]
    lowest = min(tuple(int(part) for part in version.lstrip("v").split(".")[:2]) for version in versions)
    assert floors() == [".".join(map(str, lowest))] * 2


@pytest.mark.parametrize(
    ("floor", "init", "ordinary"),
    [
        ("1.33", ["update-gcp-id-token"], ["app"]),
        ("1.28", ["generate-gcp-id-token"], ["app", "update-gcp-id-token"]),
    ],
)
def test_a_fixed_floor_decides_the_shape(
    installed: Installed, place: str, images: Images, floor: str, init: list[str], ordinary: list[str]
) -> None:
    """1.33 knows native sidecars, 1.28 does not; the pod works with either."""
    apply(service_account(place, "app", {ROLE_ARN: ROLE}))
    installed.as_wanted(Release(images=images, settings={"kubelet-version-floor": floor}))
    assert floors() == [floor] * 2
    # An init container's minute lasts a second here: it may need another try.
    apply(pod(place, "shaped", [application(images.application, "--calls=0")], restartPolicy="OnFailure"))
    assert called(place, "shaped")[0]["token_was_there"]
    spec = get("pod", "shaped", place)["spec"]
    assert [each["name"] for each in spec["initContainers"]] == init
    assert [each["name"] for each in spec["containers"]] == ordinary


def test_a_role_outside_of_the_policy_is_denied(installed: Installed, place: str, images: Images) -> None:
    """The policy's rule is named; the namespace's own role is admitted."""
    policy = {"rules": [{"name": "tests", "namespaces": ["e2e-*"], "roles": [ROLE]}]}
    apply(service_account(place, "app", {ROLE_ARN: ROLE}))
    installed.as_wanted(Release(images=images, values={"rolePolicy": policy}))
    apply(pod(place, "within", [application(images.application)]))
    other = {ROLE_ARN: ROLE.replace("orders", "admin")}
    outside = pod(place, "outside", [application(images.application)], annotations=other)
    said = create_refused(outside)
    assert ended(place, "within")
    assert "assumed-role/orders/" in lines(place, "within")[1]["arn"]
    assert (
        f"the role policy does not allow the role {other[ROLE_ARN]} in namespace {place}: rule 'tests' allows" in said
    )
