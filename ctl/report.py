"""How is a diagnosis shown? As text or as JSON.

Pure. Claims are identifiers and are shown; the token and its signature never get here.
"""

import json
from typing import Any

from ctl.diagnosis import Diagnosis
from ctl.token import moment
from policy.context import SESSION_NAME_KEY
from policy.trust import Allowed, ConditionFailure, Refused

_CLAIMS = ("iss", "sub", "aud", "azp", "email")
_TIMES = ("iat", "nbf", "exp")


def as_text(diagnosis: Diagnosis, now: float) -> str:
    """For people: the verdict first, then what it rests on, then what to do. `now` is seconds since 1970."""
    lines: list[str] = [f"refused: {problem.text}" for problem in diagnosis.problems]
    lines += [*_verdict(diagnosis), "", "the token claims (unverified: its signature was not checked)"]
    lines += [f"  {name:<6}{value}" for name, value in _claims(diagnosis).items()]
    lines += [f"  {name:<6}{moment(seconds, now)}" for name, seconds in _times(diagnosis).items()]
    lines += ["", "AWS compares"]
    width = max(map(len, diagnosis.compared))
    for key, value in diagnosis.compared.items():
        lines.append(
            f"  {key:<{width}}  {_printable(', '.join(value.values))}  ({_origin(key, value.origin, diagnosis)})"
        )
    if diagnosis.risks:
        lines += ["", "risks of this policy"]
        lines += [f"  {risk.severity}: {risk.place}: {risk.text}" for risk in diagnosis.risks]
    if diagnosis.corrected is not None:
        lines += ["", "corrected policy", json.dumps(diagnosis.corrected, indent=2)]
    if diagnosis.correction_note:
        lines += ["", f"note: {_printable(diagnosis.correction_note)}"]
    lines += ["", "next", *(f"  {_printable(step)}" for step in diagnosis.next_steps)]
    return "\n".join(lines) + "\n"


def _verdict(diagnosis: Diagnosis) -> list[str]:
    match diagnosis.verdict:
        case Allowed(statement=statement):
            although = "the policy would allow it" if diagnosis.problems else "allowed"
            return [f"{although}: {statement}"]
        case Refused(reason=reason, failures=failures):
            return [f"refused: {_printable(reason)}", *(line for one in failures for line in _failure(one))]
        case undecided:
            return [f"undecided: {undecided.statement}: {_printable(undecided.reason)}"]


def _failure(failure: ConditionFailure) -> list[str]:
    wants = " or ".join(map(repr, failure.policy_values))
    has = "nothing: the request has no such key" if failure.token_value is None else repr(failure.token_value)
    lines = [
        f"  {failure.place}: {failure.operator} {failure.key}",
        f"    the policy wants  {wants}",
        f"    AWS compares      {has}" + (f" ({failure.claim})" if failure.claim else ""),
    ]
    return [*lines, f"    {_printable(failure.hint)}"] if failure.hint else lines


def _origin(key: str, origin: str, diagnosis: Diagnosis) -> str:
    """The rule that surprises most people stands beside the value."""
    if key.endswith(":aud"):
        return "claim azp, which AWS takes for aud wherever it is set" if origin == "claim azp" else "claim aud; no azp"
    is_assumed = key == SESSION_NAME_KEY and diagnosis.session_name_assumed
    return f"{origin}, assumed" if is_assumed else origin


def _claims(diagnosis: Diagnosis) -> dict[str, str]:
    found = {name: diagnosis.unverified_claims.get(name) for name in _CLAIMS}
    return {
        name: _printable(", ".join(map(str, value)) if isinstance(value, list) else str(value))
        for name, value in found.items()
        if value is not None
    }


def _times(diagnosis: Diagnosis) -> dict[str, float]:
    return {name: diagnosis.unverified_claims[name] for name in _TIMES if name in diagnosis.unverified_claims}


def _printable(text: str) -> str:
    """A claim comes from anywhere: it may not write to the terminal as it likes."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def as_json(diagnosis: Diagnosis, now: float) -> str:
    """For programs: one object."""
    verdict = diagnosis.verdict
    failures = verdict.failures if isinstance(verdict, Refused) else ()
    claims: dict[str, Any] = {
        name: diagnosis.unverified_claims[name]
        for name in (*_CLAIMS, *_TIMES)
        if diagnosis.unverified_claims.get(name) is not None
    }
    found = {
        "outcome": diagnosis.outcome,
        "reason": "" if isinstance(verdict, Allowed) else verdict.reason,
        "problems": [{"code": one.code, "text": one.text, "remedy": one.remedy} for one in diagnosis.problems],
        "failures": [
            {
                "statement": one.place,
                "operator": one.operator,
                "key": one.key,
                "policy_values": list(one.policy_values),
                "compared_value": one.token_value,
                "compared_claim": one.claim,
                "hint": one.hint,
            }
            for one in failures
        ],
        "unverified_claims": claims,
        "expires_in_seconds": int(diagnosis.unverified_claims["exp"] - now),
        "compared": {key: list(value.values) for key, value in diagnosis.compared.items()},
        "session_name": diagnosis.session_name,
        "session_name_assumed": diagnosis.session_name_assumed,
        "risks": [{"statement": one.place, "severity": one.severity, "text": one.text} for one in diagnosis.risks],
        "corrected_policy": diagnosis.corrected,
        "correction_note": diagnosis.correction_note,
        "next": list(diagnosis.next_steps),
    }
    return json.dumps(found, indent=2) + "\n"
