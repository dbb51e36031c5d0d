"""One table of verdicts, each from a page of AWS's documentation, for every evaluator that we have.

`policy.evaluate` is what the doctor says; `demo/fakes/trust.py` is what the strict STS of demo and tests does. Neither
knows the other.
"""

import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml

from policy.trust import Allowed, Refused, evaluate

TABLE = Path(__file__).parents[1] / "verdicts"
AWS_PAGE = re.compile(r"https://docs\.aws\.amazon\.com/IAM/latest/UserGuide/[\w-]+\.html(#[\w-]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One policy, one token, and what AWS would say."""

    name: str
    why: str
    source: str
    issuer: str
    claims: Mapping[str, Any]
    session_name: str
    policy: Mapping[str, Any]
    verdict: Literal["allowed", "refused"]
    failed_key: str | None = None
    """Of a refusal by a condition: the key of that condition."""


def _cases() -> list[Case]:
    return [Case(**entry) for path in sorted(TABLE.glob("*.yaml")) for entry in yaml.safe_load(path.read_text())]


def _names() -> list[str]:
    paths = sorted(TABLE.glob("*.yaml"))
    return [f"{path.stem}/{entry['name']}" for path in paths for entry in yaml.safe_load(path.read_text())]


CASES = [pytest.param(case, id=name) for case, name in zip(_cases(), _names(), strict=True)]


def _ours() -> Callable[..., bool]:
    def allows(policy: Mapping[str, Any], *, issuer: str, claims: Mapping[str, Any], session_name: str) -> bool:
        verdict = evaluate(policy, issuer=issuer, unverified_claims=claims, session_name=session_name)
        return isinstance(verdict, Allowed)

    return allows


def _strict_sts() -> Callable[..., bool]:
    allows: Callable[..., bool] = importlib.import_module("demo.fakes.trust").allows
    return allows


@pytest.mark.parametrize("evaluator", [_ours, _strict_sts], ids=["policy", "fake-sts"])
@pytest.mark.parametrize("case", CASES)
def test_every_evaluator_says_what_aws_documents(case: Case, evaluator: Callable[[], Callable[..., bool]]) -> None:
    """Each evaluator gives the verdict that follows from the AWS page named in the case."""
    allowed = evaluator()(case.policy, issuer=case.issuer, claims=case.claims, session_name=case.session_name)

    assert ("allowed" if allowed else "refused") == case.verdict, f"{case.why} ({case.source})"


@pytest.mark.parametrize("case", [case for case in CASES if case.values[0].verdict == "refused"])  # type: ignore[union-attr]  # ParameterSet.values holds our Case
def test_a_refusal_names_the_condition(case: Case) -> None:
    """A refusal carries the condition that failed with both values, or none where no condition is to blame."""
    verdict = evaluate(case.policy, issuer=case.issuer, unverified_claims=case.claims, session_name=case.session_name)

    assert isinstance(verdict, Refused)
    assert verdict.reason
    if case.failed_key is None:
        assert not verdict.failures
    else:
        assert case.failed_key in [failure.key for failure in verdict.failures]


def test_the_table_is_large_and_each_case_has_its_source() -> None:
    """At least 40 cases, no name twice in a file, an AWS page for each, and both verdicts well represented."""
    cases, names = _cases(), _names()

    assert len(cases) >= 40
    assert len(set(names)) == len(names)
    assert [case.name for case in cases if not AWS_PAGE.fullmatch(case.source)] == []
    assert min(sum(case.verdict == verdict for case in cases) for verdict in ("allowed", "refused")) >= 15


def test_a_case_has_no_unknown_field() -> None:
    """A slip in a field's name is found, so that no expectation goes unread."""
    known = {field.name for field in fields(Case)}
    for path in TABLE.glob("*.yaml"):
        for entry in yaml.safe_load(path.read_text()):
            assert set(entry) <= known
