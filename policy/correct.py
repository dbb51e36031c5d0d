"""Which trust policy would let this token in, with nothing else changed?

Pure. What was written for somebody else stays as it is, and so do conditions that are not about the token's identity.
"""

import copy
from collections.abc import Mapping
from typing import Any

from policy.context import GOOGLE, context_of, provider_of
from policy.document import Statement, document_of
from policy.errors import TrustInputError
from policy.evaluate import evaluate, oidc_provider
from policy.generate import cluster_trust_policy, google_trust_policy, names_an_identity, service_account_of
from policy.verdict import Allowed

_IDENTITY_KEYS = ("sub", "aud", "email")


def corrected_policy(
    policy: Mapping[str, Any] | None,
    *,
    issuer: str,
    unverified_claims: Mapping[str, Any],
    session_name: str,
    account_id: str | None = None,
    partition: str = "aws",
) -> dict[str, Any]:
    """The policy changed so that this token's subject and audience are allowed; a new one where there is none.

    A statement that was meant for this token and nobody else is mended in place, else one is added; a Deny is never
    taken away, so evaluate the result. `account_id` is needed for a cluster's issuer where the policy names no provider
    of it. Raises TrustInputError where the token has no usable subject, PolicyError as `evaluate` does.
    """
    wanted = _wanted(policy, issuer, unverified_claims, account_id, partition)
    if policy is None:
        return wanted
    corrected: dict[str, Any] = copy.deepcopy(dict(policy))
    verdict = evaluate(policy, issuer=issuer, unverified_claims=unverified_claims, session_name=session_name)
    if isinstance(verdict, Allowed):
        return corrected
    statements = corrected["Statement"] if isinstance(corrected["Statement"], list) else [corrected["Statement"]]
    provider = provider_of(issuer)
    mine = _mine(unverified_claims)
    index = next((one.index for one in document_of(policy).statements if _is_meant_for(one, provider, mine)), None)
    statement = wanted["Statement"][0]
    if index is None:
        statements.append(statement)
    else:
        statements[index] = _mended(statements[index], statement, provider)
    corrected["Statement"] = statements
    return corrected


def _wanted(
    policy: Mapping[str, Any] | None,
    issuer: str,
    unverified_claims: Mapping[str, Any],
    account_id: str | None,
    partition: str,
) -> dict[str, Any]:
    context = context_of(issuer=issuer, unverified_claims=unverified_claims, session_name="", request_context={})
    subject, audience = context.value(f"{context.provider}:sub"), context.value(f"{context.provider}:oaud")
    if subject is None or audience is None:
        raise TrustInputError("token: it has no sub or no aud claim, so no trust policy can name it; mint another one")
    if context.provider == GOOGLE:
        return google_trust_policy(service_account_id=subject.values[0], audience=audience.values[0])
    namespace, service_account = service_account_of(subject.values[0])
    arn = _provider_arn(policy, context.provider)
    if arn:
        _, partition, _, _, account_id, _ = arn.split(":", 5)
    if not account_id:
        raise TrustInputError("account id: no provider of this issuer in the policy; give the role's 12-digit account")
    return cluster_trust_policy(
        issuer=f"https://{context.provider}",
        account_id=account_id,
        namespace=namespace,
        service_account=service_account,
        audience=audience.values[0],
        partition=partition,
    )


def _provider_arn(policy: Mapping[str, Any] | None, provider: str) -> str | None:
    statements = document_of(policy).statements if policy is not None else ()
    names = [name for statement in statements for _, name in statement.principals]
    return next((name for name in names if oidc_provider(name) == provider), None)


def _mine(unverified_claims: Mapping[str, Any]) -> set[str]:
    found = [unverified_claims.get(claim) for claim in ("sub", "azp", "email", "aud")]
    flat = [value for entry in found for value in (entry if isinstance(entry, list) else [entry])]
    return {value for value in flat if isinstance(value, str)}


def _is_meant_for(statement: Statement, provider: str, mine: set[str]) -> bool:
    """An Allow for this provider alone that names this token by some value, and nobody else."""
    names = {oidc_provider(name) or name for _, name in statement.principals}
    if statement.effect != "Allow" or names != {provider}:
        return False
    prefix = f"{provider}:".lower()
    named = {
        (condition.key.lower().removeprefix(prefix), value)
        for condition in statement.conditions
        if condition.key.lower().startswith(prefix)
        for value in condition.values
    }
    others = {value for key, value in named if key in _IDENTITY_KEYS and names_an_identity(value)} - mine
    return not others and any(value in mine for _, value in named)


def _mended(found: dict[str, Any], wanted: dict[str, Any], provider: str) -> dict[str, Any]:
    """The statement with the wanted conditions on the provider's keys, and its own on all others."""
    prefix = f"{provider}:".lower()
    condition: dict[str, dict[str, Any]] = copy.deepcopy(wanted["Condition"])
    for operator, keys in found.get("Condition", {}).items():
        kept = {key: value for key, value in keys.items() if not key.lower().startswith(prefix)}
        if kept:
            condition[operator] = condition.get(operator, {}) | kept
    mended = {key: value for key, value in found.items() if key != "NotAction"}
    return mended | {"Principal": wanted["Principal"], "Action": wanted["Action"], "Condition": condition}
