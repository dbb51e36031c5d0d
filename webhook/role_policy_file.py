"""The role policy from a YAML file, as a ConfigMap brings it into the webhook's pod."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from serving.reloaded_file import FileError, ReloadedFile
from serving.yaml_errors import YamlError, yaml_errors
from webhook.role_policy import RolePolicy, RolePolicyError, parse_role_policy


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
        with yaml_errors():
            document = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
        return parse_role_policy(document)
    except (YamlError, RolePolicyError) as exc:
        raise RolePolicyFileError(f"{origin}: {exc}") from exc


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice: of two lists of roles YAML would take the last and say nothing."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - the base class's
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {key.value!r} stands twice", problem_mark=key.start_mark)
            if isinstance(key, yaml.ScalarNode):
                seen.add(key.value)
        return super().construct_mapping(node, deep=deep)
