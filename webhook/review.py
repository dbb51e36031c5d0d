"""AdmissionReview in, AdmissionReview out.

One direction: check the request, look up the service account, decide, transform, answer. Nothing is looked up on the
way back. Sources: Kubernetes' admission.k8s.io/v1 and v1beta1.
"""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from webhook.decision import BAD_REQUEST, UNAVAILABLE, Deny, EphemeralInjection, Injection, Skip
from webhook.mutate import Mutation, mutate, mutate_ephemeral, mutate_unasked
from webhook.pod import Pod, display_name, service_account_name
from webhook.secrets.look_ups import OFFLINE, LookUps
from webhook.settings import Settings
from webhook.shape import shape_problem

Outcome = Literal["injected", "unchanged", "denied", "invalid"]
_Request = dict[str, Any]

VERSIONS = ("admission.k8s.io/v1", "admission.k8s.io/v1beta1")
_INJECTIONS = (Injection, EphemeralInjection)
# The API server passes on 4096 characters of a response's warnings and 256 of each; a pod may earn thousands.
MOST_WARNINGS = 16
# A patch is a tree of our own making: no need to look for circles in it.
_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


class AccountsUnavailableError(Exception):
    """The service account can't be known now; the message names it and says to retry."""


class ServiceAccounts(Protocol):
    """Where annotations of service accounts come from."""

    def annotations(self, namespace: str, name: str) -> Mapping[str, str] | None:
        """The account's annotations, None if there is no such account. Raises `AccountsUnavailableError`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What goes back, and what the log line and the metrics say about it."""

    body: dict[str, Any] = field(repr=False)
    outcome: Outcome
    reason: str
    """From a closed vocabulary: a metric's label."""
    fields: Mapping[str, str]
    """uid, namespace, pod, service_account."""


class _InvalidReviewError(Exception):
    """The request can't be read; the message says what was expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sources:
    """What an answer is made of beside the request."""

    accounts: ServiceAccounts
    settings: Settings
    look_ups: LookUps


def review(body: Any, *, accounts: ServiceAccounts, settings: Settings, look_ups: LookUps = OFFLINE) -> Answer:
    """The answer to one decoded AdmissionReview. Raises nothing but our own bugs."""
    try:
        request = _request(body)
    except _InvalidReviewError as exc:
        return Answer(
            body=failure(body, BAD_REQUEST, str(exc)), outcome="invalid", reason="bad_review", fields=_fields({}, {})
        )
    kind = _reviewed(request)
    if kind is None:
        return _allowed(body, request, "other_resource")
    for place in kind.objects:
        problem = shape_problem(request[place])
        if problem:
            message = problem if place == "object" else f"{place}: {problem}"
            answer = failure(body, BAD_REQUEST, message)
            return Answer(body=answer, outcome="invalid", reason="bad_pod", fields=_fields(request, {}))
    return kind.answer(body, request, _Sources(accounts=accounts, settings=settings, look_ups=look_ups))


def failure(body: Any, code: int, message: str) -> dict[str, Any]:
    """The AdmissionReview that says no to what could not be reviewed; the uid is copied if there is one."""
    request = body.get("request") if isinstance(body, dict) else None
    uid = request.get("uid") if isinstance(request, dict) else None
    version = body.get("apiVersion") if isinstance(body, dict) else None
    return {
        "apiVersion": version if version in VERSIONS else VERSIONS[0],
        "kind": "AdmissionReview",
        "response": {
            "uid": uid if isinstance(uid, str) else "",
            "allowed": False,
            "status": {"metadata": {}, "message": message, "code": code},
        },
    }


def _review_creation(body: Any, request: _Request, sources: _Sources) -> Answer:
    pod = request["object"]
    unasked = mutate_unasked(pod, sources.settings)
    if unasked:
        return _answer(body, request, pod, unasked)
    namespace = _namespace(request, pod)
    try:
        annotations = sources.accounts.annotations(namespace, service_account_name(pod))
    except AccountsUnavailableError as exc:
        return _denied(body, request, pod, UNAVAILABLE, "accounts_unavailable", str(exc))
    mutation = mutate(pod, namespace, annotations, sources.settings, seed=request["uid"], look_ups=sources.look_ups)
    return _answer(body, request, pod, mutation)


def _review_ephemeral(body: Any, request: _Request, sources: _Sources) -> Answer:
    """No look-up: a running pod has its identity."""
    pod = request["object"]
    mutation = mutate_ephemeral(pod, request["oldObject"], _namespace(request, pod), sources.settings)
    return _answer(body, request, pod, mutation)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reviewed:
    """A kind of request that is looked at, and the objects that it has to bring."""

    sub_resource: str
    operation: str
    objects: tuple[str, ...]
    answer: Callable[[Any, _Request, _Sources], Answer]


# Every other one is let through unseen.
_REVIEWED = (
    _Reviewed(sub_resource="", operation="CREATE", objects=("object",), answer=_review_creation),
    _Reviewed(
        sub_resource="ephemeralcontainers",
        operation="UPDATE",
        objects=("object", "oldObject"),
        answer=_review_ephemeral,
    ),
)


def _reviewed(request: _Request) -> _Reviewed | None:
    resource = request["resource"]
    if resource.get("group", "") != "" or resource.get("resource") != "pods":
        return None
    sub_resource, operation = request.get("subResource") or "", request.get("operation", "CREATE")
    kinds = (kind for kind in _REVIEWED if (kind.sub_resource, kind.operation) == (sub_resource, operation))
    return next(kinds, None)


def _namespace(request: _Request, pod: Pod) -> str:
    return str(request.get("namespace") or (pod.get("metadata") or {}).get("namespace") or "default")


def _answer(body: Any, request: _Request, pod: Pod, mutation: Mutation) -> Answer:
    match mutation.decision:
        case Skip() as skip:
            return _allowed(body, request, skip.reason, mutation=mutation, pod=pod)
        case Deny() as deny:
            return _denied(body, request, pod, deny.code, deny.reason, deny.message)
        case EphemeralInjection():
            return _allowed(body, request, "ephemeral", mutation=mutation, pod=pod)
        case Injection() as injection:
            return _allowed(body, request, _reason(injection), mutation=mutation, pod=pod)


def _reason(injection: Injection) -> str:
    """What does the work; where secrets are delivered, that too."""
    work = injection.shape if injection.google else "cluster" if injection.web_identity else "no_identity"
    return f"{work}_secrets" if injection.secrets else work


def _allowed(
    body: Any, request: dict[str, Any], reason: str, *, mutation: Mutation | None = None, pod: Pod | None = None
) -> Answer:
    response: dict[str, Any] = {"uid": request["uid"], "allowed": True}
    if mutation and mutation.patch:
        response["patchType"] = "JSONPatch"
        response["patch"] = base64.b64encode(_encode(mutation.patch).encode()).decode()
    if mutation and mutation.warnings:
        response["warnings"] = _told(mutation.warnings)
    answer = {"apiVersion": body["apiVersion"], "kind": "AdmissionReview", "response": response}
    outcome: Outcome = "injected" if mutation and isinstance(mutation.decision, _INJECTIONS) else "unchanged"
    return Answer(body=answer, outcome=outcome, reason=reason, fields=_fields(request, pod or {}))


def _told(warnings: tuple[str, ...]) -> list[str]:
    if len(warnings) <= MOST_WARNINGS:
        return list(warnings)
    kept = warnings[: MOST_WARNINGS - 1]
    return [*kept, f"{len(warnings) - len(kept)} more warnings about this pod are left out"]


def _denied(body: Any, request: dict[str, Any], pod: Pod, code: int, reason: str, message: str) -> Answer:
    return Answer(body=failure(body, code, message), outcome="denied", reason=reason, fields=_fields(request, pod))


def _request(body: Any) -> _Request:
    if not isinstance(body, dict) or body.get("kind") != "AdmissionReview" or body.get("apiVersion") not in VERSIONS:
        raise _InvalidReviewError(f"expected an AdmissionReview of {' or '.join(VERSIONS)}")
    request = body.get("request")
    if not isinstance(request, dict):
        raise _InvalidReviewError("the AdmissionReview has no request")
    if not isinstance(request.get("uid"), str) or not request["uid"]:
        raise _InvalidReviewError("the request has no uid")
    if not isinstance(request.get("resource"), dict) or not isinstance(request.get("namespace") or "", str):
        raise _InvalidReviewError("the request has no resource, or a namespace that is no string")
    kind = _reviewed(request)
    for place in kind.objects if kind else ():
        if not isinstance(request.get(place), dict):
            raise _InvalidReviewError(f"the request has no {place}")
    return request


def _fields(request: Mapping[str, Any], pod: Pod) -> dict[str, str]:
    """A review's log fields: names only."""
    return {
        "uid": str(request.get("uid", "")),
        "namespace": str(request.get("namespace") or ""),
        "pod": display_name(pod) if pod else str(request.get("name") or ""),
        "service_account": service_account_name(pod) if pod.get("spec") else "",
    }
