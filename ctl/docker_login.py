"""The credentials of this machine's Docker configuration: its auths, and the helpers that it names.

A helper (docker-credential-NAME, as docker itself runs it) gets the registry on standard input and answers with JSON.
It may ask a key store or a cloud, so its time is bounded; nothing that it says is repeated.
"""

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ctl.errors import UsageError
from webhook.entrypoint.credential import Credential, Offers
from webhook.entrypoint.deadline import Deadline
from webhook.entrypoint.docker_config import DockerConfigError, credentials_for, read_docker_config
from webhook.entrypoint.image_name import DOCKER_HUB, ImageName
from webhook.entrypoint.question import Wanted

_HELPER = re.compile(r"[A-Za-z0-9._-]+")
_HUB_SERVER = "https://index.docker.io/v1/"
# What a helper says as the user's name where the secret is an identity token.
_TOKEN_USER = "<token>"  # noqa: S105 - a name


class DockerLogin:
    """A `Source`."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Read the configuration, if there is one. Raises `UsageError`."""
        home = environ.get("HOME")
        folder = environ.get("DOCKER_CONFIG") or (f"{home}/.docker" if home else "")
        self._path = Path(folder, "config.json")
        self._environ = environ
        self._auths: dict[str, Any] = {}
        self._helpers: dict[str, str] = {}
        self._store = ""
        if folder and self._path.exists():
            self._read()

    def __call__(self, name: ImageName, _: Wanted, deadline: Deadline) -> Offers:
        """What docker would pull with: the registry's own helper, else the store, then what stands in the file."""
        helper = self._helpers.get(_server(name.registry)) or self._helpers.get(name.registry) or self._store
        problems: list[str] = []
        found: list[Credential] = []
        if helper:
            found += self._ask(helper, _server(name.registry), deadline, problems)
        try:
            found += credentials_for(self._auths, name, str(self._path))
        except DockerConfigError as exc:
            problems.append(str(exc))
        return Offers(credentials=found, problems=problems)

    def _read(self) -> None:
        try:
            text = self._path.read_text(encoding="utf-8")
            self._auths = read_docker_config(text)
        except OSError as exc:
            raise UsageError(
                f"{self._path}: {exc.strerror}: make it readable, or name another with DOCKER_CONFIG"
            ) from exc
        except (DockerConfigError, UnicodeDecodeError) as exc:
            reason = exc if isinstance(exc, DockerConfigError) else "not UTF-8 text"
            raise UsageError(f"{self._path}: {reason}; docker login writes it anew") from None  # may quote a password
        document = json.loads(text)
        helpers, store = document.get("credHelpers") or {}, document.get("credsStore") or ""
        if not isinstance(helpers, dict) or not all(
            isinstance(each, str) and (not each or _HELPER.fullmatch(each)) for each in (store, *helpers.values())
        ):
            raise UsageError(
                f"{self._path}: credHelpers, credsStore: expected names of helpers, as docker login writes them"
            )
        self._helpers, self._store = helpers, store

    def _ask(self, helper: str, server: str, deadline: Deadline, problems: list[str]) -> list[Credential]:
        program = f"docker-credential-{helper}"
        try:
            finished = subprocess.run(
                [program, "get"],
                input=server.encode(),
                capture_output=True,
                env=dict(self._environ),
                timeout=deadline.left(),
                check=False,
            )
        except FileNotFoundError:
            problems.append(f"{program}: not on the PATH, but named in {self._path}")
            return []
        except (OSError, subprocess.TimeoutExpired) as exc:
            problems.append(f"{program} get: {getattr(exc, 'strerror', None) or 'no answer in time'}")
            return []
        if finished.returncode:
            # Most of all: it has none for this registry, which is no problem unless nothing else helps.
            problems.append(f"{program} get: it has nothing for {server}: docker login {server}")
            return []
        try:
            answer = json.loads(finished.stdout)
            user, secret = str(answer["Username"]), str(answer["Secret"])
        except (ValueError, KeyError, TypeError, RecursionError):
            problems.append(f"{program} get: expected JSON with Username and Secret")
            return []
        if user == _TOKEN_USER:
            return [Credential(origin=program, identity_token=secret)]
        return [Credential(origin=program, username=user, password=secret)]


def _server(registry: str) -> str:
    return _HUB_SERVER if registry == DOCKER_HUB else registry
