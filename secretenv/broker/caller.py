"""Which pod asks? What its token says, held against the pod as it lives now.

A token alone is not enough: it has to be made for the broker and bound to a pod, and that pod has to be there, the same
one, under the same service account, and not on its way out. Nothing of this is remembered: the token of a deleted pod
is refused from its next request on.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import quote

from contract.secrets import BROKER_AUDIENCE
from kube.errors import KubeError, NotFoundError, UnavailableError, printable
from secretenv.broker.refused import RefusedError, unavailable

# What STS takes, and more than any Kubernetes token has.
TOKEN_LIMIT = 20_000
# The API server answers in milliseconds; a place in the broker is not held for longer.
TIMEOUT = 3.0
_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
# https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-tokens
_POD_NAME = "authentication.kubernetes.io/pod-name"
_POD_UID = "authentication.kubernetes.io/pod-uid"
_USERNAME = re.compile(r"system:serviceaccount:([a-z0-9-]{1,63}):([a-z0-9.-]{1,253})")
_OVER = {"Succeeded", "Failed"}


class Api(Protocol):
    """The API server (kube.client.Client)."""

    def create(self, path: str, obj: dict[str, Any], *, timeout: float) -> dict[str, Any]:
        """Raises `KubeError`."""

    def get(self, path: str, *, timeout: float) -> dict[str, Any]:
        """Raises `KubeError`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A pod that is who it says."""

    namespace: str
    service_account: str
    pod: str
    annotations: Mapping[str, str] = field(default_factory=dict, repr=False)
    """As they stand on the live pod."""

    @property
    def account(self) -> str:
        """NAMESPACE:SERVICEACCOUNT."""
        return f"{self.namespace}:{self.service_account}"


@dataclass(frozen=True, slots=True)
class _Reviewed:
    namespace: str
    service_account: str
    pod: str | None
    uid: str | None


class Callers:
    """Asks the API server about tokens and pods."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def bound(self, token: str) -> Caller:
        """The pod that a token for the broker is bound to. Raises `RefusedError`."""
        found = self._review(token, audience=BROKER_AUDIENCE, status=401)
        if not found.pod or not found.uid:
            raise _forbidden(
                "unbound_token", "the token is not bound to a pod: expected one that the kubelet has projected into it"
            )
        return self._live(found, found.pod)

    def legacy(self, token: str, pod: str) -> Caller:
        """piggy's: any token that the API server takes, and a pod of its service account. Raises `RefusedError`.

        A projected token says which pod it was made for; it speaks for no other one.
        """
        found = self._review(token, audience=None, status=400)
        if found.pod is not None and found.pod != pod:
            raise RefusedError(400, "other_pod", "the token is another pod's")
        try:
            return self._live(found, pod)
        except RefusedError as exc:
            # piggy answers 400 to whatever is wrong with a pod.
            raise RefusedError(400 if exc.status == _FORBIDDEN else exc.status, exc.reason, str(exc)) from exc

    def _review(self, token: str, *, audience: str | None, status: int) -> _Reviewed:
        if not 0 < len(token) <= TOKEN_LIMIT or not token.isascii() or not token.isprintable() or " " in token:
            raise RefusedError(status, "no_token", "no bearer token: expected the text of a service account's token")
        wanted: dict[str, Any] = {"token": token} | ({"audiences": [audience]} if audience else {})
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": wanted}
        said = self._ask(lambda: self._api.create(_REVIEWS, review, timeout=TIMEOUT)).get("status")
        if not isinstance(said, dict) or said.get("authenticated") is not True:
            error = said.get("error") if isinstance(said, dict) else None
            why = f": {printable(error)}" if isinstance(error, str) and error else ""
            raise RefusedError(status, "bad_token", f"the API server does not accept the token{why}")
        # An API server that knows no audiences names none, and would take any token of its own.
        if audience and audience not in (said.get("audiences") or ()):
            raise RefusedError(status, "bad_token", f"the token is not made for the audience {audience}")
        return _reviewed(said.get("user"))

    def _live(self, found: _Reviewed, name: str) -> Caller:
        path = f"/api/v1/namespaces/{quote(found.namespace, safe='')}/pods/{quote(name, safe='')}"
        try:
            pod = self._ask(lambda: self._api.get(path, timeout=TIMEOUT))
        except NotFoundError:
            raise _forbidden("no_pod", f"there is no pod {found.namespace}/{name[:253]}") from None
        metadata, spec = _part(pod, "metadata"), _part(pod, "spec")
        what = f"pod {found.namespace}/{name}"
        if found.uid is not None and metadata.get("uid") != found.uid:
            raise _forbidden("other_pod", f"{what} is not the one that the token was made for")
        if (spec.get("serviceAccountName") or "default") != found.service_account:
            raise _forbidden("other_account", f"{what} does not run as the token's service account")
        if metadata.get("deletionTimestamp") or _part(pod, "status").get("phase") in _OVER:
            raise _forbidden("pod_over", f"{what} is ending or has ended")
        return Caller(
            namespace=found.namespace,
            service_account=found.service_account,
            pod=name,
            annotations=_part(metadata, "annotations"),
        )

    def _ask(self, ask: "Asks") -> dict[str, Any]:
        """Twice where the connection broke: a kept-alive one may just have been closed; nothing is changed."""
        try:
            try:
                return ask()
            except UnavailableError:
                return ask()
        except NotFoundError:
            raise
        except KubeError as exc:
            raise unavailable(f"the broker cannot ask the API server: {exc}") from exc


class Asks(Protocol):
    """One request."""

    def __call__(self) -> dict[str, Any]:
        """Raises `KubeError`."""


_FORBIDDEN = 403


def _forbidden(reason: str, message: str) -> RefusedError:
    return RefusedError(_FORBIDDEN, reason, message)


def _reviewed(user: Any) -> _Reviewed:
    known = user if isinstance(user, dict) else {}
    named = _USERNAME.fullmatch(str(known.get("username")))
    if not named:
        raise _forbidden("no_account", "the token is no service account's")
    extra = _part(known, "extra")
    return _Reviewed(named[1], named[2], _single(extra.get(_POD_NAME)), _single(extra.get(_POD_UID)))


def _single(values: Any) -> str | None:
    return values[0] if isinstance(values, list) and len(values) == 1 and isinstance(values[0], str) else None


def _part(obj: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = obj.get(key)
    return found if isinstance(found, dict) else {}
