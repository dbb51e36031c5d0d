"""SSM Parameter Store: parameters by name in batches, and all below a path.

A version is the parameter's number and when it was written: the number starts anew when a parameter is made again.
https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from secretenv.references import Parameter, ParameterPath
from secretenv.stores import Fetched, Refusal
from secretenv.stores.arn import is_of_another_account, path_of
from secretenv.stores.reading import Outcome, Outcomes, Reading, incomplete
from secretenv.stores.refusals import absent, named

_BATCH = 10
_BATCH_ACTION = "ssm:GetParameters"


def fetch(reading: Reading, sources: Sequence[Parameter | ParameterPath], *, decrypt: bool = True) -> Outcomes:
    """What came in time. Without `decrypt` only the versions are of use, and no key is needed for them."""
    parameters = [source for source in sources if isinstance(source, Parameter)]
    # An answer tells parameters apart by name: of several versions of one, the others are asked for singly.
    distinct = list({parameter.name: parameter for parameter in parameters}.values())
    batches = [distinct[start : start + _BATCH] for start in range(0, len(distinct), _BATCH)]
    paths = [source for source in sources if isinstance(source, ParameterPath)]
    outcomes = reading.together(
        [
            *(partial(_batch, reading, batch, decrypt=decrypt) for batch in batches if len(batch) > 1),
            *(partial(_path, reading, path, decrypt=decrypt) for path in paths),
        ]
    )
    rest = [parameter for parameter in parameters if parameter not in outcomes]
    return outcomes | reading.together([partial(_one, reading, each, decrypt=decrypt) for each in rest])


def _selector(parameter: Parameter) -> str:
    return parameter.name if parameter.version is None else f"{parameter.name}:{parameter.version}"


def _one(reading: Reading, parameter: Parameter, *, decrypt: bool) -> Outcomes:
    def call() -> Outcome:
        answer = reading.client.get_parameter(Name=_selector(parameter), WithDecryption=decrypt)
        return _fetched(parameter, answer.get("Parameter", {}))

    return reading.one(parameter, call)


def _batch(reading: Reading, parameters: Sequence[Parameter], *, decrypt: bool) -> Outcomes:
    asked = {_selector(parameter): parameter for parameter in parameters}
    by_name = {parameter.name: parameter for parameter in parameters}

    def call() -> Outcomes:
        answer = reading.client.get_parameters(Names=list(asked), WithDecryption=decrypt)
        missing = {asked[name] for name in answer.get("InvalidParameters", ()) if name in asked}
        outcomes: Outcomes = {parameter: _missing(parameter, reading.region) for parameter in missing}
        for found in answer.get("Parameters", ()):
            for name in (found.get("Name"), found.get("ARN")):
                if parameter := by_name.get(name):
                    outcomes[parameter] = _fetched(parameter, found)
        return outcomes

    return reading.batch(_BATCH_ACTION, parameters, call)


def _missing(parameter: Parameter, region: str) -> Refusal:
    if parameter.version:
        return absent(f"{named(parameter)}, or its version {parameter.version},", region)
    return absent(named(parameter), region)


def _fetched(parameter: Parameter, found: Mapping[str, Any]) -> Outcome:
    if isinstance(found.get("Value"), str) and "Version" in found:
        return Fetched(value=found["Value"], version=_version(found))
    return incomplete(parameter)


def _version(found: Mapping[str, Any]) -> str:
    written = found.get("LastModifiedDate")
    return f"{found['Version']}@{written.timestamp():.3f}" if written else str(found["Version"])


def _path(reading: Reading, path: ParameterPath, *, decrypt: bool) -> Outcomes:
    def call() -> Outcome:
        found = list(_pages(reading, path_of(path), decrypt=decrypt))
        if not all({"Name", "Value", "Version"} <= each.keys() for each in found):
            return incomplete(path)
        if not found:
            return Refusal(
                reason="not_found", message=f"there are no {named(path)} in {reading.region}: check path and region"
            )
        # AWS takes no ARN for a path, and reads in the account of the role.
        if any(is_of_another_account(each.get("ARN", ""), path) for each in found):
            return Refusal(
                reason="invalid",
                message=f"{named(path)}: AWS reads a path in the account of the role alone; name the parameters one by "
                "one, as in ssm://arn:…, or read with a role of that account",
            )
        lines = sorted(f"{each['Name']} {_version(each)}" for each in found)
        return Fetched(
            value={each["Name"]: each["Value"] for each in found},
            version=hashlib.sha256("\n".join(lines).encode()).hexdigest(),
        )

    return reading.one(path, call)


def _pages(reading: Reading, path: str, *, decrypt: bool) -> Iterator[Mapping[str, Any]]:
    page: dict[str, str] = {}
    while True:
        answer = reading.client.get_parameters_by_path(
            Path=path, Recursive=True, WithDecryption=decrypt, MaxResults=_BATCH, **page
        )
        yield from answer.get("Parameters", ({},))
        if not answer.get("NextToken"):
            return
        page = {"NextToken": answer["NextToken"]}
