"""What each of our service accounts may do, in the API server's own words."""

import pytest

from demo.cluster.release import NAME, NAMESPACE
from demo.cluster.replicas import SECRET
from tests.e2e.can_i import check_golden, may

pytestmark = pytest.mark.usefixtures("release")
ACCOUNTS = [f"{NAME}-webhook", f"{NAME}-certs"]


@pytest.mark.parametrize("account", ACCOUNTS)
def test_a_service_account_may_do_what_the_golden_file_says(account: str) -> None:
    """The webhook and the cert job; the broker is among the tests of secrets."""
    check_golden(account)


@pytest.mark.parametrize("verb", ["get", "list", "watch", "create", "patch", "delete"])
def test_the_webhook_may_do_nothing_with_secrets(verb: str) -> None:
    """Its own certificate is mounted, and no other Secret is its business, anywhere."""
    assert not may("webhook", verb, "secrets", "--all-namespaces")
    assert not may("webhook", verb, f"secret/{SECRET}", "-n", NAMESPACE)


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        (("get", f"secret/{SECRET}"), True),
        (("get", "secret/other"), False),
        (("list", "secrets"), False),
        (("delete", f"secret/{SECRET}"), False),
        (("get", "pods"), False),
        (("patch", f"mutatingwebhookconfiguration/{NAME}"), True),
        (("patch", "mutatingwebhookconfiguration/other"), False),
    ],
)
def test_the_cert_job_may_touch_its_own_objects_only(
    asked: tuple[str, str],
    allowed: bool,  # noqa: FBT001 - a table's column
) -> None:
    """By name; listing is nobody's."""
    assert may("certs", *asked, "-n", NAMESPACE) is allowed
