"""How does AWS say no? botocore's errors become refusals that tell who can mend it, and how.

Of AWS's own texts only what a reader needs is repeated: the action, the role, whether a policy is missing or denies.
Answers are never quoted: one may hold a secret.
"""

import re

from botocore import exceptions
from botocore.parsers import ResponseParserError

from secretenv.references import Item, Parameter, ParameterPath, Secret, Source
from secretenv.stores import Reason, Refusal
from secretenv.stores.clients import OutOfTimeError

# What a call may raise: botocore lets the errors of the token's file through, and what it cannot parse, as when a proxy
# answers in AWS's place, is none of its own errors.
ERRORS = (exceptions.BotoCoreError, exceptions.ClientError, ResponseParserError, OutOfTimeError, OSError)

DOCTOR = "run `kubectl token-injector doctor` for the pod (its --help says how to get the token)"
_STS = "AssumeRoleWithWebIdentity"

# The codes of the four services and of the query protocol, without the "Exception" that some of them end with.
_NOT_FOUND = {"ResourceNotFound", "ParameterNotFound", "ParameterVersionNotFound"}
_ACCESS_DENIED = {
    *("AccessDenied", "ExpiredToken", "IncompleteSignature", "InvalidClientTokenId", "InvalidIdentityToken"),
    *("InvalidSignature", "MissingAuthenticationToken", "NotAuthorized", "OptInRequired", "UnrecognizedClient"),
}
_UNAVAILABLE = {
    *("IDPCommunicationError", "InternalFailure", "InternalServer", "InternalServerError", "InternalServiceError"),
    *("LimitExceeded", "ProvisionedThroughputExceeded", "RequestExpired", "RequestLimitExceeded", "RequestTimeout"),
    *("ServiceUnavailable", "Throttled", "Throttling", "TooManyRequests"),
}
_REASONS: dict[str, Reason] = {
    **dict.fromkeys(_NOT_FOUND, "not_found"),
    **dict.fromkeys(_ACCESS_DENIED, "access_denied"),
    **dict.fromkeys(_UNAVAILABLE, "unavailable"),
}
_FORBIDDEN, _TOO_MANY, _SERVER_ERROR = 403, 429, 500

_ACTION = re.compile(r"perform: ([A-Za-z0-9-]+:[A-Za-z0-9]+)")
_ROLE = re.compile(r"assumed-role/([\w+=,.@-]+)/")
_WHY = re.compile(r"because no ([a-z -]+) policy allows|with an explicit deny in an? ([a-z -]+) policy")
_LONGEST = 200


def named(source: Source) -> str:
    """How messages call a source."""
    match source:
        case Secret(name):
            return f"secret {name}"
        case Parameter(name):
            return f"parameter {name}"
        case ParameterPath(path):
            return f"parameters below {path}"
        case Item(table, key):
            return f"item {key} of table {table}"


def absent(what: str, region: str, *, check: str = "name and region") -> Refusal:
    """The refusal of what is not in the region that was asked: most often it is in another one."""
    return Refusal(reason="not_found", message=f"{what} is not there in {region}: check {check}")


def refusal(exc: Exception, source: Source, *, region: str, role: str = "") -> Refusal:
    """The refusal for one of ERRORS. `role`: whose permissions these are, where the error does not say it."""
    if is_of_identity(exc):
        return identity_refusal(exc, role=role)
    if isinstance(exc, exceptions.ClientError):
        status = exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        error = exc.response.get("Error", {})
        code, said = str(error.get("Code", "")), str(error.get("Message", ""))
        return refused(code, said, source, region=region, role=role, operation=exc.operation_name, status=status)
    return _without_answer(exc, named(source))


def refused(
    code: str, said: str, source: Source, *, region: str, role: str, operation: str, status: int = 0
) -> Refusal:
    """The refusal for an error code, AWS's text and the HTTP status."""
    what = named(source)
    reason = _reason(code, status)
    if reason == "not_found":
        return absent(what, f"{region} ({code} from {operation})")
    if reason == "unavailable":
        return Refusal(reason=reason, message=f"{what}: AWS cannot answer now ({code or status} from {operation})")
    if reason == "access_denied":
        return Refusal(reason=reason, message=f"{what}: {_denied(code, said, role, operation)}")
    return Refusal(reason="invalid", message=f"{what}: {operation} says {code}{_mended(code, said)}")


def _reason(code: str, status: int) -> Reason:
    if found := _REASONS.get(code.removesuffix("Exception")):
        return found
    if status >= _SERVER_ERROR or status == _TOO_MANY:
        return "unavailable"
    return "access_denied" if status == _FORBIDDEN else "invalid"


def _denied(code: str, said: str, role: str, operation: str) -> str:
    who = f"role {named_role[1]}" if (named_role := _ROLE.search(said)) else (f"role {role}" if role else "the caller")
    if "kms" in said.lower():
        action = found[1] if (found := _ACTION.search(said)) else "kms:Decrypt"
        return f"{who} may not {action} with the key that encrypts it; allow it in the key's policy and the role's"
    if code.removesuffix("Exception") != "AccessDenied":
        return f"AWS does not take the credentials of {who} ({code}); {DOCTOR}"
    action = found[1] if (found := _ACTION.search(said)) else operation
    why = _WHY.search(said)
    if why and why[2]:
        return f"{who} may not {action}: an explicit deny in its {why[2]} policy; remove the deny or leave it out"
    missing = f": no {why[1]} policy allows it" if why else ""
    return f"{who} may not {action}{missing}; allow it for this resource"


def _mended(code: str, said: str) -> str:
    if code.startswith("InvalidRequest") and ("deletion" in said or "marked deleted" in said):
        return ": it is marked for deletion; restore it or refer to another one"
    if code.startswith("DecryptionFailure") or code == "InvalidKeyId" or "KMS" in code:
        return ": the key that encrypts it is disabled, deleted or not usable; look at it in KMS"
    line = " ".join("".join(c if " " <= c <= "~" else " " for c in said).split())
    return f": {line[:_LONGEST]}" if line else ""


def is_of_identity(exc: Exception) -> bool:
    """Whether there are no credentials, rather than no permission; it is the same for every source."""
    if isinstance(exc, exceptions.ClientError):
        return bool(exc.operation_name == _STS)
    return isinstance(
        exc,
        (
            exceptions.NoCredentialsError,
            exceptions.PartialCredentialsError,
            exceptions.CredentialRetrievalError,
            exceptions.InvalidConfigError,
            exceptions.ConfigNotFound,
            exceptions.ProfileNotFound,
            FileNotFoundError,
            PermissionError,
        ),
    )


def identity_refusal(exc: Exception, *, role: str = "") -> Refusal:
    """The refusal where no credentials could be had, for one of ERRORS."""
    who = _who(role)
    if isinstance(exc, exceptions.ClientError):
        code = str(exc.response.get("Error", {}).get("Code", ""))
        if _reason(code, exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)) == "unavailable":
            return Refusal(reason="unavailable", message=f"{who}: STS cannot answer now ({code})")
        return Refusal(reason="access_denied", message=f"{who} cannot be assumed: STS says {code}; {DOCTOR}")
    if isinstance(exc, OSError):
        return Refusal(
            reason="unavailable",
            message=f"{who} cannot be assumed: {exc.filename or 'a file'}: {exc.strerror or type(exc).__name__}",
        )
    if is_of_identity(exc):
        kind = type(exc).__name__
        return Refusal(reason="access_denied", message=f"{who}: no credentials for AWS ({kind}); {DOCTOR}")
    return _without_answer(exc, f"{who} cannot be assumed")


def identity_is_late(*, role: str = "") -> Refusal:
    """The refusal where STS has not answered in time."""
    return Refusal(reason="unavailable", message=f"{_who(role)}: no answer from STS in time")


def _who(role: str) -> str:
    return f"role {role}" if role else "the pod's role"


def denied_action(exc: Exception) -> str | None:
    """The action that AWS names in an AccessDenied; "" where it names none; None where it is another error."""
    if not isinstance(exc, exceptions.ClientError) or is_of_identity(exc):
        return None
    if str(exc.response.get("Error", {}).get("Code", "")).removesuffix("Exception") != "AccessDenied":
        return None
    found = _ACTION.search(str(exc.response["Error"].get("Message", "")))
    return found[1] if found else ""


def _without_answer(exc: Exception, what: str) -> Refusal:
    kind = type(exc).__name__
    match exc:
        case exceptions.NoRegionError():
            text = f"{what}: no region; name it with the annotation admission.token-injector/region, or use the ARN"
            return Refusal(reason="invalid", message=text)
        case exceptions.ParamValidationError() | exceptions.InvalidRegionError() | exceptions.UnknownServiceError():
            return Refusal(reason="invalid", message=f"{what}: {kind}: check name and region")
        case OutOfTimeError():
            return Refusal(reason="unavailable", message=f"{what}: its time was over before AWS had answered")
        case exceptions.SSLError():
            text = f"{what}: the endpoint's certificate is not trusted; the CA of a proxy goes into AWS_CA_BUNDLE"
            return Refusal(reason="unavailable", message=text)
        case ValueError() if not isinstance(exc, exceptions.BotoCoreError):
            return Refusal(reason="invalid", message=f"{what}: AWS_ENDPOINT_URL of the injected container is no URL")
    return Refusal(reason="unavailable", message=f"{what}: no answer from AWS ({kind})")
