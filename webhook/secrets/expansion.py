"""How does Kubernetes read `$(NAME)` and `$$` in commands, arguments and values? Pure.

Source: Expand in Kubernetes' third_party/forked/golang/expansion: a name ends at the first ), whatever is in it.
"""

import re
from collections.abc import Callable, Iterator

from webhook.secrets.pieces import NOTHING

_PIGGY = "piggy:"
_EXPANSION = re.compile(r"\$\$|\$\(([^)]*)\)")
# The same, where pairs of dollars stand for one before a parenthesis alone: all other `$$` are left to who reads it.
_OUR_EXPANSION = re.compile(r"(?<!\$)((?:\$\$)++)(?=\$?\()|\$\(([^)]*)\)")
_PAIRS = re.compile(r"(?<!\$)(?:\$\$)++(?=\$?\()")
_DOLLARS = re.compile(r"(?<!\$)\$++(?=\()")


def names_in(text: str) -> Iterator[str]:
    """The names that Kubernetes would look for in a command, an argument or a value."""
    return (found[1] for found in _EXPANSION.finditer(text, 0, _end_of_names(text)) if found[1] is not None)


def pieces_of(text: str) -> Iterator[tuple[str, bool]]:
    """What Kubernetes makes of a value: its texts, and names (True) that it looks for.

    A dollar that its author escaped begins no reference: it is `NOTHING`.
    """
    at, end = 0, _end_of_names(text)
    for found in _EXPANSION.finditer(text, 0, end):
        yield text[at : found.start()] + (NOTHING if found[1] is None else ""), False
        if found[1] is not None:
            yield found[1], True
        at = found.end()
    yield text[at:end] + text[end:].replace("$$", NOTHING), False


def renamed(text: str, prefix: str) -> str:
    """A value in which each $(NAME) means a variable whose name has this prefix."""
    end = _end_of_names(text)
    return (
        _EXPANSION.sub(lambda found: found[0] if found[1] is None else f"$({prefix}{found[1]})", text[:end])
        + text[end:]
    )


def unexpanded(text: str) -> str:
    """Kubernetes expands $(NAME) in commands and variables, and reads $$ as $."""
    return text.replace("$", "$$")


def written(text: str) -> str:
    """A `value` that is read as this text again."""
    return unexpanded(text) if text.startswith(_PIGGY) else _DOLLARS.sub(lambda found: found[0] * 2, text)


def expand(text: str, value: Callable[[str], str | None]) -> str:
    """A `value` with the values of its names; None: the name stays as it is written.

    What is ours has a `$$` of its own; piggy-env sees what Kubernetes makes of it.
    """
    is_piggy = text.startswith(_PIGGY)
    if "$(" not in text:
        return text.replace("$$", "$") if is_piggy else text

    def replaced(found: re.Match[str]) -> str:
        name = found[found.re.groups]
        if name is None:
            return _half(found)
        known = value(name)
        return found[0] if known is None else known

    end = _end_of_names(text)
    rest = text[end:].replace("$$", "$") if is_piggy else _PAIRS.sub(_half, text[end:])
    return (_EXPANSION if is_piggy else _OUR_EXPANSION).sub(replaced, text[:end]) + rest


def _half(found: re.Match[str]) -> str:
    return found[0][: len(found[0]) // 2]


def _end_of_names(text: str) -> int:
    """Behind it no name ends: who looked there from each of a thousand `$(` would look for minutes."""
    return text.rfind(")") + 1
