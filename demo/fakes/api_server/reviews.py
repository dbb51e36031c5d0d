"""TokenReviews as the real API server answers them: signature, time, audiences, and the pod that a token is bound to.

Who it has accepted it accepts for ten more seconds without a look, as the real one does: a deleted pod's token among
them. https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-tokens
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jwt

from demo.fakes.google import ClusterSigner

API_AUDIENCE = "https://kubernetes.default.svc"
CACHE_SECONDS = 10.0

FindPod = Callable[[str, str], Mapping[str, Any] | None]


class Reviews:
    """Knows one issuer's keys."""

    def __init__(self, issuer: ClusterSigner, find_pod: FindPod, *, clock: Callable[[], float] = time.time) -> None:
        self._issuer = issuer
        self._find_pod = find_pod
        self._clock = clock
        self._accepted: dict[tuple[str, tuple[str, ...]], tuple[float, dict[str, Any]]] = {}

    def status(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """The status for a TokenReview's spec."""
        token, audiences = str(spec.get("token", "")), tuple(spec.get("audiences") or (API_AUDIENCE,))
        key, now = (token, audiences), self._clock()
        until, status = self._accepted.get(key, (0.0, {}))
        if now < until:
            return status
        status = self._looked_at(token, audiences, now)
        if status["authenticated"]:
            self._accepted[key] = (now + CACHE_SECONDS, status)
        return status

    def _looked_at(self, token: str, audiences: Sequence[str], now: float) -> dict[str, Any]:
        keys = {key.kid: key.private.public_key() for key in self._issuer.keys}
        try:
            key = keys[jwt.get_unverified_header(token)["kid"]]
            unchecked = {f"verify_{name}": False for name in ("exp", "iat", "nbf", "aud", "iss", "sub", "jti")}
            claims: dict[str, Any] = jwt.decode(token, key, algorithms=["RS256"], options=unchecked)  # type: ignore[arg-type]  # a plain dict where PyJWT's stubs want their own TypedDict
        except (jwt.InvalidTokenError, KeyError):
            return _no("invalid bearer token")
        if claims.get("iss") != self._issuer.url:
            return _no("invalid bearer token")
        if now >= claims["exp"]:
            return _no("[invalid bearer token, service account token has expired]")
        meant = [audience for audience in audiences if audience in claims["aud"]]
        if not meant:
            told = f"token audiences {claims['aud']} is invalid for the target audiences {list(audiences)}"
            return _no(f"[invalid bearer token, {told}]")
        bound = claims["kubernetes.io"].get("pod")
        if bound:
            pod = self._find_pod(claims["kubernetes.io"]["namespace"], bound["name"])
            if pod is None or pod["metadata"]["uid"] != bound["uid"]:
                return _no("[invalid bearer token, service account token has been invalidated]")
        return {"authenticated": True, "audiences": meant, "user": _user(claims)}


def _no(error: str) -> dict[str, Any]:
    return {"authenticated": False, "error": error}


def _user(claims: Mapping[str, Any]) -> dict[str, Any]:
    private = claims["kubernetes.io"]
    namespace = private["namespace"]
    extra = {"authentication.kubernetes.io/credential-id": [f"JTI={claims['jti']}"]}
    if pod := private.get("pod"):
        extra["authentication.kubernetes.io/pod-name"] = [pod["name"]]
        extra["authentication.kubernetes.io/pod-uid"] = [pod["uid"]]
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"]
    return {"username": claims["sub"], "uid": "an-account-uid", "groups": groups, "extra": extra}
