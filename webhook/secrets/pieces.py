"""Of which pieces does the kubelet put a text together, and may a reference come out that nobody sees here?

Pure. B: $(L)://db is none; where L turns out to be sm, the kubelet makes one of it. Doubt counts as yes only where
somebody's text is missing: an ordinary address with a pod's IP in it is no reference, whatever the IP is.
"""

import string
from collections.abc import Iterable, Iterator
from enum import Enum
from itertools import chain

from secretenv.grammar import SCHEMES
from secretenv.references import Syntax


class Unknown(Enum):
    """A text that only the kubelet will know."""

    ANY = "any"
    """It may hold all characters: of a Secret, or of what may lie over one."""
    FIELD = "field"
    """The pod's own: a name, an address, a label, a number."""


Piece = str | tuple[str, ...] | Unknown
"""A text; one of several texts, of which nobody knows which; one that nobody knows."""

_FIELD = frozenset(string.ascii_letters + string.digits + "-_.,:")
_PIGGY = "piggy:"
_PARTITIONS = ("aws", "aws-cn", "aws-us-gov")
_SERVICES = ("secretsmanager", "ssm", "dynamodb")
_ARNS = tuple(f"arn:{partition}:{service}:" for partition in _PARTITIONS for service in _SERVICES)


_EMBEDDED = tuple(f"${{{word}" for word in (*SCHEMES, "arn:"))
NOTHING = "\0"
"""Stands for a text of which no reference is made, and that no text has."""
# More than any word that is looked for.
_LONGEST = 64


def is_known(pieces: Iterable[Piece]) -> bool:
    """Whether nothing of it is left to the kubelet."""
    return all(isinstance(piece, str) for piece in pieces)


def may_become_reference(pieces: tuple[Piece, ...], syntax: Syntax) -> bool:
    """Whether one of the texts that may come of these pieces begins as a reference, or has one in it."""
    if Unknown.ANY in pieces:
        return True
    words = (*(SCHEMES if syntax.ours else ()), *(_ARNS if syntax.arns else ()), *([_PIGGY] if syntax.piggy else ()))
    if _may_begin(pieces, *words):
        return True
    embedded = _EMBEDDED if syntax.ours else ()
    return bool(embedded) and any(_may_begin(behind, *embedded) for behind in _from_each_dollar(pieces))


def has_escaped(text: str) -> bool:
    """Whether its author escaped a reference in it: the kubelet takes the first dollar away."""
    return any(f"${word}" in text for word in _EMBEDDED)


def _from_each_dollar(pieces: tuple[Piece, ...]) -> Iterator[Iterator[Piece]]:
    """The pieces from each place at which ${ may stand; no field of a pod has a dollar.

    Only the end of a text counts: what is whole in it was looked at, where it stands.
    """
    for index, piece in enumerate(pieces):
        for text in (piece,) if isinstance(piece, str) else piece if isinstance(piece, tuple) else ():
            end = text[-_LONGEST:]
            for at, character in enumerate(end):
                # Else it is an ordinary dollar.
                if character == "$" and end[at + 1 : at + 2] in ("", "{"):
                    yield chain((end[at:],), (pieces[behind] for behind in range(index + 1, len(pieces))))


def _may_begin(pieces: Iterable[Piece], *words: str) -> bool:
    """Whether a text of these pieces may begin with one of the words: what is left of them, piece by piece."""
    left = set(words)
    for piece in pieces:
        if isinstance(piece, Unknown):
            left = {rest for each in left for rest in _behind_field(each)}
        else:
            texts = (piece,) if isinstance(piece, str) else piece
            left = {rest for each in left for text in texts for rest in _behind(each, text)}
        if "" in left:
            return True
        if not left:
            return False
    return False


def _behind(word: str, text: str) -> Iterator[str]:
    if text.startswith(word):
        yield ""
    elif word.startswith(text):
        yield word[len(text) :]


def _behind_field(word: str) -> Iterator[str]:
    yield word
    for index, character in enumerate(word, start=1):
        if character not in _FIELD:
            return
        yield word[index:]
