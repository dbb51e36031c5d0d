"""References in, values or reasons out: each source is read once, whatever is selected from it.

Pure but for the store that it is given.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from secretenv.references import Reference, Template
from secretenv.stores import Refusal, Store


@dataclass(frozen=True, slots=True)
class Value:
    """A template's value; bytes only where the whole text is one binary secret and its taker holds bytes (a file)."""

    data: str | bytes = field(repr=False)


def resolve(
    templates: Mapping[str, Template], store: Store, *, timeout: float, binary: bool = False
) -> Mapping[str, Value | Refusal]:
    """Each template by its caller's name (a variable, a file). `binary`: a whole binary secret is given as bytes, else
    as base64 text. A value that a variable cannot hold is not judged here."""
    raise NotImplementedError


def select(reference: Reference, value: str | bytes | Mapping[str, str]) -> str | bytes | Refusal:
    """What a reference takes from what was read, before its filters."""
    raise NotImplementedError
