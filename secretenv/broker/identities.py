"""In whose name is AWS asked?

Pure. A key is what may share a session and what was read with it: the verified service account, the role, and either
the claims that the issuer has signed or the very token. So nobody is given what another identity has read.
"""

import hashlib
import json
from dataclasses import dataclass, field

# https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
LONGEST_NAME = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A role, and the web identity token that is exchanged for its credentials."""

    key: str
    account: str
    """Whose denials count together: NAMESPACE:SERVICEACCOUNT; of the broker's own it is its name."""
    role_arn: str
    token: str = field(repr=False)
    session_name: str


def own(account: str, role_arn: str, token: str, claims: str | None, session_name: str) -> Identity:
    """A pod's own; `account` is NAMESPACE:SERVICEACCOUNT as the API server has said it, `claims` what is proven."""
    proven = f"claims {claims}" if claims else f"token {hashlib.sha256(token.encode()).hexdigest()}"
    return Identity(
        key=hashlib.sha256(json.dumps([account, role_arn, proven]).encode()).hexdigest(),
        account=account,
        role_arn=role_arn,
        token=token,
        session_name=session_name or account.replace(":", "@")[:LONGEST_NAME],
    )


def shared(role_arn: str, token: str, session_name: str) -> Identity:
    """The broker's own, whatever its token of the moment."""
    return Identity(key="shared", account="the broker", role_arn=role_arn, token=token, session_name=session_name)
