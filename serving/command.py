"""How do settings become options of a command line? argparse, from the table's rows; Go's form of switches."""

import argparse
from collections.abc import Sequence

from serving.flags import Setting


def add_settings(group: argparse._ActionsContainer, settings: Sequence[Setting]) -> None:
    """An option for each."""
    for setting in settings:
        group.add_argument(
            f"--{setting.flag}", dest=_dest(setting), action="append", metavar=setting.metavar, help=setting.help
        )


def given_settings(arguments: argparse.Namespace, settings: Sequence[Setting]) -> dict[str, list[str]]:
    """Each flag that was given, and its values."""
    return {setting.flag: value for setting in settings if (value := getattr(arguments, _dest(setting), None))}


def with_switch_values(argv: Sequence[str], settings: Sequence[Setting]) -> list[str]:
    """Go's flags take `--json` and `--json=true`, never `--json true`; argparse has no such option: one form."""
    switches = {f"--{setting.flag}" for setting in settings if setting.is_switch}
    return [f"{argument}=true" if argument in switches else argument for argument in argv]


def _dest(setting: Setting) -> str:
    return setting.flag.replace("-", "_")
