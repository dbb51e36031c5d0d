"""What does this text refer to?

Pure: a text and a syntax in, a template out. The grammar stands in docs/secrets.md; errors name the position and the
accepted form, never a value.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import groupby

from secretenv.canonical import canonical
from secretenv.grammar import SCHEMES, arn_scheme, decodable, read_reference
from secretenv.sources import (
    Filter,
    Item,
    Key,
    MalformedReferenceError,
    Parameter,
    ParameterPath,
    PiggySource,
    Pointer,
    Reference,
    Secret,
    Source,
    Syntax,
    Template,
    expected,
)

__all__ = [
    "Filter",
    "Item",
    "Key",
    "MalformedReferenceError",
    "Parameter",
    "ParameterPath",
    "PiggySource",
    "Pointer",
    "Reference",
    "Secret",
    "Source",
    "Syntax",
    "Template",
    "canonical",
    "parse",
]

_PIGGY = "piggy:"
# All dollars of a run at once, and never from the middle of one: the search stays linear.
_OPENING = re.compile(rf"(?<!\$)(\$++)\{{(?={'|'.join(SCHEMES)}|arn:)")


def parse(text: str, syntax: Syntax) -> Template | None:
    """The template of a variable's text; None: it refers to nothing and stays as it is.

    Raises `MalformedReferenceError`.
    """
    if syntax.piggy is not None and text.startswith(_PIGGY):
        return Template((_piggy(text, syntax.piggy),))
    if (syntax.ours and text.startswith(SCHEMES)) or (syntax.arns and arn_scheme(text)):
        reference, _ = read_reference(text, 0, "")
        return Template((reference,))
    return _embedded(text) if syntax.ours else None


def _embedded(text: str) -> Template | None:
    """Before `{` and one of our schemes two dollars stand for one, so that `$${` is a literal `${`."""
    parts: list[str | Reference] = []
    at = 0
    while opening := _OPENING.search(text, at):
        dollars = len(opening[1])
        parts.append(text[at : opening.start()] + "$" * (dollars // 2))
        if dollars % 2:
            reference, at = read_reference(text, opening.end(), "}")
            parts.append(reference)
        else:
            parts.append("{")
            at = opening.end()
    return Template(tuple(_merged([*parts, text[at:]]))) if parts else None


def _merged(parts: Iterable[str | Reference]) -> Iterator[str | Reference]:
    """Neighbouring literals as one, empty ones as none."""
    for literal, neighbours in groupby(parts, lambda part: isinstance(part, str)):
        if literal:
            text = "".join(part for part in neighbours if isinstance(part, str))
            yield from (text,) if text else ()
        else:
            yield from neighbours


def _piggy(text: str, source: PiggySource) -> Reference:
    """`piggy:` and a key: the whole rest of the line, as piggy reads it. Blank lines may follow."""
    key, _, rest = text.removeprefix(_PIGGY).partition("\n")
    if not key:
        raise expected(len(_PIGGY), "a key, for example piggy:db_password")
    if rest.strip():
        at = len(text) - len(rest.lstrip())
        raise expected(at, "no second line: the key is the rest of the first one, for example piggy:db_password")
    where = (
        ParameterPath(source.parameter_path)
        if source.parameter_path
        else Secret(source.secret_name, source.stage, source.version)
    )
    return Reference(where, Key(decodable(key, len(_PIGGY))))
