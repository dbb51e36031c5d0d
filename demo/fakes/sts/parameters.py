"""The parameters of AssumeRoleWithWebIdentity and their constraints. Pure.

Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from demo.fakes.sts.errors import RefusedError

ACTION = "AssumeRoleWithWebIdentity"
VERSION = "2011-06-15"
ROLE_ARN = re.compile(r"arn:aws[a-z0-9-]*:iam::(?P<account>[0-9]{12}):role/[A-Za-z0-9_+=,.@/-]+")
DEFAULT_DURATION = 3600
MIN_DURATION, MAX_DURATION = 900, 43200


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """What AWS demands of one text parameter."""

    parameter: str
    member: str
    """The name in AWS's message."""
    shortest: int
    longest: int
    pattern: str | None = None
    expression: str = r"(?s:.*)"
    secret: bool = False


CONSTRAINTS = (
    Constraint(
        parameter="RoleArn",
        member="roleArn",
        shortest=20,
        longest=2048,
        pattern=r"[\u0009\u000A\u000D\u0020-\u007E\u0085\u00A0-\uD7FF\uE000-\uFFFD\u10000-\u10FFFF]+",
        expression=r"[\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]+",
    ),
    Constraint(
        parameter="RoleSessionName",
        member="roleSessionName",
        shortest=2,
        longest=64,
        pattern=r"[\w+=,.@-]*",
        expression=r"(?a:[\w+=,.@-]*)",
    ),
    Constraint(parameter="WebIdentityToken", member="webIdentityToken", shortest=4, longest=20000, secret=True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssumeRole:
    """One request with well-formed parameters; its token is not yet verified."""

    role_arn: str
    account_id: str
    session_name: str
    duration: int
    policy: str | None
    unverified_token: str = field(repr=False)


def parsed(form: Mapping[str, str]) -> AssumeRole:
    """Read the parameters; raise RefusedError as STS does, all violations in one ValidationError."""
    version = form.get("Version", "NO_VERSION_SPECIFIED")
    if version != VERSION:
        raise RefusedError("InvalidAction", f"Could not find operation {ACTION} for version {version}")
    violations = [text for constraint in CONSTRAINTS for text in _violations(constraint, form)]
    violations += _duration_violations(form)
    if violations:
        plural = "s" if len(violations) > 1 else ""
        text = f"{len(violations)} validation error{plural} detected: {'; '.join(violations)}"
        raise RefusedError("ValidationError", text)
    role = ROLE_ARN.fullmatch(form["RoleArn"])
    if role is None:
        raise RefusedError("ValidationError", "Request ARN is invalid")
    return AssumeRole(
        role_arn=form["RoleArn"],
        account_id=role["account"],
        session_name=form["RoleSessionName"],
        duration=int(form.get("DurationSeconds", DEFAULT_DURATION)),
        policy=form.get("Policy"),
        unverified_token=form["WebIdentityToken"],
    )


def _violations(constraint: Constraint, form: Mapping[str, str]) -> Iterator[str]:
    value = form.get(constraint.parameter)
    if value is None:
        yield f"Value null at '{constraint.member}' failed to satisfy constraint: Member must not be null"
        return
    shown = "Value" if constraint.secret else f"Value '{value}'"
    at = f"{shown} at '{constraint.member}' failed to satisfy constraint: Member must"
    if not re.fullmatch(constraint.expression, value):
        yield f"{at} satisfy regular expression pattern: {constraint.pattern}"
    if len(value) < constraint.shortest:
        yield f"{at} have length greater than or equal to {constraint.shortest}"
    if len(value) > constraint.longest:
        yield f"{at} have length less than or equal to {constraint.longest}"


def _duration_violations(form: Mapping[str, str]) -> Iterator[str]:
    text = form.get("DurationSeconds", str(DEFAULT_DURATION))
    at = f"Value '{text}' at 'durationSeconds' failed to satisfy constraint: Member must"
    if not re.fullmatch(r"-?[0-9]{1,9}", text):
        yield f"{at} be a number"
    elif int(text) < MIN_DURATION:
        yield f"{at} have value greater than or equal to {MIN_DURATION}"
    elif int(text) > MAX_DURATION:
        yield f"{at} have value less than or equal to {MAX_DURATION}"
