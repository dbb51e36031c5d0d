"""Which trust policy lets exactly one workload in?

Pure. Google mode pins the service account's unique id (`sub`; an e-mail may be given to somebody else later) and the
audience (`oaud`); cluster mode pins the Kubernetes service account and the audience. An audience identifies nobody.
"""

import re
from typing import Any

from contract.pod import CLUSTER_AUDIENCE, GOOGLE_AUDIENCE
from policy.context import GOOGLE, SESSION_NAME_KEY, provider_of
from policy.document import VARIABLES_VERSION
from policy.errors import TrustInputError
from policy.evaluate import ACTION
from policy.hints import FIND_UNIQUE_ID

# Google's unique ids have 21 digits; the bounds only tell them from project numbers (12) and from slips.
_UNIQUE_ID = re.compile(r"[0-9]{15,25}")
_ACCOUNT_ID = re.compile(r"[0-9]{12}")
_PARTITION = re.compile(r"aws(-[a-z]+)*")
_AUDIENCE = re.compile(r"[!-~]{1,255}")
_ISSUER = re.compile(r"https://[A-Za-z0-9.-]+(/[A-Za-z0-9._~/-]*[A-Za-z0-9._~-])?")
_ISSUER_LONGEST = 255
_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_SERVICE_ACCOUNT = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_SESSION_NAME = re.compile(r"[\w+=,.@*?-]{1,64}", re.ASCII)
_SUBJECT = re.compile(r"system:serviceaccount:(?P<namespace>[^:]+):(?P<service_account>[^:]+)")


def google_trust_policy(
    *,
    service_account_id: str,
    audience: str = GOOGLE_AUDIENCE,
    numeric_azp: bool = False,
    session_name: str | None = None,
) -> dict[str, Any]:
    """The trust policy for one Google service account, by its numeric unique id.

    `numeric_azp` adds accounts.google.com:aud: only where every token is minted with a numeric azp, as GKE's metadata
    server does. `session_name` (with * and ?) labels CloudTrail's records: the caller chooses it, so it authorizes
    nothing.
    Raises TrustInputError.
    """
    _check_unique_id(service_account_id)
    _check(_AUDIENCE, audience, "audience", "1 to 255 printable ASCII characters without spaces")
    keys = {f"{GOOGLE}:sub": service_account_id, f"{GOOGLE}:oaud": audience}
    if numeric_azp:
        keys[f"{GOOGLE}:aud"] = service_account_id
    return _policy(GOOGLE, keys, session_name)


def cluster_trust_policy(
    *,
    issuer: str,
    account_id: str,
    namespace: str,
    service_account: str,
    audience: str = CLUSTER_AUDIENCE,
    partition: str = "aws",
    session_name: str | None = None,
) -> dict[str, Any]:
    """The trust policy for one Kubernetes service account of one cluster, by the cluster's own issuer.

    The account needs an IAM OIDC provider for the issuer, with the audience as a client id. Raises TrustInputError.
    """
    read_issuer = "kubectl get --raw /.well-known/openid-configuration shows it"
    form = f"https://HOST/PATH without port, query or final slash, at most {_ISSUER_LONGEST} characters; {read_issuer}"
    _check(_ISSUER, issuer, "issuer", form)
    if len(issuer) > _ISSUER_LONGEST:
        raise TrustInputError(f"issuer: it has {len(issuer)} characters; expected {form}")
    provider = provider_of(issuer)
    if provider == GOOGLE:
        raise TrustInputError(f"issuer: {issuer} is Google, not a cluster: give a service account id (google mode)")
    _check(_ACCOUNT_ID, account_id, "account id", "the AWS account's 12 digits; aws sts get-caller-identity shows it")
    _check(_PARTITION, partition, "partition", "aws, aws-cn or aws-us-gov")
    _check(_NAMESPACE, namespace, "namespace", "a Kubernetes namespace, without wildcards")
    _check(_SERVICE_ACCOUNT, service_account, "service account", "a Kubernetes service account, without wildcards")
    _check(_AUDIENCE, audience, "audience", "1 to 255 printable ASCII characters without spaces")
    keys = {f"{provider}:sub": f"system:serviceaccount:{namespace}:{service_account}", f"{provider}:aud": audience}
    return _policy(f"arn:{partition}:iam::{account_id}:oidc-provider/{provider}", keys, session_name)


def service_account_of(subject: str) -> tuple[str, str]:
    """Namespace and name in a Kubernetes token's subject. Raises TrustInputError."""
    match = _SUBJECT.fullmatch(subject)
    if not match:
        raise TrustInputError(f"subject: {subject!r} is no cluster's; expected system:serviceaccount:NAMESPACE:NAME")
    return match["namespace"], match["service_account"]


def names_an_identity(value: str) -> bool:
    """Whether a condition's value is that of somebody: a unique id, an e-mail, a Kubernetes subject, or a pattern."""
    return bool(_UNIQUE_ID.fullmatch(value) or _SUBJECT.fullmatch(value) or set("@*?") & set(value))


def _policy(principal: str, keys: dict[str, str], session_name: str | None) -> dict[str, Any]:
    condition: dict[str, Any] = {"StringEquals": keys}
    if session_name is not None:
        _check(_SESSION_NAME, session_name, "session name", "1 to 64 of A-Z a-z 0-9 _ + = , . @ - and * ?")
        condition["StringLike"] = {SESSION_NAME_KEY: session_name}
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": principal},
        "Action": ACTION,
        "Condition": condition,
    }
    return {"Version": VARIABLES_VERSION, "Statement": [statement]}


def _check_unique_id(value: str) -> None:
    if _UNIQUE_ID.fullmatch(value):
        return
    if "@" in value:
        command = FIND_UNIQUE_ID.replace("EMAIL", value) if re.fullmatch(r"[\w.@+-]+", value) else FIND_UNIQUE_ID
        raise TrustInputError(
            f"service account id: {value!r} is an e-mail, which somebody else may get once the account is deleted;"
            f" the unique id is needed: {command}"
        )
    raise TrustInputError(
        f"service account id: {value!r} is no unique id of a Google service account (digits, 21 as a rule;"
        f" a project number has 12); find it with: {FIND_UNIQUE_ID}"
    )


def _check(form: re.Pattern[str], value: str, name: str, expected: str) -> None:
    if not form.fullmatch(value):
        raise TrustInputError(f"{name}: {value!r} is not valid; expected {expected}")
