"""References in, values or reasons out: each source is read once, whatever is selected from it.

Pure but for the store that it is given.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field

from secretenv import filters
from secretenv.references import Reference, Source, Template, canonical
from secretenv.selection import select
from secretenv.stores import Fetched, Refusal, Store

__all__ = ["Value", "resolve", "select"]


@dataclass(frozen=True, slots=True)
class Value:
    """A template's value; bytes only where the whole text is one reference to what is no text, and a file takes it."""

    data: str | bytes = field(repr=False)


def resolve(
    templates: Mapping[str, Template], store: Store, *, timeout: float, binary: bool = False
) -> Mapping[str, Value | Refusal]:
    """Each template by its caller's name (a variable, a file).

    `binary`: a template that is one binary secret is given as bytes, else as base64 text.
    A value that a variable cannot hold is not judged here.
    """
    sources = tuple(
        dict.fromkeys(reference.source for template in templates.values() for reference in template.references)
    )
    outcomes = store.fetch(sources, timeout=timeout) if sources else {}
    return {name: _value(template, outcomes, binary=binary) for name, template in templates.items()}


def _value(template: Template, outcomes: Mapping[Source, Fetched | Refusal], *, binary: bool) -> Value | Refusal:
    """The parts' texts in order, or the first refusal."""
    alone = len(template.parts) == 1
    texts: list[str] = []
    for part in template.parts:
        taken = part if isinstance(part, str) else _taken(part, outcomes[part.source], binary=binary and alone)
        if isinstance(taken, Refusal):
            return taken
        if isinstance(taken, bytes):
            return Value(taken)
        texts.append(taken)
    return Value("".join(texts))


def _taken(reference: Reference, outcome: Fetched | Refusal, *, binary: bool) -> str | bytes | Refusal:
    """What a reference stands for in its text; bytes only where `binary` allows them."""
    selected = outcome if isinstance(outcome, Refusal) else select(reference, outcome.value)
    if isinstance(selected, Refusal):
        return selected
    if isinstance(selected, bytes):
        if binary and not reference.filters:
            return selected
        selected = base64.b64encode(selected).decode()
    if not _is_unicode(selected):
        return _invalid(reference, "half of a surrogate pair is in it, which is no Unicode text")
    try:
        filtered = filters.apply(reference.filters, selected)
    except filters.FilterError as exc:
        return _invalid(reference, str(exc))
    if isinstance(filtered, bytes) and not binary:
        return _invalid(reference, "what base64decode gives is no UTF-8; only a file made of it alone holds that")
    return filtered


def _is_unicode(text: str) -> bool:
    """JSON may write half a pair as an escape; no process takes it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _invalid(reference: Reference, what: str) -> Refusal:
    return Refusal(reason="invalid", message=f"{canonical(reference)}: {what}")
