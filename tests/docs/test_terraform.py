"""The Terraform examples parse, trust whom `kubectl token-injector trust-policy` trusts, and fit their README.

Parsed by python-hcl2 and evaluated by `terraform.py`; nobody applies them.
"""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from policy.permission import permission_policy
from policy.trust import cluster_trust_policy, google_trust_policy
from secretenv.references import Item, Parameter, ParameterPath, Secret, Source
from tests.docs.terraform import MODULES, ROOT, blocks, blocks_in, value

UNIQUE_ID = "112233445566778899001"
ISSUER = "https://container.googleapis.com/v1/projects/p/locations/europe-west1/clusters/c"
PROVIDER = f"arn:aws:iam::123456789012:oidc-provider/{ISSUER.removeprefix('https://')}"
GOOGLE, AWS, CLUSTER_MODE = ROOT / "google", ROOT / "aws", ROOT / "aws-cluster-mode"
AWS_SECRETS = ROOT / "aws-secrets"
GOOGLE_CLUSTER, AWS_CLUSTER = ROOT / "google-cluster", ROOT / "aws-cluster"
# What a module makes, and the attributes that no two of a kind may share.
UNIQUE = {
    GOOGLE: {
        "google_service_account.workload": "account_id",
        "google_service_account_iam_member.workload_identity": "member",
    },
    AWS: {"aws_iam_role.workload": "name", "aws_iam_role_policy.read_bucket": "role"},
    CLUSTER_MODE: {"aws_iam_role.workload": "name"},
    AWS_SECRETS: {"aws_iam_role_policy.read_secrets": "role"},
    GOOGLE_CLUSTER: {"google_compute_firewall.webhook": "name"},
    AWS_CLUSTER: {"aws_iam_openid_connect_provider.cluster": "url"},
}


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
    """The principal is the provider that is given, and the conditions are of its issuer."""
    variables = {
        "var.provider_arn": PROVIDER,
        "var.namespace": "shop",
        "var.service_account": "orders",
        "var.audience": default(CLUSTER_MODE, "audience"),
    }
    local = {f"local.{name}": value(text, variables) for name, text in blocks(CLUSTER_MODE, "locals")[""].items()}

    assert trust_policy(CLUSTER_MODE, {**variables, **local}) == cluster_trust_policy(
        issuer=ISSUER, account_id="123456789012", namespace="shop", service_account="orders"
    )


def test_secrets_are_read_as_the_generator_says() -> None:
    """Statement by statement what `explain -o policy` writes for such references, and keys by these services alone."""
    key = "arn:aws:kms:eu-west-1:123456789012:key/k"
    variables = {
        "var.region": "eu-west-1",
        "var.account_id": "123456789012",
        "var.prefix": "shop/orders",
        "var.table": default(AWS_SECRETS, "table"),
        "var.kms_key_arn": key,
    }
    references: list[Source] = [
        *(
            Secret("shop/orders/*"),
            Secret("shop/orders/*-x"),
            Parameter("/shop/orders/*"),
            ParameterPath("/shop/orders"),
        ),
        Item("secrets", "shop/orders/*", "secretName", "secretValue"),
    ]
    generated = permission_policy(references, region="eu-west-1", account_id="123456789012", rotates=True)
    several, *others = generated["Statement"]
    one = {**several, "Resource": [arn for arn in several["Resource"] if not arn.endswith("-x-??????")]}
    written = value(blocks(AWS_SECRETS, "resource")["aws_iam_role_policy.read_secrets"]["policy"], variables)
    *reads, decrypt = written["Statement"]
    items = reads[-1]

    assert items["Condition"] == {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["shop/orders/*"]}}
    items["Condition"] = {"ForAllValues:StringEquals": items["Condition"]["ForAllValues:StringLike"]}
    assert reads == [one, *others]
    assert (decrypt["Action"], decrypt["Resource"]) == (["kms:Decrypt"], [key])
    assert set(decrypt["Condition"]["StringEquals"]["kms:ViaService"]) == {
        f"{statement['Action'][0].partition(':')[0]}.eu-west-1.amazonaws.com" for statement in reads
    }


def test_the_provider_takes_the_audience_of_the_roles() -> None:
    """By default it accepts what the roles' policies ask for, of the issuer that is given."""
    provider = blocks(AWS_CLUSTER, "resource")["aws_iam_openid_connect_provider.cluster"]

    assert value(provider["url"], {"var.issuer": ISSUER}) == ISSUER
    assert provider["client_id_list"] == "${var.audiences}"
    [audience] = blocks(AWS_CLUSTER, "variable")["audiences"]["default"]
    assert value(audience, {}) == default(CLUSTER_MODE, "audience")


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_modules_are_used_more_than_once(module: Path) -> None:
    """A second workload, or a second cluster, makes nothing that is there already: what is unique is a variable's."""
    resources = blocks(module, "resource")

    assert resources.keys() == UNIQUE[module].keys()
    for name, attribute in UNIQUE[module].items():
        assert "${var." in resources[name][attribute] or "${aws_iam_role.workload." in resources[name][attribute], name


def test_google_binds_one_kubernetes_service_account() -> None:
    """Workload Identity's member is the pool's, and the only role is workloadIdentityUser on that account."""
    resources = blocks(GOOGLE, "resource")
    binding = resources["google_service_account_iam_member.workload_identity"]

    assert value(binding["role"], {}) == "roles/iam.workloadIdentityUser"
    assert binding["member"].endswith('.svc.id.goog[${var.namespace}/${var.service_account}]"')


def test_the_firewall_rule_is_for_the_control_plane_alone() -> None:
    """It opens the webhook's port, by default the chart's, from the control plane to the nodes."""
    rule = blocks(GOOGLE_CLUSTER, "resource")["google_compute_firewall.webhook"]
    values = yaml.safe_load((ROOT.parents[1] / "charts/token-injector/values.yaml").read_text())

    assert rule["source_ranges"] == ["${var.control_plane_cidr}"]
    assert rule["target_tags"] == ["${var.node_tag}"]
    assert blocks(GOOGLE_CLUSTER, "variable")["port"]["default"] == values["webhook"]["port"]


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
    for name in ("orders", "stock"):
        assert modules[f"{name}_aws"]["google_service_account_unique_id"] == f"${{module.{name}_google.unique_id}}"
    assert modules["orders_secrets"]["role_name"] == "${module.orders_aws.role_name}"
    assert modules["orders_on_blue"]["provider_arn"] == "${module.blue.provider_arn}"
    outputs = {name for module in MODULES for name in blocks(module, "output")}
    assert {"email", "provider_arn", "role_arn", "role_name", "unique_id"} == outputs
    assert [name for name in outputs if f"`{name}`" not in readme] == []
