"""What each of our service accounts may do, in the API server's own words."""

import os
from pathlib import Path

import pytest

from demo.cluster.kubectl import kubectl, run
from demo.cluster.release import NAME, NAMESPACE
from demo.cluster.replicas import SECRET

pytestmark = pytest.mark.usefixtures("release")
GOLDEN = Path(__file__).parent / "can-i"
ACCOUNTS = [f"{NAME}-webhook", f"{NAME}-certs"]


@pytest.mark.parametrize("account", ACCOUNTS)
def test_a_service_account_may_do_what_the_golden_file_says(account: str) -> None:
    """`kubectl auth can-i --list` in the release's namespace; REWRITE_GOLDEN=1 writes it anew."""
    identity = f"--as=system:serviceaccount:{NAMESPACE}:{account}"
    header, *rows = kubectl("auth", "can-i", "--list", "-n", NAMESPACE, identity).splitlines()
    said = "\n".join([header.rstrip(), *sorted(row.rstrip() for row in rows)]) + "\n"
    path = GOLDEN / f"{account}.txt"
    if os.environ.get("REWRITE_GOLDEN"):
        path.write_text(said)
    assert said == path.read_text()


@pytest.mark.parametrize("verb", ["get", "list", "watch", "create", "patch", "delete"])
def test_the_webhook_may_do_nothing_with_secrets(verb: str) -> None:
    """Its own certificate is mounted, and no other Secret is its business, anywhere."""
    identity = f"--as=system:serviceaccount:{NAMESPACE}:{NAME}-webhook"
    command = ["kubectl", "auth", "can-i", verb, "secrets", "--all-namespaces", identity]
    said = run(["sh", "-c", 'exec "$@" || true', "-", *command], seconds=60)
    assert said.stdout.strip() == "no"


def test_the_cert_job_may_read_its_two_secrets_only() -> None:
    """By name; listing is nobody's."""
    identity = f"--as=system:serviceaccount:{NAMESPACE}:{NAME}-certs"
    assert kubectl("auth", "can-i", "get", f"secret/{SECRET}", "-n", NAMESPACE, identity).strip() == "yes"
    for asked in (["get", "secret/other"], ["list", "secrets"], ["get", "pods"]):
        command = ["kubectl", "auth", "can-i", *asked, "-n", NAMESPACE, identity]
        assert run(["sh", "-c", 'exec "$@" || true', "-", *command], seconds=60).stdout.strip() == "no", asked
