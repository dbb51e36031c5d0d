"""What is written where? Pure but for the launcher's own bytes: the plan, what is wanted and its results in, files out.

One file per variable for the kubelet, one env file for a launcher without a socket, and the author's files. All of
them are made before the first is written.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from contract import exit_codes
from contract.secrets import ENV_FILE, GENERATION_FILE, LAUNCHER_FILE
from injector.errors import RefreshError
from injector.placing import Placed
from injector.wanted import container_taker, file_taker
from secretenv.answer import answer, set_record
from secretenv.envfile import EnvfileError, envfile
from secretenv.variable import VariableError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from injector.state import State
    from injector.wanted import Result, Wanted
    from secretenv.plan import ContainerPlan, Plan

EXECUTABLE = 0o555


def deliverable(plan: Plan, wants: Sequence[Wanted], results: Mapping[str, Result]) -> list[Placed]:
    """Every file of the takers of `wants`; raises RefreshError for a value that its file cannot hold."""
    by_taker: dict[str, list[Wanted]] = {}
    for one in wants:
        by_taker.setdefault(one.taker, []).append(one)
    files: list[Placed] = []
    for container in plan.containers:
        own = by_taker.get(container_taker(container.name), [])
        files += _of_container(container, own, results)
    for file in plan.files:
        for one in by_taker.get(file_taker(file.name), []):
            path = os.path.join(plan.files_directory, _file_name(one, file.name))
            files.append(Placed(path=path, content=_content(one, results[one.key])))
    return files


def answer_of(wants: Sequence[Wanted], results: Mapping[str, Result]) -> bytes:
    """What a launcher gets: only what has a value, for the rest it has as it was written; raises RefreshError."""
    return answer(_record(one, value) for one in wants if isinstance(value := results[one.key], str))


def launchers(plan: Plan, source: str) -> list[Placed]:
    """The launcher for each container that starts with it; raises RefreshError where it cannot be read."""
    directories = [container.directory for container in plan.containers if container.delivery != "envfile"]
    if not directories:
        return []
    try:
        with open(source, "rb") as file:
            content = file.read()
    except OSError as exc:
        raise RefreshError(
            f"cannot read the launcher {source}: {exc.strerror}; it is a part of the injected image",
            exit_code=exit_codes.SECRETS_NOT_WRITTEN,
        ) from exc
    return [
        Placed(path=os.path.join(directory, LAUNCHER_FILE), content=content, mode=EXECUTABLE)
        for directory in directories
    ]


def generations(plan: Plan, now: State, *takers: str) -> list[Placed]:
    """What a supervising launcher looks at, of these takers or of all."""
    if plan.rotation not in {"signal", "restart"}:
        return []
    return [
        Placed(
            path=os.path.join(container.directory, GENERATION_FILE),
            content=f"{now.takers[taker].generation}\n".encode("ascii"),
        )
        for container in plan.containers
        if container.delivery != "envfile" and (taker := container_taker(container.name)) in (takers or now.takers)
    ]


def _of_container(container: ContainerPlan, wants: Sequence[Wanted], results: Mapping[str, Result]) -> list[Placed]:
    if container.delivery == "env":
        return [Placed(path=os.path.join(container.directory, ENV_FILE), content=answer_of(wants, results))]
    if container.delivery == "socket":
        return []
    return [
        Placed(
            path=os.path.join(container.directory, _file_name(one, f"{one.name}.env")),
            content=_env_file(one, results[one.key]),
        )
        for one in wants
    ]


def _content(one: Wanted, result: Result) -> bytes:
    """What has no value stays as the author wrote it."""
    if isinstance(result, bytes):
        return result
    text = result if isinstance(result, str) else one.text
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise _unheld(one, "its text is no UTF-8") from None


def _env_file(one: Wanted, result: Result) -> bytes:
    try:
        return envfile(one.name, result if isinstance(result, str) else one.text)
    except EnvfileError as exc:
        raise _unheld(one, str(exc)) from exc


def _record(one: Wanted, value: str) -> bytes:
    try:
        return set_record(one.name, value)
    except VariableError as exc:
        raise _unheld(one, str(exc)) from exc


def _file_name(one: Wanted, name: str) -> str:
    """Kubernetes lets a variable's name hold almost anything, a slash too."""
    if "/" in name or name in {".", "..", ""}:
        raise _unheld(one, "this name is no file's name; use letters, digits, - _ and . in it")
    return name


def _unheld(one: Wanted, why: str) -> RefreshError:
    return RefreshError(f"{one.where}: {why}", exit_code=exit_codes.SECRET_UNRESOLVED)
