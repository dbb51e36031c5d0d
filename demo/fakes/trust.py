"""Does a role's trust policy let a web identity in? AWS's rules, written apart from the product's own evaluator. Pure.

Sources: IAM User Guide, "IAM JSON policy elements: Condition operators", "Set operators for multivalued context keys",
"Keys available for AWS OIDC federation" and "Policy variables". A policy that IAM would not store raises PolicyError.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from demo.fakes.conditions import Context, PolicyError, check_condition, condition_holds, wildcard_matches

__all__ = ["PolicyError", "allows", "check"]

ACTION = "sts:AssumeRoleWithWebIdentity"
GOOGLE = "accounts.google.com"
VERSIONS = {"2008-10-17", "2012-10-17"}


def allows(
    policy: Mapping[str, Any],
    *,
    issuer: str,
    claims: Mapping[str, Any],
    session_name: str | None,
    provider_arn: str | None = None,
) -> bool:
    """Say whether AssumeRoleWithWebIdentity is allowed for a verified token with these claims.

    An explicit Deny wins, and what nothing allows is denied. `provider_arn` pins the OIDC provider to one account;
    without it a provider of any account matches.
    """
    check(policy)
    name = issuer.removeprefix("https://")
    context = Context(
        values=_context(name, claims, session_name),
        variables=policy.get("Version") == "2012-10-17",
    )
    effects = {
        statement["Effect"]
        for statement in _list(policy["Statement"])
        if _principal_matches(statement, name, provider_arn)
        and _action_matches(statement)
        and all(
            condition_holds(operator, key, _list(wanted), context)
            for operator, keys in statement.get("Condition", {}).items()
            for key, wanted in keys.items()
        )
    }
    return "Allow" in effects and "Deny" not in effects


def check(policy: Mapping[str, Any]) -> None:
    """Raise PolicyError for what IAM answers with MalformedPolicyDocument, as far as a trust policy goes."""
    if policy.get("Version", "2008-10-17") not in VERSIONS:
        raise PolicyError(f"Version is {policy['Version']!r}; expected one of {sorted(VERSIONS)}")
    statements = _list(policy.get("Statement", []))
    if not statements:
        raise PolicyError("there is no Statement")
    for statement in statements:
        if not isinstance(statement, Mapping):
            raise PolicyError("a Statement is not an object")
        if statement.get("Effect") not in {"Allow", "Deny"}:
            raise PolicyError(f"Effect is {statement.get('Effect')!r}; expected Allow or Deny")
        for element in ("Principal", "Action"):
            if (element in statement) == (f"Not{element}" in statement):
                raise PolicyError(f"a statement needs either {element} or Not{element}")
        if "Resource" in statement or "NotResource" in statement:
            raise PolicyError("a trust policy has no Resource")
        for operator, keys in statement.get("Condition", {}).items():
            check_condition(operator, keys)


def _context(issuer: str, claims: Mapping[str, Any], session_name: str | None) -> dict[str, list[str]]:
    """Give the condition keys of the request: names in lower case (they have no case), values as strings.

    Every provider has the default keys of "Available keys for AWS OIDC federation", Google one more.
    """
    federated: dict[str, Any] = {
        "amr": claims.get("amr"),
        "aud": claims.get("azp", claims.get("aud")),
        "email": claims.get("email"),
        "oaud": claims.get("aud"),
        "sub": claims.get("sub"),
    }
    google = claims.get("google")
    if issuer == GOOGLE and isinstance(google, Mapping):
        federated["google/organization_number"] = google.get("organization_number")
    keys = {f"{issuer}:{name}": value for name, value in federated.items()} | {"sts:RoleSessionName": session_name}
    return {
        key.lower(): [_as_string(item) for item in _list(value)] for key, value in keys.items() if value is not None
    }


def _principal_matches(statement: Mapping[str, Any], issuer: str, provider_arn: str | None) -> bool:
    if "NotPrincipal" in statement:
        return not _is_named(statement["NotPrincipal"], issuer, provider_arn)
    return _is_named(statement["Principal"], issuer, provider_arn)


def _is_named(principal: Any, issuer: str, provider_arn: str | None) -> bool:
    # "*" and {"AWS": "*"} are everyone; a wildcard inside Federated is an ordinary character.
    if not isinstance(principal, Mapping):
        return bool(principal == "*")
    if "*" in _list(principal.get("AWS", [])):
        return True
    names = _list(principal.get("Federated", []))
    if issuer == GOOGLE:
        return GOOGLE in names
    if provider_arn is not None:
        return provider_arn in names
    form = re.compile(rf"arn:aws[a-z-]*:iam::\d{{12}}:oidc-provider/{re.escape(issuer)}")
    return any(form.fullmatch(name) for name in names)


def _action_matches(statement: Mapping[str, Any]) -> bool:
    if "NotAction" in statement:
        return not _is_action(_list(statement["NotAction"]))
    return _is_action(_list(statement["Action"]))


def _is_action(patterns: Iterable[str]) -> bool:
    return any(wildcard_matches(pattern.lower(), ACTION.lower()) for pattern in patterns)


def _as_string(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]
