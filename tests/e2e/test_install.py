"""From an empty cluster to a pod that is somebody on AWS."""

from demo.cluster.kubectl import apply
from demo.cluster.release import NAMESPACE, Images, Release, webhook_pods
from demo.cluster.workload import ROLE_ARN, application, deployment, pod, service_account
from tests.e2e.conftest import ROLE
from tests.e2e.pods import called, first_pod


def test_a_labelled_deployment_has_its_role(release: Release, place: str, images: Images) -> None:
    """Install, annotate, label: boto3 in the pod is the role, under the seed's session name."""
    apply(service_account(place, "app", {ROLE_ARN: ROLE}))
    apply(deployment(pod(place, "orders", [application(images.application, "--calls=0")]), replicas=1))

    first, second, *_ = called(place, first_pod(place, "app=orders"))

    assert first["token_was_there"]
    assert second["arn"].startswith("arn:aws:sts::123456789012:assumed-role/orders/token-injector-webhook-")


def test_helm_test_passes(release: Release) -> None:
    """`helm test` looks at what is served and what is trusted."""
    assert "OK" in release.test()


def test_two_replicas_run_under_the_restricted_standard(release: Release) -> None:
    """The release's own namespace refuses any other pod, and both replicas are there."""
    pods = webhook_pods()
    assert len(pods) == 2
    assert all(status["ready"] for each in pods for status in each["status"]["containerStatuses"])
    assert {each["metadata"]["namespace"] for each in pods} == {NAMESPACE}
