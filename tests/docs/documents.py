"""The documentation as data: documents, fenced blocks, and the commands in them."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    [
        *ROOT.glob("*.md"),
        *(path for folder in ("charts", "demo", "docs", "examples") for path in ROOT.glob(f"{folder}/**/*.md")),
    ]
)
# In a list item a fence is indented, and its block with it.
_FENCE = re.compile(r"^( *)```([a-z]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_HEREDOC = re.compile(r"<<-?'?([A-Z]+)'?\n(.*?)^\1$", re.MULTILINE | re.DOTALL)
_OPERATORS = {"|", "||", "&&", ";", "&"}
_KEYWORDS = {"do", "done", "for", "export", "then", "fi", "if"}
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=.*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block."""

    document: Path
    language: str
    text: str

    @property
    def name(self) -> str:
        """For a test's name."""
        first = next(iter(self.text.strip().splitlines()), "")
        return f"{self.document.relative_to(ROOT)}: {first[:50]}"


def blocks(*languages: str) -> list[Block]:
    """The fenced blocks of these languages in all documents, in their order."""
    return [block for path in DOCUMENTS for block in blocks_of(path) if block.language in languages]


def blocks_of(path: Path) -> Iterator[Block]:
    """The fenced blocks of one document."""
    for indent, language, text in _FENCE.findall(path.read_text()):
        yield Block(document=path, language=language, text=re.sub(rf"^{indent}", "", text, flags=re.MULTILINE))


def heredocs(script: str) -> list[str]:
    """What a script gives to its commands as input."""
    return [text for _, text in _HEREDOC.findall(script)]


def commands(script: str) -> Iterator[list[str]]:
    """Each simple command of a script as its words, those of pipelines and of $(…) too.

    A shell's grammar as far as the documents use it; `bash -n` looks at the rest.
    """
    plain = _HEREDOC.sub("", script).replace("\\\n", " ")
    for inner in re.findall(r"\$\(([^()]*(?:\([^()]*\)[^()]*)*)\)", plain):
        yield from commands(inner)
    plain = re.sub(r"\$\([^()]*(?:\([^()]*\)[^()]*)*\)", "SUBSTITUTED", plain)
    # A pipeline goes on in the next line.
    for line in re.sub(r"\|\s*\n\s*", "| ", plain).splitlines():
        yield from _simple(_words(line))


def _words(line: str) -> list[str]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    return list(lexer)


def _simple(words: list[str]) -> Iterator[list[str]]:
    command: list[str] = []
    for word in [*words, ";"]:
        if word in _OPERATORS:
            command = _without_prefix(command)
            if command:
                yield command
            command = []
        else:
            command.append(word)


def _without_prefix(command: list[str]) -> list[str]:
    """Without keywords and assignments before it, and without its redirections."""
    while command and (command[0] in _KEYWORDS or _ASSIGNMENT.fullmatch(command[0])):
        if command[0] == "for":
            return []
        command = command[1:]
    cut = next((index for index, word in enumerate(command) if set(word) <= set("<>") and word), len(command))
    return command[:cut]
