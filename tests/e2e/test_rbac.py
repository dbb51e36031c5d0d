"""What each of our service accounts may do, in the API server's own words."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from demo.cluster.kubectl import kubectl
from demo.cluster.release import NAME, NAMESPACE
from demo.cluster.replicas import SECRET

pytestmark = pytest.mark.usefixtures("release")
GOLDEN = Path(__file__).parent / "can-i"
ACCOUNTS = [f"{NAME}-webhook", f"{NAME}-certs"]


@pytest.mark.parametrize("account", ACCOUNTS)
def test_a_service_account_may_do_what_the_golden_file_says(account: str) -> None:
    """Over what every service account of this cluster may, as versions and vendors differ in it.

    `kubectl auth can-i --list` in the release's namespace; REWRITE_GOLDEN=1 writes it anew.
    """
    said = "".join(f"{row}\n" for row in sorted(allowed(account) - allowed("nobody-in-particular")))
    path = GOLDEN / f"{account}.txt"
    if os.environ.get("REWRITE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(said)
    assert said == path.read_text()


def allowed(account: str) -> set[str]:
    """Rows of resource, URL, name and verbs, two blanks between them."""
    identity = f"--as=system:serviceaccount:{NAMESPACE}:{account}"
    _, *rows = kubectl("auth", "can-i", "--list", "-n", NAMESPACE, identity).splitlines()
    return {re.sub(" {2,}", "  ", row.strip()) for row in rows}


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


def may(account: str, *asked: str) -> bool:
    """What `kubectl auth can-i` says; its exit code says the same."""
    identity = f"--as=system:serviceaccount:{NAMESPACE}:{NAME}-{account}"
    command = ["kubectl", "auth", "can-i", *asked, identity]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert said.stdout.strip() in {"yes", "no"}, said.stderr
    return said.stdout.strip() == "yes"
