"""What is read for a text with references: the store, the region, the name, and what is taken of it. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from secretenv.plan import Plan
from secretenv.references import (
    Item,
    Key,
    Parameter,
    ParameterPath,
    Pointer,
    Reference,
    Secret,
    Source,
    canonical,
    parse,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A reference, and what is read for it."""

    reference: str
    store: str
    region: str
    name: str
    takes: str
    """What is taken of it: a key, a pointer, all."""


def reads_of(text: str, plan: Plan, region: str) -> tuple[Read, ...]:
    """For each reference of a text; `region` is where plain names are read."""
    template = parse(text, plan.syntax)
    return tuple(_read(reference, region) for reference in template.references) if template else ()


def sources_of(plan: Plan) -> Iterator[Source]:
    """Every source that the plan's texts name."""
    texts = [each.text for container in plan.containers for each in container.variables]
    for text in (*texts, *(each.text for each in plan.files)):
        template = parse(text, plan.syntax)
        if template:
            yield from (reference.source for reference in template.references)


def _read(reference: Reference, region: str) -> Read:
    store, name = _named(reference.source)
    return Read(
        reference=canonical(reference),
        store=store,
        region=_region_of(name) or region,
        name=name,
        takes=_takes(reference),
    )


def _named(source: Source) -> tuple[str, str]:
    match source:
        case Secret(name):
            return "Secrets Manager", name
        case Parameter(name):
            return "Parameter Store", name
        case ParameterPath(path):
            return "Parameter Store", f"{path.rstrip('/')}/*"
        case Item(table):
            return "DynamoDB", table


def _region_of(name: str) -> str:
    """That of an ARN."""
    return name.split(":", 4)[3] if name.startswith("arn:") else ""


def _takes(reference: Reference) -> str:
    match reference.source:
        case Secret(_, stage, version) if stage or version:
            which = f" of the {'stage' if stage else 'version'} {stage or version}"
        case Parameter(_, version) if version:
            which = f" of version {version}"
        case Item(_, key, _, attribute):
            which = f" of the attribute {attribute} of {key}"
        case _:
            which = ""
    match reference.select:
        case Key(name):
            what = f"the key {name}"
        case Pointer(text):
            what = f"the value at {text}"
        case None:
            what = "all"
    filtered = f", then {', '.join(reference.filters)}" if reference.filters else ""
    return f"{what}{which}{filtered}"
