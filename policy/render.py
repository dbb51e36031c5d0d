"""How is a trust policy written down? JSON, Terraform (HCL) or CloudFormation (YAML).

Pure. Terraform gets a data source aws_iam_policy_document, as its users write it, and the role that takes it; the YAML
writer knows what policies are made of and nothing more, so no YAML library is needed.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from policy.document import Statement, document_of
from policy.errors import TrustInputError

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_ROLE_NAME = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)


def render_json(policy: Mapping[str, Any]) -> str:
    """As the AWS CLI takes it: `aws iam update-assume-role-policy --policy-document file://…`."""
    return json.dumps(policy, indent=2) + "\n"


def render_terraform(policy: Mapping[str, Any], *, role_name: str, label: str = "token_injector") -> str:
    """A role and its trust policy in HCL, formatted as `terraform fmt` has it. Raises TrustInputError, PolicyError."""
    _check_role_name(role_name)
    if not _IDENTIFIER.fullmatch(label):
        raise TrustInputError(f"Terraform label: {label!r} is not valid; expected letters, digits, _ and -")
    document = document_of(policy)
    version = policy.get("Version", "2008-10-17")
    blocks = "\n".join(_statement(statement, policy) for statement in document.statements)
    return f"""\
data "aws_iam_policy_document" "{label}_trust" {{
  version = {_hcl(version)}

{blocks}}}

resource "aws_iam_role" "{label}" {{
  name               = {_hcl(role_name)}
  assume_role_policy = data.aws_iam_policy_document.{label}_trust.json
}}
"""


def render_cloudformation(policy: Mapping[str, Any], *, role_name: str, logical_id: str = "TokenInjectorRole") -> str:
    """A template with the role and its trust policy in YAML. Raises TrustInputError."""
    _check_role_name(role_name)
    if not re.fullmatch(r"[A-Za-z0-9]+", logical_id):
        raise TrustInputError(f"CloudFormation logical id: {logical_id!r} is not valid; expected letters and digits")
    role = {
        "Type": "AWS::IAM::Role",
        "Properties": {"RoleName": role_name, "AssumeRolePolicyDocument": dict(policy)},
    }
    template = {"AWSTemplateFormatVersion": "2010-09-09", "Resources": {logical_id: role}}
    return "\n".join(_yaml(template, 0)) + "\n"


def _check_role_name(role_name: str) -> None:
    if not _ROLE_NAME.fullmatch(role_name):
        raise TrustInputError(f"role name: {role_name!r} is not valid; expected 1 to 64 of A-Z a-z 0-9 _ + = , . @ -")


def _statement(statement: Statement, policy: Mapping[str, Any]) -> str:
    found = policy["Statement"]
    sid = (found[statement.index] if isinstance(found, list) else found).get("Sid")
    actions = "not_actions" if statement.negated_action else "actions"
    fields = {"sid": sid} if sid else {}
    width = max(len(name) for name in (*fields, "effect", actions))
    lines = ["  statement {"]
    lines += [f"    {name:<{width}} = {_hcl(value)}" for name, value in fields.items()]
    lines += [f"    {'effect':<{width}} = {_hcl(statement.effect)}"]
    lines += [f"    {actions:<{width}} = {_hcl_list(statement.actions)}"]
    for kind in dict.fromkeys(kind for kind, _ in statement.principals):
        names = [name for its_kind, name in statement.principals if its_kind == kind]
        lines += ["", "    principals {", f"      type        = {_hcl(kind)}"]
        lines += [f"      identifiers = {_hcl_list(names)}", "    }"]
    for condition in statement.conditions:
        lines += ["", "    condition {", f"      test     = {_hcl(condition.operator)}"]
        lines += [f"      variable = {_hcl(condition.key)}", f"      values   = {_hcl_list(condition.values)}", "    }"]
    return "\n".join([*lines, "  }", ""])


def _hcl_list(values: Sequence[str]) -> str:
    return f"[{', '.join(map(_hcl, values))}]"


def _hcl(value: str) -> str:
    """A quoted string: JSON's escapes are HCL's, and templates (`${`, `%{`) are doubled to stay text.

    The data source writes policy variables as &{…}, as `${` is Terraform's own.
    """
    return json.dumps(value.replace("${", "&{"), ensure_ascii=False).replace("%{", "%%{")


def _yaml(value: Any, depth: int) -> list[str]:
    indent = "  " * depth
    lines: list[str] = []
    if isinstance(value, Mapping):
        for key, entry in value.items():
            lines += _yaml_entry(f"{indent}{_yaml_key(key)}:", entry, depth + 1)
    else:
        for entry in value:
            nested = _yaml(entry, depth + 1) if isinstance(entry, Mapping | list) and entry else [_scalar(entry)]
            lines += [f"{indent}- {nested[0].lstrip()}", *nested[1:]]
    return lines


def _yaml_entry(head: str, entry: Any, depth: int) -> list[str]:
    if isinstance(entry, Mapping | list) and entry:
        return [head, *_yaml(entry, depth)]
    return [f"{head} {_scalar(entry)}"]


def _yaml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z]+", key) and not _is_reserved(key) else json.dumps(key)


def _scalar(value: Any) -> str:
    """A word of letters, dots and colons within stays plain; all else is a JSON string, which is a YAML one."""
    plain = isinstance(value, str) and re.fullmatch(r"[A-Za-z][A-Za-z:.]*[A-Za-z]", value)
    return str(value) if plain and not _is_reserved(value) else json.dumps(value)


def _is_reserved(word: str) -> bool:
    """Whether YAML reads the word as something else than a text. The condition operator Null is one of them."""
    return word.lower() in ("true", "false", "yes", "no", "on", "off", "null", "y", "n")
