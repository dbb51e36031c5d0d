"""Secrets Manager: current values in batches, stages and versions one by one.

A batch answers AWSCURRENT only.
https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_BatchGetSecretValue.html
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from secretenv.references import Secret
from secretenv.stores import Fetched, Refusal
from secretenv.stores.reading import Outcome, Outcomes, Reading, incomplete
from secretenv.stores.refusals import ERRORS, denied_action, named, refusal, refused

CURRENT = "AWSCURRENT"
_BATCH = 20
_ACTION, _BATCH_ACTION = "secretsmanager:GetSecretValue", "secretsmanager:BatchGetSecretValue"


def fetch(reading: Reading, secrets: Sequence[Secret]) -> Outcomes:
    """What came in time."""
    current = [secret for secret in secrets if secret.version is None and secret.stage in {None, CURRENT}]
    outcomes: Outcomes = {}
    if len(current) > 1:
        batches = [current[start : start + _BATCH] for start in range(0, len(current), _BATCH)]
        outcomes = reading.together([partial(_batch, reading, batch) for batch in batches])
    rest = [secret for secret in secrets if secret not in outcomes]
    return outcomes | reading.together([partial(_one, reading, secret) for secret in rest])


def versions(reading: Reading, secrets: Sequence[Secret]) -> Outcomes:
    """What came in time, without values; where DescribeSecret is not allowed the secret itself is read."""
    known: Outcomes = {secret: Fetched(value="", version=secret.version) for secret in secrets if secret.version}
    outcomes = reading.together([partial(_describe, reading, secret) for secret in secrets if secret not in known])
    rest = [secret for secret in secrets if secret not in outcomes | known]
    return known | outcomes | reading.together([partial(_one, reading, secret) for secret in rest])


def _one(reading: Reading, secret: Secret) -> Outcomes:
    chosen = {"VersionStage": secret.stage, "VersionId": secret.version}
    chosen = {name: value for name, value in chosen.items() if value is not None}
    return reading.one(
        secret, lambda: _fetched(secret, reading.client.get_secret_value(SecretId=secret.name, **chosen))
    )


def _fetched(secret: Secret, answer: Mapping[str, Any]) -> Outcome:
    value = answer.get("SecretString", answer.get("SecretBinary"))
    if value is None or "VersionId" not in answer:
        return incomplete(secret)
    return Fetched(value=value, version=answer["VersionId"])


def _batch(reading: Reading, secrets: Sequence[Secret]) -> Outcomes:
    return reading.batch(_BATCH_ACTION, secrets, lambda: _ask_batch(reading, secrets))


def _ask_batch(reading: Reading, secrets: Sequence[Secret]) -> Outcomes:
    asked: dict[str, list[Secret]] = {}
    for secret in secrets:
        asked.setdefault(secret.name, []).append(secret)
    outcomes: Outcomes = {}
    page: dict[str, str] = {}
    while True:
        answer = reading.client.batch_get_secret_value(SecretIdList=list(asked), **page)
        for error in answer.get("Errors", ()):
            code, said = error.get("ErrorCode", ""), error.get("Message", "")
            outcomes |= {
                secret: refused(code, said, secret, region=reading.region, role=reading.role, operation=_ACTION)
                for secret in asked.get(error.get("SecretId"), ())
            }
        for value in answer.get("SecretValues", ()):
            outcomes |= {secret: _fetched(secret, value) for secret in secrets if _is(secret.name, value)}
        if not answer.get("NextToken"):
            return outcomes
        page = {"NextToken": answer["NextToken"]}


def _is(name: str, value: Mapping[str, Any]) -> bool:
    """Whether a value is of the secret that was asked for by name, ARN, or ARN without its six random characters."""
    arn = value.get("ARN", "")
    return name in {value.get("Name"), arn, arn.rpartition("-")[0]}


def _describe(reading: Reading, secret: Secret) -> Outcomes:
    try:
        return {secret: _described(secret, reading.client.describe_secret(SecretId=secret.name))}
    except ERRORS as exc:
        if denied_action(exc) is not None:
            return {}
        return {secret: refusal(exc, secret, region=reading.region, role=reading.role)}


def _described(secret: Secret, answer: Mapping[str, Any]) -> Outcome:
    stage = secret.stage or CURRENT
    if "ARN" not in answer:
        return incomplete(secret)
    for version, stages in answer.get("VersionIdsToStages", {}).items():
        if stage in stages:
            return Fetched(value="", version=version)
    return Refusal(reason="not_found", message=f"{named(secret)} has no version with the stage {stage}")
