"""Is a web identity token genuine, told without asking STS?

Pods of one service account have a token each, and may share one session only if STS would have said the same to all of
them: to tokens with the same claims, whose signature is the issuer's. What cannot be checked here (another algorithm,
an issuer whose keys are not known or not to be had) is not proven, and STS is asked for that very token.
"""

import base64
import binascii
import json
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

_log = logging.getLogger(__name__)

# Issuers publish a new key hours before they sign with it; an old one is taken for as long as it is published.
_KEYS_SECONDS = 3600.0
# Between two attempts to have keys that could not be had, or that lack the one which is looked for.
_PAUSE = 60.0
_LEAST_BITS = 2048
# Of one token among the many of its subject; no trust policy can ask for them. In `kubernetes.io` the pod is named.
_OF_ONE_TOKEN = frozenset({"exp", "iat", "nbf", "jti", "at_hash", "kubernetes.io"})

Fetch = Callable[[str], bytes]
"""The body at a URL; raises OSError."""


@dataclass(slots=True)
class _Keys:
    url: str
    lock: threading.Lock = field(default_factory=threading.Lock)
    keys: Mapping[str, rsa.RSAPublicKey] = field(default_factory=dict)
    fetched_at: float | None = None
    tried_at: float | None = None


class Proofs:
    """Checks tokens of known issuers; for many threads."""

    def __init__(self, key_urls: Mapping[str, str], *, fetch: Fetch, clock: Callable[[], float]) -> None:
        """`key_urls` maps an issuer to its JSON Web Key Set; `clock` is seconds since 1970."""
        self._issuers = {issuer: _Keys(url) for issuer, url in key_urls.items()}
        self._fetch = fetch
        self._clock = clock

    def claims(self, unverified_token: str) -> str | None:
        """What the issuer says and a trust policy can decide on, as one text; None if nothing is proven here."""
        parts = unverified_token.split(".")
        if len(parts) != _PARTS:
            return None
        try:
            header, unverified_claims = _object(parts[0]), _object(parts[1])
            signature = _decoded(parts[2])
        except ValueError:
            return None
        issuer = self._issuers.get(str(unverified_claims.get("iss")))
        if issuer is None or header.get("alg") != "RS256":
            return None
        key = self._key(issuer, str(header.get("kid")))
        if key is None or not _is_signed(key, signature, f"{parts[0]}.{parts[1]}".encode("ascii")):
            return None
        return _lasting(unverified_claims, self._clock())

    def _key(self, issuer: _Keys, kid: str) -> rsa.RSAPublicKey | None:
        with issuer.lock:
            now = self._clock()
            is_old = issuer.fetched_at is None or now - issuer.fetched_at > _KEYS_SECONDS
            may_try = issuer.tried_at is None or now - issuer.tried_at > _PAUSE
            if (is_old or kid not in issuer.keys) and may_try:
                issuer.tried_at = now
                try:
                    issuer.keys, issuer.fetched_at = _public_keys(self._fetch(issuer.url)), now
                except (OSError, ValueError) as exc:
                    _log.warning(
                        "no keys of the issuer at %s (%s): STS checks each token", issuer.url, type(exc).__name__
                    )
            is_old = issuer.fetched_at is None or now - issuer.fetched_at > _KEYS_SECONDS + _PAUSE
            return None if is_old else issuer.keys.get(kid)


_PARTS = 3


def _lasting(claims: Mapping[str, Any], now: float) -> str | None:
    expires, begins = claims.get("exp"), claims.get("nbf", 0)
    if not isinstance(expires, int | float) or not isinstance(begins, int | float) or not begins <= now < expires:
        return None
    return json.dumps({name: value for name, value in claims.items() if name not in _OF_ONE_TOKEN}, sort_keys=True)


def _public_keys(body: bytes) -> dict[str, rsa.RSAPublicKey]:
    """The RSA keys of a JSON Web Key Set by their names. Raises ValueError for what is none."""
    found = json.loads(body)
    listed = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(listed, list):
        raise ValueError("no JSON Web Key Set")  # noqa: TRY004 - as json's own
    keys = {}
    for jwk in listed:
        match jwk:
            case {"kty": "RSA", "kid": str(kid), "n": str(modulus), "e": str(exponent)}:
                numbers = rsa.RSAPublicNumbers(_number(exponent), _number(modulus))
                if numbers.n.bit_length() >= _LEAST_BITS:
                    keys[kid] = numbers.public_key()
    return keys


def _is_signed(key: rsa.RSAPublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        key.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def _object(part: str) -> dict[str, Any]:
    try:
        found = json.loads(_decoded(part))
    except RecursionError as exc:
        raise ValueError("nested too deeply") from exc
    if not isinstance(found, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 - as json's own
    return found


def _number(text: str) -> int:
    return int.from_bytes(_decoded(text), "big")


def _decoded(text: str) -> bytes:
    """Base64url without padding (RFC 7515), and nothing that is not of it. Raises ValueError."""
    if "=" in text:
        raise ValueError("no base64url")
    try:
        return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as exc:
        raise ValueError("no base64url") from exc
