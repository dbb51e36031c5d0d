"""Every command of the documents that is ours exists and takes these arguments; every script is a script."""

import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

import certjob.flags
import ctl.cli
import webhook.cli
from tests.chart.charts import KUBERNETES, helm
from tests.docs.documents import ROOT, Block, blocks, blocks_of, commands

CHART = "charts/token-injector"
SCHEMA = json.loads((ROOT / CHART / "values.schema.json").read_text())
SCRIPTS = blocks("sh")
# Bare blocks with commands in them: `make …` lists, and "$ command" examples, which test_docs runs.
LISTS = [block for block in blocks("") if block.text.startswith("make ")]
VARIABLE = re.compile(r"\$\{?([A-Z_]+)")
ASSIGNED = re.compile(r"(?:^|\s)([A-Z_]+)=|\bfor ([a-z]+) in", re.MULTILINE)
# Of every shell.
GIVEN = {"HOME", "PATH", "PWD"}
# Our distribution with each of its extras, from a checkout.
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
INSTALLABLE = {f".[{extra}]" for extra in EXTRAS}
EVERYWHERE = {"cat", "date", "head", "mkdir", "rm"}


def ours() -> Iterator[object]:
    """Each command in its own right."""
    for block in [*SCRIPTS, *LISTS]:
        for number, command in enumerate(commands(block.text)):
            yield pytest.param(command, id=f"{block.name} [{number}]")


@pytest.mark.parametrize("command", list(ours()))
def test_our_commands_exist(command: list[str]) -> None:
    """Programs' own parsers take the arguments; make targets, modules, charts and their values exist."""
    program, *arguments = command
    if [program, *arguments[:1]] == ["kubectl", "token-injector"]:
        accepted(ctl.cli.build_parser().parse_args, arguments[1:])
    elif program in PARSERS:
        accepted(PARSERS[program], arguments)
    elif program == "make":
        assert [word for word in arguments if "=" not in word and word not in make_targets()] == []
    elif Path(program).name == "pip":
        assert [word for word in arguments[1:] if word not in INSTALLABLE] == []
    elif Path(program).name.startswith("python"):
        assert arguments[0] == "-m"
        assert importlib.util.find_spec(f"{arguments[1]}.__main__") or importlib.util.find_spec(arguments[1])
    elif program == "helm":
        check_helm(arguments)
    else:
        # What is not ours has to be installed by the reader: the documents' prerequisites.
        assert program in {"aws", "docker", "export", "gcloud", "helm", "jq", "kind", "kubectl"} | EVERYWHERE


def accepted(parse: Callable[[list[str]], object], arguments: list[str]) -> None:
    """Argparse ends the process if it does not like them."""
    try:
        parse(arguments)
    except SystemExit as exc:
        pytest.fail(f"{arguments} is refused (exit code {exc.code})")


PARSERS: Mapping[str, Callable[[list[str]], object]] = {
    "token-injector-certs": lambda arguments: certjob.flags.build_parser().parse_args(arguments),
    "token-injector-webhook": lambda arguments: webhook.cli.build_parser().parse_args(arguments),
}


@cache
def make_targets() -> frozenset[str]:
    """The Makefile's targets that `make help` shows."""
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, timeout=20, check=True)
    return frozenset(re.findall(r"^  make (\S+)", done.stdout, re.MULTILINE))


def check_helm(arguments: list[str]) -> None:
    """The chart is there and knows every value that is set."""
    charts = [word for word in arguments if word.startswith("charts/")]
    assert charts in ([], [CHART])
    flags = [arguments[index + 1] for index, word in enumerate(arguments) if word in ("--set", "--set-string")]
    for flag in flags:
        key, _, value = flag.partition("=")
        assert key, flag
        property_of(key.split("."), value)


def property_of(path: list[str], value: str) -> Any:
    """The schema of a value; fails where there is none."""
    schema = SCHEMA
    for key in path:
        assert key in schema.get("properties", {}), f"the chart has no value {'.'.join(path)}"
        schema = schema["properties"][key]
    if schema.get("type") == "integer":
        jsonschema.validate(int(value), schema)
    return schema


def releases() -> Iterator[object]:
    """What is said to Helm, in as far as it sets values; each once."""
    scripts = [list(commands(block.text)) for block in SCRIPTS]
    given = {tuple(set_values(command)) for script in scripts for command in script if command[0] == "helm"}
    # In prose: `--set webhook.port=10250`, `--set "certs.job.extraArgs={--adopt}"`.
    texts = [path.read_text() for path in {block.document for block in SCRIPTS}]
    prose = {(found,) for text in texts for found in re.findall(r"`--set \"?([^`\"]+)\"?`", text)}
    return (pytest.param(flags, id=" ".join(flags)) for flags in sorted((given | prose) - {()}))


def set_values(command: list[str]) -> list[str]:
    """The values of --set; a variable's value does not matter."""
    flags = [command[index + 1] for index, word in enumerate(command) if word == "--set"]
    return [re.sub(r"\$\{?\w+\}?", "x", flag) for flag in flags]


@pytest.mark.slow
@pytest.mark.parametrize("flags", list(releases()))
def test_helm_renders_the_chart_with_the_values_that_are_set(flags: tuple[str, ...]) -> None:
    """On the command line a number is another type than in a file: the templates have to take both."""
    arguments = [word for flag in flags for word in ("--set", flag)]
    done = helm("template", "token-injector", str(ROOT / CHART), "--kube-version", KUBERNETES, *arguments)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("block", SCRIPTS, ids=lambda block: block.name)
def test_scripts_are_bash(block: Block) -> None:
    """`bash -n` reads them."""
    done = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True, timeout=20, check=False)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize("document", sorted({block.document for block in SCRIPTS}), ids=lambda path: path.name)
def test_a_documents_scripts_pass_shellcheck(document: Path) -> None:
    """All of a document's scripts, one after the other as its reader runs them."""
    script = "\n".join(block.text for block in blocks_of(document) if block.language == "sh")
    linter = Path(sys.executable).with_name("shellcheck")
    # Variables that only a later step or the reader's eyes use; `head` after a pipe ends it early, as it should.
    done = subprocess.run(
        [linter, "--shell=bash", "--exclude=SC2034", "-"],
        input=script,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.stdout == ""


@pytest.mark.parametrize("document", sorted({block.document for block in SCRIPTS}), ids=lambda path: path.name)
def test_variables_are_set_before_they_are_used(document: Path) -> None:
    """Nobody has to guess a name: the same document says it further up."""
    known = set(GIVEN)
    for block in blocks_of(document):
        if block.language == "sh":
            for line in block.text.splitlines():
                known |= {name for pair in ASSIGNED.findall(line) for name in pair if name}
                assert [name for name in VARIABLE.findall(line) if name not in known] == []


def values_blocks() -> list[Block]:
    """Blocks that begin with `# values.yaml`."""
    return [block for block in blocks("yaml") if block.text.startswith("# values.yaml\n")]


@pytest.mark.parametrize("block", values_blocks(), ids=lambda block: f"{block.document.name}: {block.text[14:50]!r}")
def test_values_fit_the_charts_schema(block: Block) -> None:
    """What a document writes into values.yaml Helm takes: it looks at the defaults with the values over them."""
    defaults = yaml.safe_load((ROOT / CHART / "values.yaml").read_text())

    jsonschema.validate(merged(defaults, yaml.safe_load(block.text)), SCHEMA)


def merged(defaults: Any, values: Any) -> Any:
    """As Helm does it: maps key by key, everything else as it is."""
    if not isinstance(defaults, dict) or not isinstance(values, dict):
        return values
    return {**defaults, **{key: merged(defaults.get(key), value) for key, value in values.items()}}
