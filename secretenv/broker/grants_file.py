"""The grants from a YAML file, as a ConfigMap brings it into the broker's pod."""

import time
from collections.abc import Callable
from pathlib import Path

from secretenv.broker.grants import Grants, parse_grants
from serving.reloaded_file import FileError, ReloadedFile
from serving.rules import RulesError
from serving.rules_text import load_rules
from serving.yaml_errors import YamlError


class GrantsFileError(FileError):
    """A file with grants."""


def grants_file(path: str | Path, *, clock: Callable[[], float] = time.time) -> ReloadedFile[Grants]:
    """Read it. Raises `GrantsFileError`. `clock` is seconds since 1970."""
    return ReloadedFile(path, load_grants, error=GrantsFileError, expected="readable grants", clock=clock)


def load_grants(text: str, origin: str) -> Grants:
    """The grants in a YAML text. Raises `GrantsFileError`, which begins with `origin`."""
    try:
        return parse_grants(load_rules(text))
    except (YamlError, RulesError) as exc:
        raise GrantsFileError(f"{origin}: {exc}") from exc
