"""`inject -o`: the forms in which a rendering is shown."""

import io
import json
from pathlib import Path

import pytest

from ctl.cli import main
from ctl.gather import SETTINGS
from tests.ctl.commands import GOLDEN, golden, run
from webhook.flags import ENTRYPOINT_GROUP, SERVER_SETTINGS

MANIFESTS = GOLDEN / "manifests.yaml"
CLUSTER = ("inject", "-f", str(MANIFESTS), "--mode=cluster", "--region=eu-west-1")


@pytest.mark.parametrize("form", ["yaml", "json", "patch", "diff"])
def test_each_form(form: str) -> None:
    """One stream, four forms; cluster mode, as it is short."""
    finished = run(*CLUSTER, "-o", form)

    assert (finished.code, finished.err) == (0, "")
    assert finished.out == golden(f"rendered.{form}", finished.out)


def test_json_of_one_object_is_that_object(tmp_path: Path) -> None:
    """Several objects are a List, one is itself."""
    path = tmp_path / "config.yaml"
    path.write_text("---\n---\nkind: ConfigMap\ndata: {1: a}\n")

    assert json.loads(run("inject", "-f", str(path), "-o", "json").out) == {"kind": "ConfigMap", "data": {"1": "a"}}
    assert json.loads(run(*CLUSTER, "-o", "json").out)["kind"] == "List"


class Terminal(io.StringIO):
    """A stream that a person looks at."""

    def isatty(self) -> bool:
        """As the name says."""
        return True


@pytest.mark.parametrize(("environ", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_only_a_terminal_gets_colours(environ: dict[str, str], *, coloured: bool) -> None:
    """Added lines are green on a terminal, unless NO_COLOR says no."""
    terminal = Terminal()

    main((*CLUSTER, "-o", "diff"), environ=environ, stdin=io.StringIO(), stdout=terminal, stderr=io.StringIO())

    assert ("\x1b[32m+" in terminal.getvalue()) is coloured
    assert "\x1b" not in run(*CLUSTER, "-o", "diff").out


def test_every_setting_of_a_review_is_a_flag() -> None:
    """What decides and what injects can be said here; what listens, looks up and scales can't."""
    groups = ("listening", "service accounts", ENTRYPOINT_GROUP, "capacity")
    elsewhere = {setting.flag for group in groups for setting in SERVER_SETTINGS[group]}

    assert {setting.flag for setting in SETTINGS} | elsewhere == {
        setting.flag for group in SERVER_SETTINGS.values() for setting in group
    }
    for setting in SETTINGS:
        assert f"--{setting.flag} {setting.metavar}" in run("inject", "--help").out
