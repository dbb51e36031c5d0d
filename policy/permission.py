"""Which permissions does a role need to read these secrets, and no others?

Pure. Names become ARNs of one region and account, ARNs stay. The batch reads spare calls and grant nothing alone; a
secret's own six characters are not known, so that ?????? stands for them.
Source: Service Authorization Reference, actions of Secrets Manager, Systems Manager and DynamoDB.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from policy.document import VARIABLES_VERSION
from secretenv.references import Item, Parameter, ParameterPath, Secret, Source

_SUFFIX = re.compile(r".*-[A-Za-z0-9]{6}")
ANYTHING = "*"


def permission_policy(
    sources: Iterable[Source], *, region: str, account_id: str = ANYTHING, partition: str = "aws", rotates: bool = False
) -> dict[str, Any]:
    """The permission policy for these sources; `region` is where plain names are read, * where it is not known.

    `rotates` adds what tells versions apart without the value. Keys of KMS are not among it: a reference does not say
    by which one a secret is encrypted.
    """
    found = tuple(dict.fromkeys(sources))
    prefix = f"arn:{partition}:{{}}:{region}:{account_id}:"
    secrets = [each for each in found if isinstance(each, Secret)]
    statements = [
        *_secrets(secrets, prefix.format("secretsmanager"), rotates=rotates),
        *_parameters([each for each in found if isinstance(each, Parameter)], prefix.format("ssm")),
        *_paths([each for each in found if isinstance(each, ParameterPath)], prefix.format("ssm")),
        *_items([each for each in found if isinstance(each, Item)], prefix.format("dynamodb")),
    ]
    return {"Version": VARIABLES_VERSION, "Statement": statements}


def _secrets(secrets: Sequence[Secret], prefix: str, *, rotates: bool) -> Iterator[dict[str, Any]]:
    if not secrets:
        return
    actions = ["secretsmanager:GetSecretValue", *(["secretsmanager:DescribeSecret"] if rotates else [])]
    yield _allow(actions, _arns(_secret_arn(each.name, prefix) for each in secrets))
    if sum(each.stage is None and each.version is None for each in secrets) > 1:
        # Of current versions. It knows no resource of its own: what it answers is what GetSecretValue allows.
        yield _allow(["secretsmanager:BatchGetSecretValue"], [ANYTHING])


def _secret_arn(name: str, prefix: str) -> str:
    if name.startswith("arn:"):
        return name if _SUFFIX.fullmatch(name) else f"{name}-??????"
    return f"{prefix}secret:{_literal(name)}-??????"


def _parameters(parameters: Sequence[Parameter], prefix: str) -> Iterator[dict[str, Any]]:
    if parameters:
        names = (each.name for each in parameters)
        arns = (
            name if name.startswith("arn:") else f"{prefix}parameter/{_literal(name.lstrip('/'))}" for name in names
        )
        yield _allow(["ssm:GetParameter", "ssm:GetParameters"], _arns(arns))


def _paths(paths: Sequence[ParameterPath], prefix: str) -> Iterator[dict[str, Any]]:
    """A path, and all below it."""
    if paths:
        names = (each.path.rstrip("/") for each in paths)
        below = (name if name.startswith("arn:") else f"{prefix}parameter{_literal(name)}" for name in names)
        yield _allow(["ssm:GetParametersByPath"], _arns(arn for path in below for arn in (path, f"{path}/*")))


def _items(items: Sequence[Item], prefix: str) -> Iterator[dict[str, Any]]:
    """Table by table, the items by their keys."""
    tables: dict[str, list[str]] = {}
    for item in items:
        arn = item.table if item.table.startswith("arn:") else f"{prefix}table/{_literal(item.table)}"
        tables.setdefault(arn, []).append(_literal(item.key))
    for arn, keys in tables.items():
        condition = {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": sorted(set(keys))}}
        yield {**_allow(["dynamodb:GetItem"], [arn]), "Condition": condition}


def _allow(actions: list[str], resources: list[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resources}


def _arns(arns: Iterable[str]) -> list[str]:
    return sorted(set(arns))


def _literal(name: str) -> str:
    """A name in a policy, where ${…} would be a variable."""
    return name.replace("$", "${$}")
