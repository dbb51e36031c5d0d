"""Is this web identity token genuine? Form, issuer, signature, time and audience, in STS's own words."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jwt

from demo.fakes.sts.errors import RefusedError, invalid_token
from demo.fakes.sts.registry import Account, Jwks

GOOGLE = "https://accounts.google.com"
FORM = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
REQUIRED = ("iss", "sub", "aud", "exp", "iat")
NOT_A_JWT = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
NO_KEY = (
    "Couldn't retrieve verification key from your identity provider,  "
    "please reference AssumeRoleWithWebIdentity documentation for requirements"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A verified token."""

    issuer: str
    claims: Mapping[str, Any]
    provider_arn: str | None
    """None for Google, which is built in."""
    audience: str
    """The client ID that STS shows: `azp` for Google."""


def verified(unverified_token: str, account: Account, *, account_id: str, now: float) -> Identity:
    """Verify the token; raise RefusedError as STS does. The OIDC providers are those of the role's account."""
    unverified_claims = _unverified_claims(unverified_token)
    issuer = str(unverified_claims["iss"])
    if issuer in {GOOGLE, GOOGLE.removeprefix("https://")}:
        if GOOGLE in account.providers:
            # Google is built in; an account that registers it as a provider of its own breaks it.
            raise invalid_token("Incorrect token audience")
        claims = _signed_claims(unverified_token, account, account.google_jwks)
        _check_time(claims, now)
        audience = str(claims.get("azp", claims["aud"]))
        return Identity(issuer=GOOGLE, claims=claims, provider_arn=None, audience=audience)
    if issuer not in account.providers:
        raise invalid_token(f"No OpenIDConnect provider found in your account for {issuer}")
    provider = account.providers[issuer]
    claims = _signed_claims(unverified_token, account, provider.jwks)
    _check_time(claims, now)
    audiences = [client for client in _list(claims["aud"]) if client in provider.client_ids]
    if not audiences:
        raise invalid_token("Incorrect token audience")
    arn = f"arn:aws:iam::{account_id}:oidc-provider/{issuer.removeprefix('https://')}"
    return Identity(issuer=issuer, claims=claims, provider_arn=arn, audience=audiences[0])


def _unverified_claims(token: str) -> Mapping[str, Any]:
    # PyJWT's base64 skips what is outside the alphabet: a trailing newline would pass.
    if not FORM.fullmatch(token):
        raise invalid_token(NOT_A_JWT)
    try:
        claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    except jwt.InvalidTokenError as error:
        raise invalid_token(NOT_A_JWT) from error
    for name in REQUIRED:
        if claims.get(name) is None:
            raise invalid_token(f"Missing a required claim: {name}")
    return claims


def _signed_claims(token: str, account: Account, jwks: Jwks) -> Mapping[str, Any]:
    try:
        published = account.fetch(jwks)
    except OSError as error:
        raise RefusedError("IDPCommunicationError", "Error communicating with the identity provider") from error
    try:
        kid = jwt.get_unverified_header(token).get("kid")
        keys = [key for key in jwt.PyJWKSet.from_dict(dict(published)).keys if kid is not None and key.key_id == kid]
        if not keys:
            raise invalid_token(NO_KEY)
        # The times are checked after this, with STS's own errors.
        options = {f"verify_{name}": False for name in ("exp", "iat", "nbf", "aud", "iss", "sub", "jti")}
        # A plain dict where PyJWT's stubs want their own TypedDict.
        return dict(jwt.decode(token, keys[0].key, algorithms=["RS256"], options=options))  # type: ignore[arg-type]
    except (jwt.InvalidTokenError, jwt.PyJWKSetError) as error:
        raise invalid_token(NO_KEY) from error


def _check_time(claims: Mapping[str, Any], now: float) -> None:
    try:
        expires, begins = int(claims["exp"]), int(claims.get("nbf", 0))
    except (TypeError, ValueError) as error:
        raise invalid_token(NOT_A_JWT) from error
    if now >= expires:
        message = f"Token expired: current date/time {int(now)} must be before the expiration date/time {expires}"
        raise RefusedError("ExpiredTokenException", message)
    if now < begins:
        raise invalid_token("Token is not valid yet")


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]
