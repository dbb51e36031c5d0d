"""The role policy from a YAML file, as a ConfigMap brings it into the webhook's pod."""

import time
from collections.abc import Callable
from pathlib import Path

from serving.reloaded_file import FileError, ReloadedFile
from serving.rules import RulesError
from serving.rules_text import load_rules
from serving.yaml_errors import YamlError
from webhook.role_policy import RolePolicy, parse_role_policy


class RolePolicyFileError(FileError):
    """A file with a role policy."""


class FileRolePolicy:
    """The policy in force."""

    def __init__(self, path: str | Path, *, clock: Callable[[], float] = time.time) -> None:
        """Read it. Raises `RolePolicyFileError`. `clock` is seconds since 1970."""
        self._path = path
        self._file = ReloadedFile(
            path, load_role_policy, error=RolePolicyFileError, expected="a readable role policy", clock=clock
        )

    @property
    def policy(self) -> RolePolicy:
        """What holds now, cheap enough for every review."""
        return self._file.content()

    @property
    def text(self) -> str:
        """For people."""
        count = len(self.policy.rules)
        return f"{count} rule{'' if count == 1 else 's'} of {self._path}"

    @property
    def loaded_at(self) -> float:
        """When the policy in force was read, in seconds since 1970."""
        return self._file.loaded_at

    @property
    def failures(self) -> int:
        """How many changed files could not be used."""
        return self._file.failures

    @property
    def problem(self) -> str | None:
        """Why the file as it is now is not in force; None while it is."""
        return self._file.problem

    @property
    def unready(self) -> str:
        """Never: the last good policy is in force."""
        return ""

    def stop(self) -> None:
        """Nothing was started."""


def load_role_policy(text: str, origin: str) -> RolePolicy:
    """The policy in a YAML text. Raises `RolePolicyFileError`, which begins with `origin`."""
    try:
        return parse_role_policy(load_rules(text))
    except (YamlError, RulesError) as exc:
        raise RolePolicyFileError(f"{origin}: {exc}") from exc
