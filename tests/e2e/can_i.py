"""`kubectl auth can-i` about our service accounts, and what it said before."""

import os
import re
import subprocess
from pathlib import Path

from demo.cluster.kubectl import kubectl
from demo.cluster.release import NAME, NAMESPACE

_GOLDEN = Path(__file__).parent / "can-i"


def check_golden(account: str) -> None:
    """What it may, over what every service account of this cluster may, as versions and vendors differ in it.

    `kubectl auth can-i --list` in the release's namespace; REWRITE_GOLDEN=1 writes it anew.
    """
    said = "".join(f"{row}\n" for row in sorted(allowed(account) - allowed("nobody-in-particular")))
    path = _GOLDEN / f"{account}.txt"
    if os.environ.get("REWRITE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(said)
    assert said == path.read_text()


def allowed(account: str) -> set[str]:
    """Rows of resource, URL, name and verbs, two blanks between them."""
    identity = f"--as=system:serviceaccount:{NAMESPACE}:{account}"
    _, *rows = kubectl("auth", "can-i", "--list", "-n", NAMESPACE, identity).splitlines()
    return {re.sub(" {2,}", "  ", row.strip()) for row in rows}


def may(account: str, *asked: str) -> bool:
    """What `kubectl auth can-i` says; its exit code says the same."""
    identity = f"--as=system:serviceaccount:{NAMESPACE}:{NAME}-{account}"
    command = ["kubectl", "auth", "can-i", *asked, identity]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert said.stdout.strip() in {"yes", "no"}, said.stderr
    return said.stdout.strip() == "yes"
