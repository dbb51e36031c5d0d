"""Would AWS let this token assume the role, and what is to be done if not?

Pure: texts and a clock's value in, one frozen diagnosis out. The verdict is `policy`'s; nobody here checks a signature.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ctl.token import TokenProblem, UnverifiedToken, read_unverified, token_problems
from policy.context import GOOGLE, SESSION_NAME_KEY, ContextValue, context_of
from policy.trust import (
    Allowed,
    PolicyError,
    Refused,
    Risk,
    TrustInputError,
    Undecided,
    Verdict,
    corrected_policy,
    evaluate,
    parse_policy,
    risks,
)
from webhook.session_name import default_session_name

Outcome = Literal["allowed", "refused", "undecided"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleTrust:
    """A role's trust policy, and what `aws iam get-role` says beside it."""

    policy: Mapping[str, Any]
    role_name: str | None = None
    account_id: str | None = None
    partition: str = "aws"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """Everything that the doctor says; the token itself is not among it."""

    unverified_claims: Mapping[str, Any] = field(repr=False)
    problems: tuple[TokenProblem, ...]
    compared: Mapping[str, ContextValue]
    """The condition keys that AWS fills from this token."""
    session_name: str
    session_name_assumed: bool
    """Nobody said the pod's."""
    verdict: Verdict
    risks: tuple[Risk, ...]
    corrected: Mapping[str, Any] | None
    """The policy that lets this token in; None where there is nothing to correct, or no correction helps."""
    correction_note: str
    """Why there is none though the policy refuses, or what it leaves open."""
    next_steps: tuple[str, ...]

    @property
    def outcome(self) -> Outcome:
        """STS refuses a token that has a problem, whatever the policy says."""
        if self.problems or isinstance(self.verdict, Refused):
            return "refused"
        return "allowed" if isinstance(self.verdict, Allowed) else "undecided"


def read_role_trust(text: str) -> RoleTrust:
    """The policy in a file: bare, or in the answer of `aws iam get-role`, URL-encoded or not. Raises `PolicyError`."""
    try:
        found = json.loads(text)
    except ValueError:  # parse_policy decodes it, or says what is wrong
        return RoleTrust(policy=parse_policy(text))
    if isinstance(found, str):
        return RoleTrust(policy=parse_policy(found))
    role = found.get("Role", found) if isinstance(found, dict) else None
    if not isinstance(role, dict) or "AssumeRolePolicyDocument" not in role:
        return RoleTrust(policy=parse_policy(text))
    document = role["AssumeRolePolicyDocument"]
    arn = str(role.get("Arn") or "").split(":")
    return RoleTrust(
        policy=parse_policy(document if isinstance(document, str) else text),
        role_name=role.get("RoleName"),
        account_id=arn[4] if len(arn) > 4 else None,  # noqa: PLR2004 - arn:PARTITION:iam::ACCOUNT:role/NAME
        partition=arn[1] if len(arn) > 4 else "aws",  # noqa: PLR2004 - as above
    )


def diagnose(token_text: str, role: RoleTrust, *, given_session_name: str | None, now: float) -> Diagnosis:
    """The diagnosis of one AssumeRoleWithWebIdentity call. Raises `MalformedTokenError` and `PolicyError`."""
    token = read_unverified(token_text)
    session_name = default_session_name("doctor") if given_session_name is None else given_session_name
    issuer, claims = token.unverified_issuer, token.unverified_claims
    verdict = evaluate(role.policy, issuer=issuer, unverified_claims=claims, session_name=session_name)
    problems = token_problems(token, len(token_text), now=now)
    corrected, note = _correction(role, token, session_name, verdict)
    context = context_of(issuer=issuer, unverified_claims=claims, session_name=session_name, request_context={})
    return Diagnosis(
        unverified_claims=claims,
        problems=problems,
        compared={
            name: value
            for name in (*(f"{context.provider}:{claim}" for claim in ("sub", "aud", "oaud")), SESSION_NAME_KEY)
            if (value := context.value(name)) is not None
        },
        session_name=session_name,
        session_name_assumed=given_session_name is None,
        verdict=verdict,
        risks=risks(role.policy),
        corrected=corrected,
        correction_note=note,
        next_steps=_next_steps(role, token, problems, verdict, corrected),
    )


def _correction(
    role: RoleTrust, token: UnverifiedToken, session_name: str, verdict: Verdict
) -> tuple[Mapping[str, Any] | None, str]:
    """A policy that was tried and lets the token in, or why there is none."""
    if not isinstance(verdict, Refused):
        return None, ""
    issuer, claims = token.unverified_issuer, token.unverified_claims
    try:
        corrected = corrected_policy(
            role.policy,
            issuer=issuer,
            unverified_claims=claims,
            session_name=session_name,
            account_id=role.account_id,
            partition=role.partition,
        )
        again = evaluate(corrected, issuer=issuer, unverified_claims=claims, session_name=session_name)
    except TrustInputError as exc:
        remedy = "" if role.account_id else "; what aws iam get-role prints names the role's account"
        return None, f"{exc}{remedy}"
    except PolicyError as exc:
        return None, f"the corrected policy has a mistake of its own: {exc}"
    match again:
        case Allowed():
            return corrected, ""
        case Undecided(reason=reason):
            return corrected, f"even so it depends on more than the token: {reason}"
        case Refused(reason=reason, failures=failures):
            left = "; ".join(failure.sentence for failure in failures)
            return None, f"pinning subject and audience does not suffice: {left or reason}"


def _next_steps(
    role: RoleTrust,
    token: UnverifiedToken,
    problems: tuple[TokenProblem, ...],
    verdict: Verdict,
    corrected: Mapping[str, Any] | None,
) -> tuple[str, ...]:
    steps = [problem.remedy for problem in problems]
    match verdict:
        case Allowed():
            if not problems:
                steps.append(
                    "if STS still refuses, compare the pod's AWS_ROLE_ARN with this role; "
                    "if STS agrees and a call is refused, the role's permission policy is what to change"
                )
        case Undecided():
            steps.append("only AWS can tell: aws sts assume-role-with-web-identity with this token")
        case Refused(denied_by=denied_by) if denied_by:
            steps.append(f"narrow the Deny in {denied_by}, if this workload is meant to assume the role")
        case Refused() if corrected is not None:
            name = role.role_name or "ROLE"
            steps.append(
                "if this workload is meant to assume the role, save the corrected policy as trust-policy.json and run: "
                f"aws iam update-assume-role-policy --role-name {name} --policy-document file://trust-policy.json"
            )
            steps.append("if it is not, the token comes from another workload: compare sub with the one you expect")
        case Refused(failures=failures):
            if any(failure.key.lower() == SESSION_NAME_KEY.lower() for failure in failures):
                steps.append("give the pod's AWS_ROLE_SESSION_NAME with --session-name")
            else:
                steps.append("do what the note says, then ask again")
    if token.unverified_issuer.removeprefix("https://") != GOOGLE:
        audience = token.unverified_claims.get("aud")
        shown = ", ".join(map(str, audience)) if isinstance(audience, list) else str(audience)
        steps.append(
            f"the AWS account needs an IAM OIDC provider for {token.unverified_issuer} with the client ID {shown}"
        )
    return tuple(steps)
