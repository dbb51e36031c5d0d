"""What do our programs say? The texts of their sources, without what is put into them when they run.

Read, not run: a message that no test provokes is found as well.
"""

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
HOLE = "…"
# Fewer words are a part of a message, or none.
_WORDS = 3
_LOGGED = re.compile(r"%[sd]")
_C_STRING = re.compile(r'"((?:[^"\\\n]|\\.)*)"')

Template = tuple[str, ...]
"""A message's fixed parts, in their order."""


def templates(path: Path) -> Iterator[Template]:
    """Every text of a source file that is long enough to be a message."""
    for parts in _c_texts(path) if path.suffix in (".c", ".h") else _python_texts(path):
        if sum(len(part.split()) for part in parts) >= _WORDS:
            yield parts


def fragments(paths: Sequence[Path]) -> set[str]:
    """Every fixed part of every text, the short ones too."""
    found = {part for path in paths for parts in (*_all_texts(path),) for part in parts}
    return {part.strip() for part in found if len(part.strip()) > 1}


def contains(message: str, template: Template) -> bool:
    """Whether the message has all of the template's parts in their order."""
    place = 0
    for part in (part.strip() for part in template):
        place = message.find(part, place)
        if place < 0:
            return False
        place += len(part)
    return True


def unknown_words(message: str, known: set[str]) -> list[str]:
    """The words of the message that stand in no fixed part of the code."""
    for fragment in sorted((each for each in known if each in message), key=len, reverse=True):
        message = message.replace(fragment, HOLE)
    return re.findall(r"[\w/.-]*[A-Za-z]{2}[\w/.-]*", message)


def _all_texts(path: Path) -> Iterator[Template]:
    return _c_texts(path) if path.suffix in (".c", ".h") else _python_texts(path)


def _c_texts(path: Path) -> Iterator[Template]:
    code = re.sub(r"//.*", "", path.read_text())
    return ((found.replace("\\n", ""),) for found in _C_STRING.findall(code))


def _python_texts(path: Path) -> Iterator[Template]:
    tree = ast.parse(path.read_text())
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if id(node) in inside | documentation:
            continue
        match node:
            case ast.JoinedStr(values=values):
                yield tuple(str(part.value) for part in values if isinstance(part, ast.Constant))
            case ast.Constant(value=str() as text):
                yield tuple(_LOGGED.split(text))
