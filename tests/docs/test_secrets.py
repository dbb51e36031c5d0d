"""What docs/secrets.md says of references is what they are."""

import re

import pytest

from contract import annotations as keys
from secretenv.piggy import PIGGY_ANNOTATIONS
from secretenv.references import Syntax, parse
from secretenv.resolve import Value, resolve
from tests.docs.documents import ROOT, blocks_of
from tests.secretenv.fake_store import FakeStore
from webhook.flags import SERVER_SETTINGS

DOCUMENT = ROOT / "docs/secrets.md"
BLOCKS = list(blocks_of(DOCUMENT))
SYNTAX = Syntax(ours=True, arns=False, piggy=None)


def columns(language: str) -> list[list[str]]:
    """The lines of all blocks of a language, cut where two blanks or more stand."""
    lines = [line for block in BLOCKS if block.language == language for line in block.text.splitlines()]
    return [re.split(r" {2,}", line, maxsplit=1) for line in lines]


@pytest.mark.parametrize("text", [line[0] for line in columns("references")])
def test_references_are_some(text: str) -> None:
    """Each example parses; alone it is one reference, and inside ${…} the same."""
    template = parse(text, SYNTAX)

    assert template is not None
    assert template.references
    if "${" not in text:
        assert parse(f"${{{text}}}", SYNTAX) == template
        assert len(template.parts) == 1


@pytest.mark.parametrize(("text", "value"), columns("values"))
def test_values_are_what_the_table_says(text: str, value: str) -> None:
    """With the document's secret each example becomes what stands beside it."""
    template = parse(text, SYNTAX)
    assert template is not None
    [secret] = (block.text for block in BLOCKS if block.language == "json")
    store = FakeStore({reference.source: secret for reference in template.references})

    assert resolve({"NAME": template}, store, timeout=10) == {"NAME": Value(value)}


def test_every_scheme_has_an_example() -> None:
    """The kinds of sources, with and without an ARN."""
    templates = [parse(line[0], SYNTAX) for line in columns("references")]
    sources = [reference.source for template in templates if template for reference in template.references]
    named = {type(source).__name__ for source in sources}
    by_arn = {type(source).__name__ for source in sources if "arn:" in str(source)}

    assert named == {"Secret", "Parameter", "ParameterPath", "Item"}
    assert by_arn == named


def test_annotations_are_ours() -> None:
    """Each key of ours that the document names exists."""
    named = set(re.findall(rf"{keys.PREFIX}([a-z-]+)", DOCUMENT.read_text()))

    known = {row.key.removeprefix(keys.PREFIX).rstrip(".") for row in keys.ANNOTATIONS}
    known.add(keys.ENABLED_LABEL.removeprefix(keys.PREFIX))
    assert named <= known
    assert named >= {"secrets", "secret-file", "secret-delivery"}


def test_flags_are_the_webhooks() -> None:
    """Each flag that the table of piggy's annotations names exists."""
    flags = {f"--{setting.flag}" for settings in SERVER_SETTINGS.values() for setting in settings}
    named = {flag for row in PIGGY_ANNOTATIONS for flag in re.findall(r"--[a-z-]+", row.effect)}

    assert named == {"--image", "--pull-policy"}
    assert named <= flags
