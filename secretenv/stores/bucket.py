"""How fast may AWS be asked? A token bucket, and the rates below the quotas of AWS.

Pure: the time is a parameter, and what waits is the caller.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Requests per second; as many may come at once. Operations with the same `shared` name share it."""

    shared: str
    per_second: float


# A quarter of AWS's default quotas for an account and region: the broker's two replicas take half of one together, or
# the whole in the second in which both begin with full buckets.
# Secrets Manager, https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html:
# BatchGetSecretValue 100 per second; GetSecretValue and DescribeSecret together 10,000 per second.
# Parameter Store, https://docs.aws.amazon.com/general/latest/gr/ssm.html: 40 per second for all reads together, unless
# the account pays for more. STS, https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html: 600 per
# second for an account and region. DynamoDB names no such quota for what we ask.
_BATCHES = Rate(shared="secretsmanager batches", per_second=25)
_SECRETS = Rate(shared="secretsmanager", per_second=2500)
_PARAMETERS = Rate(shared="ssm", per_second=10)
_SESSIONS = Rate(shared="sts", per_second=150)
RATES: Mapping[str, Rate] = {
    "BatchGetSecretValue": _BATCHES,
    "GetSecretValue": _SECRETS,
    "DescribeSecret": _SECRETS,
    "GetParameter": _PARAMETERS,
    "GetParameters": _PARAMETERS,
    "GetParametersByPath": _PARAMETERS,
    "AssumeRoleWithWebIdentity": _SESSIONS,
}


class Bucket:
    """One bucket: full at first, `per_second` more each second, never more than one second's worth."""

    def __init__(self, *, per_second: float, now: float) -> None:
        self._per_second = per_second
        self._level = per_second
        self._now = now

    def reserve(self, *, now: float, patience: float) -> float | None:
        """Take a token and say in how many seconds it may be used; None, and nothing taken, beyond `patience`."""
        self._level = min(self._per_second, self._level + max(0.0, now - self._now) * self._per_second)
        self._now = max(now, self._now)
        wait = max(0.0, (1 - self._level) / self._per_second)
        if wait > patience:
            return None
        self._level -= 1
        return wait
