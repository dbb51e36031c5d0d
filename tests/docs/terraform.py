"""Terraform's examples as data: blocks by type and labels, and what an expression gives for these variables.

As much of the language as the examples use, and no more: anything else stays an expression and is found by whoever
compares.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import hcl2

ROOT = Path(__file__).parents[2] / "examples/terraform"
MODULES = sorted(path for path in ROOT.iterdir() if path.is_dir())
_REFERENCE = re.compile(r"\$\{((?:var|local|aws_[a-z_]+)\.[a-z0-9_.]+)\}")
_SPLIT = re.compile(r"\$\{split\(\"([^\"]*)\", var\.([a-z_]+)\)\[(\d+)\]\}")
_ENCODED = re.compile(r"\$\{jsonencode\((.*)\)\}", re.DOTALL)

Block = Mapping[str, Any]


def blocks(module: Path, kind: str) -> dict[str, Block]:
    """The module's blocks of one kind, by their labels joined with dots."""
    return blocks_in("\n".join(path.read_text() for path in sorted(module.glob("*.tf"))), kind)


def blocks_in(text: str, kind: str) -> dict[str, Block]:
    """The blocks of one kind in a text."""
    return {name: inner for block in hcl2.loads(text).get(kind, []) for name, inner in _labelled(block, ())}


def _labelled(block: Block, labels: tuple[str, ...]) -> list[tuple[str, Block]]:
    """hcl2 nests a block's labels and marks the block itself."""
    if "__is_block__" in block:
        return [(".".join(labels), {key: value for key, value in block.items() if key != "__is_block__"})]
    return [pair for label, inner in block.items() for pair in _labelled(inner, (*labels, label.strip('"')))]


def value(expression: str, given: Mapping[str, str]) -> Any:
    """The expression for these references (`var.audience`, …), where it is a text or jsonencode of an object."""
    encoded = _ENCODED.fullmatch(expression)
    if encoded:
        return _substituted(hcl2.loads(f"it = {encoded[1]}\n")["it"], given)
    return _substituted(expression, given)


def _substituted(found: Any, given: Mapping[str, str]) -> Any:
    match found:
        case dict():
            return {_substituted(key, given): _substituted(inner, given) for key, inner in found.items()}
        case list():
            return [_substituted(inner, given) for inner in found]
        case str():
            text = _SPLIT.sub(lambda part: given[f"var.{part[2]}"].split(part[1])[int(part[3])], found.strip('"'))
            return _REFERENCE.sub(lambda part: given[part[1]], text)
    return found
