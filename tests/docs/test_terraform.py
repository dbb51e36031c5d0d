"""The Terraform examples parse, trust whom `kubectl token-injector trust-policy` trusts, and fit their README.

Parsed by python-hcl2 and evaluated by `terraform.py`; nobody applies them.
"""

import re
from pathlib import Path
from typing import Any

import pytest

from policy.trust import cluster_trust_policy, google_trust_policy
from tests.docs.terraform import MODULES, ROOT, blocks, blocks_in, value

UNIQUE_ID = "112233445566778899001"
ISSUER = "https://container.googleapis.com/v1/projects/p/locations/europe-west1/clusters/c"
GOOGLE, AWS, CLUSTER_MODE = ROOT / "google", ROOT / "aws", ROOT / "aws-cluster-mode"


def default(module: Path, variable: str) -> str:
    """The default of a variable."""
    return str(value(blocks(module, "variable")[variable]["default"], {}))


def trust_policy(module: Path, given: dict[str, str]) -> Any:
    """The trust policy of the module's role."""
    return value(blocks(module, "resource")["aws_iam_role.workload"]["assume_role_policy"], given)


def test_google_mode_trusts_one_service_account() -> None:
    """With the default audience the policy is the generator's, statement by statement."""
    given = {"var.google_service_account_unique_id": UNIQUE_ID, "var.audience": default(AWS, "audience")}

    assert trust_policy(AWS, given) == google_trust_policy(service_account_id=UNIQUE_ID)


def test_google_mode_takes_an_audience() -> None:
    """The variable is the policy's oaud."""
    given = {"var.google_service_account_unique_id": UNIQUE_ID, "var.audience": "shop"}

    assert trust_policy(AWS, given) == google_trust_policy(service_account_id=UNIQUE_ID, audience="shop")


def test_cluster_mode_trusts_one_kubernetes_service_account() -> None:
    """The principal is the provider that the module makes, for the issuer and the audience of the policy."""
    variables = {
        "var.issuer": ISSUER,
        "var.namespace": "shop",
        "var.service_account": "orders",
        "var.audience": default(CLUSTER_MODE, "audience"),
    }
    local = {f"local.{name}": value(text, variables) for name, text in blocks(CLUSTER_MODE, "locals")[""].items()}
    arn = f"arn:aws:iam::123456789012:oidc-provider/{ISSUER.removeprefix('https://')}"
    given = {**variables, **local, "aws_iam_openid_connect_provider.cluster.arn": arn}
    provider = blocks(CLUSTER_MODE, "resource")["aws_iam_openid_connect_provider.cluster"]

    assert trust_policy(CLUSTER_MODE, given) == cluster_trust_policy(
        issuer=ISSUER, account_id="123456789012", namespace="shop", service_account="orders"
    )
    assert value(provider["url"], given) == ISSUER
    assert provider["client_id_list"] == ["${var.audience}"]


def test_google_binds_one_kubernetes_service_account() -> None:
    """Workload Identity's member is the pool's, and the only role is workloadIdentityUser on that account."""
    resources = blocks(GOOGLE, "resource")
    binding = resources["google_service_account_iam_member.workload_identity"]

    assert value(binding["role"], {}) == "roles/iam.workloadIdentityUser"
    assert binding["member"].endswith('.svc.id.goog[${var.namespace}/${var.service_account}]"')
    assert sorted(name.partition(".")[0] for name in resources) == [
        "google_compute_firewall",
        "google_service_account",
        "google_service_account_iam_member",
    ]


def test_the_firewall_rule_is_for_private_clusters_only() -> None:
    """By default there is none; where there is one it opens the webhook's port to the control plane alone."""
    rule = blocks(GOOGLE, "resource")["google_compute_firewall.webhook"]

    assert blocks(GOOGLE, "variable")["private_cluster"]["default"] in (None, "null")
    assert rule["count"] == "${var.private_cluster == null ? 0 : 1}"
    assert rule["source_ranges"] == ["${var.private_cluster.control_plane_cidr}"]
    assert "optional(number, 8443)" in blocks(GOOGLE, "variable")["private_cluster"]["type"]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_variables_and_outputs_are_described_and_used(module: Path) -> None:
    """Each variable has a type and a description and is used; each output has a description."""
    variables, text = blocks(module, "variable"), (module / "main.tf").read_text()

    assert [name for name in variables if f"var.{name}" not in text] == []
    assert [name for name, block in variables.items() if not {"type", "description"} <= block.keys()] == []
    assert [name for name, block in blocks(module, "output").items() if "description" not in block] == []


def test_the_readme_names_the_modules_and_their_outputs() -> None:
    """Its table has every module, and its example sets variables that exist, all that have no default."""
    readme = (ROOT / "README.md").read_text()
    modules = blocks_in("".join(re.findall(r"```hcl\n(.*?)```", readme, re.DOTALL)), "module")

    assert [module.name for module in MODULES if f"[{module.name}](" not in readme] == []
    for block in modules.values():
        variables = blocks(ROOT / value(block["source"], {}), "variable")
        required = {name for name, each in variables.items() if "default" not in each}
        assert required <= block.keys() - {"source"} <= variables.keys()
    assert modules["orders_aws"]["google_service_account_unique_id"] == "${module.orders_google.unique_id}"
    outputs = {name for module in MODULES for name in blocks(module, "output")}
    assert {"email", "role_arn", "unique_id"} == outputs
    assert [name for name in outputs if f"`{name}`" not in readme] == []
