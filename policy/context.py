"""Which condition keys does a web identity token fill, and from which claim?

Pure. The rule is AWS's: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html
("Available keys for AWS OIDC federation", the default mapping, which holds for Google too).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

GOOGLE = "accounts.google.com"
SESSION_NAME_KEY = "sts:RoleSessionName"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextValue:
    """The values of one condition key in this request."""

    values: tuple[str, ...]
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What AWS compares a trust policy's conditions with."""

    provider: str
    """The issuer without https://, the prefix of its keys."""
    keys: Mapping[str, ContextValue]
    """By key name in lower case, as key names are not case-sensitive."""

    def value(self, key: str) -> ContextValue | None:
        """The key's values, or None when the request does not have the key."""
        return self.keys.get(key.lower())

    def is_unknown(self, key: str) -> bool:
        """Whether AWS may know the key though we do not: `aws:` keys come from the request, not from the token."""
        return key.lower().startswith("aws:") and self.value(key) is None


def provider_of(issuer: str) -> str:
    """The name by which IAM knows an issuer: its URL without the scheme. Google's older tokens have none."""
    return issuer.removeprefix("https://").removesuffix("/")


def context_of(
    *,
    issuer: str,
    unverified_claims: Mapping[str, Any],
    session_name: str,
    request_context: Mapping[str, str],
) -> Context:
    """The condition keys of one AssumeRoleWithWebIdentity request.

    | key | read from |
    |---|---|
    | ISSUER:aud | claim azp if it is set, else claim aud |
    | ISSUER:oaud | claim aud |
    | ISSUER:sub, :email, :amr | the claim of that name |
    | accounts.google.com:google/organization_number | claim google.organization_number |
    | sts:RoleSessionName | the request |
    | aws:SecureTransport | true: STS has no plain HTTP |
    """
    provider = provider_of(issuer)
    claims = unverified_claims
    keys: dict[str, ContextValue] = {}

    def put(name: str, claim: str, value: object) -> None:
        values = _texts(value)
        if values:
            keys[f"{provider}:{name}".lower()] = ContextValue(values=values, origin=f"claim {claim}")

    put("aud", "aud", claims.get("aud"))
    put("aud", "azp", claims.get("azp"))
    put("oaud", "aud", claims.get("aud"))
    for name in ("sub", "email", "amr"):
        put(name, name, claims.get(name))
    google_claims = claims.get("google")
    if provider == GOOGLE and isinstance(google_claims, Mapping):
        number = "organization_number"
        put(f"google/{number}", f"google.{number}", google_claims.get(number))
    keys[SESSION_NAME_KEY.lower()] = ContextValue(values=(session_name,), origin="session name")
    keys["aws:securetransport"] = ContextValue(values=("true",), origin="the connection")
    for key, value in request_context.items():
        keys[key.lower()] = ContextValue(values=(value,), origin="the request")
    return Context(provider=provider, keys=keys)


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, list | tuple):
        return tuple(text for entry in value for text in _texts(entry))
    if isinstance(value, bool):
        return ("true" if value else "false",)
    if isinstance(value, int | float):
        return (str(value),)
    return (value,) if isinstance(value, str) and value else ()
