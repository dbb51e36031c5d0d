"""Would AWS let this token assume a role with this trust policy?

Pure. The logic is AWS's (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html): a
Deny that applies wins, else an Allow that applies, else no. Signature, expiry and the provider's list of audiences are
checked by STS before the policy, and not here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from policy.conditions import Fails, Holds, Unclear, judge
from policy.context import Context, context_of
from policy.document import Document, Statement, document_of
from policy.hints import hint_of
from policy.verdict import Allowed, ConditionFailure, Refused, Undecided, Verdict

ACTION = "sts:AssumeRoleWithWebIdentity"
_OIDC_PROVIDER = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:oidc-provider/(?P<provider>.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """A statement beside its conditions that fail and those that nobody but AWS can tell."""

    statement: Statement
    failures: tuple[ConditionFailure, ...]
    unclear: tuple[str, ...]

    @property
    def applies(self) -> bool:
        return not self.failures and not self.unclear

    @property
    def may_apply(self) -> bool:
        return not self.failures and bool(self.unclear)


def evaluate(
    policy: Mapping[str, Any],
    *,
    issuer: str,
    unverified_claims: Mapping[str, Any],
    session_name: str,
    request_context: Mapping[str, str] | None = None,
) -> Verdict:
    """The verdict on one AssumeRoleWithWebIdentity call.

    `request_context` gives keys that are not in the token (aws:SourceIp, aws:CurrentTime), where they are known.
    Raises PolicyError for a policy that IAM would refuse, or with an operator that is not judged here.
    """
    document = document_of(policy)
    context = context_of(
        issuer=issuer,
        unverified_claims=unverified_claims,
        session_name=session_name,
        request_context=request_context or {},
    )
    # Every statement is judged before any is picked, so that a mistake in the last one is found too.
    judged = [_judge(statement, document, context) for statement in document.statements]
    relevant = [entry for entry in judged if is_about(entry.statement, context.provider)]
    denies = [entry for entry in relevant if entry.statement.effect == "Deny"]
    allows = [entry for entry in relevant if entry.statement.effect == "Allow"]
    for entry in denies:
        if entry.applies:
            place = entry.statement.place
            return Refused(reason=f"{place} denies it explicitly, which no Allow overrides", denied_by=place)
    if not any(entry.applies or entry.may_apply for entry in allows):
        return _refused(document, allows, context)
    doubts = [entry for entry in denies if entry.may_apply]
    allowing = next((entry for entry in allows if entry.applies), None)
    if allowing and not doubts:
        return Allowed(statement=allowing.statement.place)
    doubt = doubts[0] if doubts else next(entry for entry in allows if entry.may_apply)
    return Undecided(statement=doubt.statement.place, reason="; ".join(doubt.unclear))


def is_about(statement: Statement, provider: str) -> bool:
    """Whether a statement's action and principal are those of a web identity of this provider."""
    return covers_action(statement) and any(trusts(kind, name, provider) for kind, name in statement.principals)


def covers_action(statement: Statement) -> bool:
    """Whether the statement is about AssumeRoleWithWebIdentity. Actions are not case-sensitive and take wildcards."""
    patterns = (re.escape(action).replace(r"\*", ".*").replace(r"\?", ".") for action in statement.actions)
    return any(re.fullmatch(pattern, ACTION, re.IGNORECASE) for pattern in patterns) != statement.negated_action


def trusts(kind: str, name: str, provider: str) -> bool:
    """Whether a principal is this provider: by name for those built into AWS, else by an OIDC provider's ARN.

    An OIDC provider made for accounts.google.com does not stand for the built-in one: STS answers InvalidIdentityToken.
    """
    if (kind, name) == ("*", "*"):
        return True
    if kind != "Federated":
        return False
    if is_built_in(provider):
        return name == provider
    return oidc_provider(name) == provider


def is_built_in(provider: str) -> bool:
    """Whether AWS knows the provider without an IAM OIDC provider."""
    return provider in ("accounts.google.com", "cognito-identity.amazonaws.com")


def oidc_provider(arn: str) -> str | None:
    """The provider's URL in an IAM OIDC provider's ARN, without https://."""
    match = _OIDC_PROVIDER.fullmatch(arn)
    return match["provider"] if match else None


def _judge(statement: Statement, document: Document, context: Context) -> _Judged:
    failures: list[ConditionFailure] = []
    unclear: list[str] = []
    for condition in statement.conditions:
        match judge(condition, context, has_variables=document.has_variables):
            case Holds():
                pass
            case Unclear(reason=reason):
                unclear.append(reason)
            case Fails(found=found):
                failures.append(
                    ConditionFailure(
                        place=statement.place,
                        operator=condition.operator,
                        key=condition.key,
                        policy_values=condition.values,
                        token_value=", ".join(found.values) if found else None,
                        claim=found.origin if found else "",
                        hint=hint_of(condition, context),
                    )
                )
    return _Judged(statement=statement, failures=tuple(failures), unclear=tuple(unclear))


def _refused(document: Document, allows: list[_Judged], context: Context) -> Refused:
    if allows:
        failures = tuple(failure for entry in allows for failure in entry.failures)
        return Refused(reason="no Allow statement's conditions hold", failures=failures)
    provider = context.provider
    about_action = [entry for entry in document.statements if entry.effect == "Allow" and covers_action(entry)]
    if not about_action:
        return Refused(reason=f"no Allow statement is about {ACTION}")
    names = sorted({name for entry in about_action for _, name in entry.principals})
    reason = f"no Allow statement trusts {provider}; trusted are: {', '.join(names)}"
    if is_built_in(provider) and any(oidc_provider(name) == provider for name in names):
        reason += (
            f". {provider} is built into AWS: write it as the Federated principal, and delete the IAM OIDC provider of"
            " that name, with which STS answers InvalidIdentityToken"
        )
    elif not is_built_in(provider):
        reason += f". The Federated principal must be arn:aws:iam::ACCOUNT:oidc-provider/{provider}"
    return Refused(reason=reason)
