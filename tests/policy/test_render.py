"""Rendered policies are read by the tools that people give them to."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import hcl2
import pytest
import yaml

from policy.render import render_cloudformation, render_json, render_terraform
from policy.trust import TrustInputError, google_trust_policy

RICH: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "Pods",
            "Effect": "Allow",
            "Principal": {"Federated": ["accounts.google.com", "graph.facebook.com"], "Service": "ec2.amazonaws.com"},
            "Action": ["sts:AssumeRoleWithWebIdentity", "sts:TagSession"],
            "Condition": {
                "StringEquals": {"accounts.google.com:sub": ["112233445566778899001", "998877665544332211000"]},
                "StringLike": {"sts:RoleSessionName": "${accounts.google.com:sub}-%{x}-\"q\"-ü: # '*'"},
                "Null": {"accounts.google.com:oaud": False},
                "Bool": {"aws:SecureTransport": "true"},
                "NumericEquals": {"accounts.google.com:google/organization_number": 12},
            },
        },
        {"Effect": "Deny", "Principal": "*", "NotAction": "sts:AssumeRoleWithWebIdentity"},
    ],
}


def test_json_is_the_policy(google_policy: dict[str, Any]) -> None:
    """What is printed is what was evaluated."""
    assert json.loads(render_json(google_policy)) == google_policy


@pytest.mark.parametrize("policy", [google_trust_policy(service_account_id="112233445566778899001"), RICH])
def test_cloudformation_is_a_template_with_the_policy(policy: dict[str, Any]) -> None:
    """A YAML reader finds the same policy in the role, versions and numbers still texts."""
    template = yaml.safe_load(render_cloudformation(policy, role_name="reader", logical_id="Reader"))

    assert template["Resources"]["Reader"]["Type"] == "AWS::IAM::Role"
    assert template["Resources"]["Reader"]["Properties"] == {"RoleName": "reader", "AssumeRolePolicyDocument": policy}


@pytest.mark.slow
def test_cloudformation_passes_cfn_lint(tmp_path: Path, google_policy: dict[str, Any]) -> None:
    """AWS's own linter has nothing to say."""
    linter = Path(sys.executable).with_name("cfn-lint")
    template = tmp_path / "role.yaml"
    template.write_text(render_cloudformation(google_policy, role_name="reader"))

    done = subprocess.run(
        [linter, "--regions", "us-east-1", "--", template], capture_output=True, text=True, timeout=100, check=False
    )

    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("policy", [google_trust_policy(service_account_id="112233445566778899001"), RICH])
def test_terraform_parses(policy: dict[str, Any]) -> None:
    """An HCL2 parser finds one policy document and one role in it."""
    parsed = hcl2.loads(render_terraform(policy, role_name="reader", label="pods"))

    assert {name.strip('"') for block in parsed["data"] for name in block} == {"aws_iam_policy_document"}
    assert {name.strip('"') for block in parsed["resource"] for name in block} == {"aws_iam_role"}


def test_terraform_says_what_the_policy_says() -> None:
    """Every principal, action and condition, with variables as the data source writes them."""
    text = render_terraform(RICH, role_name="reader", label="pods")

    assert (
        text
        == """\
data "aws_iam_policy_document" "pods_trust" {
  version = "2012-10-17"

  statement {
    sid     = "Pods"
    effect  = "Allow"
    actions = ["sts:AssumeRoleWithWebIdentity", "sts:TagSession"]

    principals {
      type        = "Federated"
      identifiers = ["accounts.google.com", "graph.facebook.com"]
    }

    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "accounts.google.com:sub"
      values   = ["112233445566778899001", "998877665544332211000"]
    }

    condition {
      test     = "StringLike"
      variable = "sts:RoleSessionName"
      values   = ["&{accounts.google.com:sub}-%%{x}-\\"q\\"-ü: # '*'"]
    }

    condition {
      test     = "Null"
      variable = "accounts.google.com:oaud"
      values   = ["false"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["true"]
    }

    condition {
      test     = "NumericEquals"
      variable = "accounts.google.com:google/organization_number"
      values   = ["12"]
    }
  }

  statement {
    effect      = "Deny"
    not_actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }
  }
}

resource "aws_iam_role" "pods" {
  name               = "reader"
  assume_role_policy = data.aws_iam_policy_document.pods_trust.json
}
"""
    )


def test_names_that_the_tools_refuse_are_refused(google_policy: dict[str, Any]) -> None:
    """Role names, Terraform labels and logical ids are checked with their form."""
    with pytest.raises(TrustInputError, match="role name"):
        render_terraform(google_policy, role_name="a b")
    with pytest.raises(TrustInputError, match="Terraform label"):
        render_terraform(google_policy, role_name="reader", label="1x")
    with pytest.raises(TrustInputError, match="role name"):
        render_cloudformation(google_policy, role_name="")
    with pytest.raises(TrustInputError, match="logical id"):
        render_cloudformation(google_policy, role_name="reader", logical_id="my-role")
