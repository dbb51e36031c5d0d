"""Somebody's own web identity token for credentials of his role: how the broker reads with no permission of its own.

https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
"""

from collections.abc import Callable
from dataclasses import dataclass

from secretenv.stores import Refusal
from secretenv.stores.clients import Clients, Credentials, calling
from secretenv.stores.deadline import Deadline
from secretenv.stores.refusals import ERRORS, identity_refusal
from secretenv.stores.together import together


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Credentials, and until when they hold."""

    credentials: Credentials
    expires_at: float
    """Seconds since the epoch."""


def assume(
    clients: Clients,
    *,
    role_arn: str,
    session_name: str,
    token: str,
    timeout: float,
    clock: Callable[[], float],
    region: str | None = None,
) -> Session | Refusal:
    """One call of STS, with botocore's retries; `timeout` is in seconds. Raises nothing but bugs."""
    deadline = Deadline(timeout, clock=clock)

    def call() -> Session | Refusal:
        try:
            sts = clients.unsigned("sts", region or clients.region)
            answer = sts.assume_role_with_web_identity(
                RoleArn=role_arn, RoleSessionName=session_name, WebIdentityToken=token
            )
        # botocore says ValueError of an AWS_ENDPOINT_URL that is no URL.
        except (*ERRORS, ValueError) as exc:
            return identity_refusal(exc, role=role_arn)
        given = answer.get("Credentials", {})
        try:
            credentials = Credentials(
                access_key_id=given["AccessKeyId"],
                secret_access_key=given["SecretAccessKey"],
                session_token=given["SessionToken"],
            )
            return Session(credentials=credentials, expires_at=given["Expiration"].timestamp())
        except KeyError:
            return Refusal(reason="unavailable", message=f"role {role_arn}: the answer of STS is not complete")

    with calling(deadline):
        answers = together([call], deadline)
    late = Refusal(reason="unavailable", message=f"role {role_arn}: no answer from STS within {round(timeout, 1):g} s")
    return answers[0] if answers else late
