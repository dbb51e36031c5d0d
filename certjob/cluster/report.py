"""What is a person or a monitor told at the end? Text and JSON; a key is in neither.

Pure.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from cryptography import x509

from certjob.certificates import subject_of
from certjob.checks import days_left
from certjob.cluster.converge import Outcome
from certjob.cluster.endpoints import Endpoint
from certjob.cluster.observed import Answer, Observed, Served
from certjob.cluster.progress import answered, awaited, serial
from certjob.cluster.step import (
    AwaitReplicas,
    Change,
    Done,
    IssueLeaf,
    LeaveAlone,
    Publish,
    RecordAuthorities,
    StoreAuthority,
    Trust,
)
from certjob.decide import Unusable
from certjob.report import certificate_json, certificates_text

_NAMES: dict[type[Change], str] = {
    StoreAuthority: "store-ca",
    RecordAuthorities: "record-cas",
    Trust: "trust",
    IssueLeaf: "issue-leaf",
    Publish: "publish-cas",
}
_STALE = (
    "the kubelet renews a mounted Secret within about a minute; a webhook that reads its certificate only at start has "
    "to be restarted; a NetworkPolicy must let this job reach the replicas' port"
)
_RESULTS = {Done: "done", LeaveAlone: "left-alone", AwaitReplicas: "replicas-stale"}


def outcome_json(outcome: Outcome, *, now: datetime) -> dict[str, Any]:
    """What certify did, for programs."""
    return {
        "result": _RESULTS[type(outcome.end)],
        "changes": [_change_json(change) for change in outcome.changes],
        "problems": problems(outcome),
        **_observed_json(outcome.observed, now),
        "notes": _notes(outcome),
        "next": next_steps(outcome),
    }


def outcome_text(outcome: Outcome, *, now: datetime) -> str:
    """What certify did, what there is now, and what to do next."""
    observed = outcome.observed
    lines = [f"{observed.target.called(observed.target.secret)}: {_summary(outcome)}"]
    if not isinstance(outcome.end, LeaveAlone):
        lines += _observed_text(observed, now)
    lines += [f"PROBLEM: {problem}" for problem in problems(outcome)]
    lines += [f"note: {note}" for note in _notes(outcome)]
    return "\n".join([*lines, *(f"next: {step}" for step in next_steps(outcome))]) + "\n"


def problems(outcome: Outcome) -> list[str]:
    """Why a run did not end well."""
    match outcome.end:
        case LeaveAlone(reasons=reasons):
            return list(reasons)
        case AwaitReplicas():
            return [awaited(outcome.end, outcome.observed)]
        case Done():
            return []


def next_steps(outcome: Outcome) -> list[str]:
    """What is left for the operator."""
    target = outcome.observed.target
    names = f"-s {target.service} -n {target.namespace} -t {target.secret}"
    check = f"token-injector-certs check {names} --webhook-configuration {target.configuration}"
    match outcome.end:
        case LeaveAlone():
            return ["nothing was changed by this decision; do what the problem says, then run again"]
        case AwaitReplicas():
            return [_STALE, "run again: it goes on where this run stopped; until then the CA before stays trusted"]
        case Done() if not outcome.observed.answers:
            wait = f"kubectl -n {target.namespace} get pods: replicas that wait for the Secret start by themselves"
            return [wait, f"then: {check}"]
        case Done():
            return [f"nothing; run again at any time, or watch with: {check}"]


def inspection_json(observed: Observed, found: tuple[str, ...], *, now: datetime) -> dict[str, Any]:
    """What check found, for programs."""
    return {
        "ok": not found,
        "findings": list(found),
        **_observed_json(observed, now),
        "notes": _endpoint_notes(observed),
    }


def inspection_text(observed: Observed, found: tuple[str, ...], *, now: datetime) -> str:
    """What check found: what is served, what is trusted, and what is wrong."""
    target = observed.target
    lines = [*_observed_text(observed, now), *(f"note: {note}" for note in _endpoint_notes(observed))]
    if not found:
        return "\n".join([*lines, "OK"]) + "\n"
    names = f"-s {target.service} -n {target.namespace} -t {target.secret}"
    step = f"token-injector-certs certify {names} --webhook-configuration {target.configuration}"
    found_lines = [f"PROBLEM: {finding}" for finding in found]
    return "\n".join([*lines, *found_lines, f"next: {step}, with the flags of the first time"]) + "\n"


def _summary(outcome: Outcome) -> str:
    what = _deed(outcome.changes)
    match outcome.end:
        case LeaveAlone():
            return f"{what}, then left alone" if outcome.changes else "left alone"
        case AwaitReplicas():
            return f"{what}, but not every replica serves it yet"
        case Done():
            return what


def _deed(changes: tuple[Change, ...]) -> str:
    stored = [change for change in changes if isinstance(change, StoreAuthority)]
    issued = any(isinstance(change, IssueLeaf) for change in changes)
    if stored and stored[0].beside:
        return "rotated the CA and renewed the serving certificate" if issued else "rotated the CA"
    if stored:
        return "made a CA and a serving certificate" if issued else "made a CA"
    if issued:
        return "renewed the serving certificate"
    return "brought Secrets and configuration into line" if changes else "kept the certificates: they are good"


def _notes(outcome: Outcome) -> list[str]:
    notes = [*outcome.notes, *_endpoint_notes(outcome.observed)]
    if outcome.observed.owner is None and not isinstance(outcome.end, LeaveAlone):
        service = outcome.observed.target.service
        notes.append(
            f"no EndpointSlice names the Service {service}: the Secrets have no owner, and stay when it is deleted; a "
            "later run sets it"
        )
    if isinstance(outcome.end, Done):
        silent = [one for one in outcome.observed.answers if not isinstance(one[1], Served) and one[0].serving]
        notes += [answered(*one) for one in silent]
    return notes


def _endpoint_notes(observed: Observed) -> list[str]:
    return [] if observed.answers else [f"the Service {observed.target.service} has no replica yet"]


def _observed_text(observed: Observed, now: datetime) -> Iterator[str]:
    leaf = observed.leaf
    yield from certificates_text(None if isinstance(leaf, Unusable) else leaf, _published(observed), now)
    yield f"trusted  by MutatingWebhookConfiguration {observed.configuration.name}:"
    for entry in observed.configuration.entries:
        trusted = () if isinstance(entry.trusted, Unusable) else entry.trusted
        names = ", ".join(f"{subject_of(one)} ({days_left(one, now)} days left)" for one in trusted)
        yield f"         {entry.name}: {names or 'nobody'}"
    for endpoint, answer in observed.answers:
        yield f"served   {_answer_text(endpoint, answer, leaf, now)}"


def _answer_text(endpoint: Endpoint, answer: Answer, leaf: x509.Certificate | Unusable, now: datetime) -> str:
    said = answered(endpoint, answer)
    if not isinstance(answer, Served):
        return said
    which = "the Secret's" if answer.leaf == leaf else "another than the Secret's"
    return f"{said}, {which}, {days_left(answer.leaf, now)} days left"


def _observed_json(observed: Observed, now: datetime) -> dict[str, Any]:
    target, leaf = observed.target, observed.leaf
    return {
        "secret": f"{target.namespace}/{target.secret}",
        "leaf": None if isinstance(leaf, Unusable) else certificate_json(leaf, now),
        "authorities": [certificate_json(one, now) for one in _published(observed)],
        "configuration": {
            "name": target.configuration,
            "webhooks": [
                {
                    "name": entry.name,
                    "trusted": []
                    if isinstance(entry.trusted, Unusable)
                    else [certificate_json(one, now) for one in entry.trusted],
                }
                for entry in observed.configuration.entries
            ],
        },
        "endpoints": [_endpoint_json(*one, leaf, now) for one in observed.answers],
    }


def _endpoint_json(
    endpoint: Endpoint, answer: Answer, leaf: x509.Certificate | Unusable, now: datetime
) -> dict[str, Any]:
    about = {
        "address": endpoint.address,
        "port": endpoint.port,
        "pod": endpoint.pod,
        "serving": endpoint.serving,
        "terminating": endpoint.terminating,
    }
    if not isinstance(answer, Served):
        return about | {"problem": answer.reason}
    return about | {
        "serial": serial(answer.leaf),
        "current": answer.leaf == leaf,
        "trusted": answer.distrust is None,
        "days_left": days_left(answer.leaf, now),
        "problem": answer.distrust,
    }


def _published(observed: Observed) -> tuple[x509.Certificate, ...]:
    return () if isinstance(observed.published, Unusable) else observed.published


def _change_json(change: Change) -> dict[str, str]:
    reason = change.reason if isinstance(change, StoreAuthority | IssueLeaf) else None
    return {"step": _NAMES[type(change)]} | ({"reason": reason} if reason else {})
