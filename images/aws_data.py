"""What of botocore's data do our programs read? A few operations of a few services of four hundred, without texts.

It is read and parsed, and a client made of it, at each start that asks for a secret. Addresses and parameters stay as
they are: a test compares every region's, and makes every call.
"""

import gzip
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

# What the stores ask for, and STS is asked. An image with another caller says which service it has whole.
OPERATIONS = {
    "dynamodb": ("GetItem",),
    "secretsmanager": ("BatchGetSecretValue", "DescribeSecret", "GetSecretValue"),
    "ssm": ("GetParameter", "GetParameters", "GetParametersByPath"),
    "sts": ("AssumeRoleWithWebIdentity",),
}
# Of a service, of one version of its API. What else there is serves pages, waiters and examples.
_MODEL, _ADDRESSES, _MORE = "service-2.json.gz", "endpoint-rule-set-1.json.gz", "service-2.sdk-extras.json"
_ENDPOINTS = "endpoints.json"
_SHARED = (_ENDPOINTS, "partitions.json", "sdk-default-configuration.json", "_retry.json")


class DataError(RuntimeError):
    """botocore's data is not where or what it was: nothing is cut."""


def cut(data: Path, more: Sequence[str] = ()) -> None:
    """Leave in botocore's folder of data what is read, and `more` services with all of their operations.

    Raises `DataError` and changes nothing if a part is missing.
    """
    services = (*OPERATIONS, *more)
    kept = {data / name for name in _SHARED}
    for service in services:
        versions = sorted(path.parent for path in data.glob(f"{service}/*/{_MODEL}"))
        if not versions:
            raise DataError(f"{data / service} has no {_MODEL}; botocore's layout has changed: images/aws_data.py")
        # As botocore takes the latest by name.
        kept |= {versions[-1] / _MODEL, versions[-1] / _ADDRESSES}
    if missing := sorted(str(path.relative_to(data)) for path in kept if not path.is_file()):
        raise DataError(f"{data} has no {', '.join(missing)}; botocore's layout has changed: images/aws_data.py")
    endpoints = _endpoints(data / _ENDPOINTS, services)
    models = {path: _model(path, data) for path in kept if path.name == _MODEL}
    kept |= {path.with_name(_MORE) for path in kept}
    for path in sorted(data.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path not in kept:
            path.unlink()
    (data / _ENDPOINTS).write_text(_compact(endpoints))
    for path, model in models.items():
        # Without a time: the same botocore gives the same bytes.
        path.write_bytes(gzip.compress(_compact(model).encode(), mtime=0))


def _endpoints(file: Path, services: Sequence[str]) -> dict[str, Any]:
    """The regions of all partitions, and of the services only ours."""
    endpoints: dict[str, Any] = json.loads(file.read_text())
    for partition in endpoints.get("partitions", ()):
        known = partition.get("services", {})
        partition["services"] = {name: known[name] for name in services if name in known}
    if not any(partition["services"] for partition in endpoints.get("partitions", ())):
        raise DataError(f"{file} names none of our services; botocore's layout has changed: images/aws_data.py")
    return endpoints


def _model(file: Path, data: Path) -> Any:
    """A service's description with our operations, what they take and give, and nothing for people."""
    service = file.relative_to(data).parts[0]
    model: dict[str, Any] = _silent(json.loads(gzip.decompress(file.read_bytes())))
    if service not in OPERATIONS:
        return model
    operations, shapes = model["operations"], model["shapes"]
    if missing := sorted(set(OPERATIONS[service]) - set(operations)):
        raise DataError(f"{file} has no {', '.join(missing)}; the service has changed: images/aws_data.py")
    model["operations"] = {name: operations[name] for name in OPERATIONS[service]}
    names, left = set(), list(_shapes_in(model["operations"]))
    while left:
        if (name := left.pop()) not in names:
            names.add(name)
            left += _shapes_in(shapes[name])
    model["shapes"] = {name: shape for name, shape in shapes.items() if name in names}
    return model


def _shapes_in(part: Any) -> Iterator[str]:
    """The names of the shapes that this part of a description refers to."""
    match part:
        case {"shape": str(name)}:
            yield name
    for value in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from _shapes_in(value)


def _silent(model: Any) -> Any:
    """The same without documentation. A shape may have a member of that name: only texts are documentation."""
    match model:
        case dict():
            return {
                name: _silent(value)
                for name, value in model.items()
                if not (name == "documentation" and isinstance(value, str))
            }
        case list():
            return [_silent(value) for value in model]
    return model


def _compact(content: Any) -> str:
    return json.dumps(content, separators=(",", ":"))
