"""Which web identity did a container's author bring: a role, a token file, and the mount on which it lies?

Pure. The injected container gets the same. It has no other variable of the author's, so $(NAME) stands for its text
where that is known here, and else the pod is denied: AWS would be asked for a role that is called $(NAME).
"""

import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from contract import environ
from webhook import values
from webhook.decision import OwnIdentity, WebIdentity
from webhook.env import INJECTED_VARIABLES, Entry, read_env
from webhook.pod import Container
from webhook.precedence import Annotations, shown
from webhook.secrets.expansion import pieces_of, unexpanded
from webhook.secrets.needs import Needs
from webhook.secrets.pieces import NOTHING
from webhook.secrets.refused import RefusedError
from webhook.settings import Settings

# Of all texts that $(NAME) puts into one: more than roles, paths and regions have. A pod may write it a thousand times.
_LONGEST = 4096
# Where only the kubelet knows the author's text. A session is usually called as its pod, and its name is a label.
_INSTEAD = {environ.AWS_STS_REGIONAL_ENDPOINTS: "regional", environ.AWS_ROLE_SESSION_NAME: "token-injector-secrets"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """The variables of a web identity that a container's author wrote."""

    container: Container
    variables: Mapping[str, Entry]
    """A `value` is the text that the container has; without one it is known only when the container runs."""
    unknown: Mapping[str, str]
    """By variable, the $(NAME) in it of which nobody knows the text here."""
    texts: Mapping[str, str]
    """By variable, all that are known."""

    def text(self, variable: str) -> str:
        """The variable's; "" where it is not known."""
        return str(self.variables.get(variable, {}).get("value") or "")


def read_brought(container: Container, given: WebIdentity | None, settings: Settings) -> Brought:
    """Without what a review of ours appended. `given` is what this review appends to it, if it does.

    To a token file without a role that is the pod's role: the next review can't tell whose it is.
    """
    author = read_env(container, settings.volume_name, given.volume_path if given else None).author
    texts, unknown = _texts(container) if author else ({}, {})
    texts |= {name: text for name, text in _INSTEAD.items() if unknown.pop(name, None)}
    variables = {name: _as_known(author[name], texts) for name in INJECTED_VARIABLES if name in author}
    if given and environ.AWS_WEB_IDENTITY_TOKEN_FILE in variables:
        variables.setdefault(environ.AWS_ROLE_ARN, {"name": environ.AWS_ROLE_ARN, "value": given.role_arn})
    return Brought(
        container=container,
        variables=variables,
        unknown={name: missing for name, missing in unknown.items() if name in variables},
        texts=texts,
    )


def own_identity(
    needs: Needs, given: WebIdentity | None, settings: Settings, gathered: Annotations
) -> OwnIdentity | None:
    """The first container's that brings a role, a token file, and the mount. Raises `RefusedError`."""
    for container in needs.served:
        brought = read_brought(container, given, settings)
        if not {environ.AWS_ROLE_ARN, environ.AWS_WEB_IDENTITY_TOKEN_FILE} <= brought.variables.keys():
            continue
        mount = _mount_of(brought.text(environ.AWS_WEB_IDENTITY_TOKEN_FILE), container.get("volumeMounts") or ())
        if mount or environ.AWS_WEB_IDENTITY_TOKEN_FILE in brought.unknown:
            _refuse_unknown(brought, gathered)
        if mount:
            _refuse_malformed_role(brought, gathered)
            _refuse_other_roles(brought, needs, given, settings, gathered)
            # SDKs read an empty one as none: what is ours takes its place.
            taken = tuple(_as_written(entry) for entry in brought.variables.values() if entry.get("value") != "")
            return OwnIdentity(env=taken, mount={**_without_expression(mount, brought, gathered), "readOnly": True})
    return None


def _texts(container: Container) -> tuple[dict[str, str], dict[str, str]]:
    """By variable the text that the kubelet makes of its `value`, or the name in it that is not known here."""
    known: dict[str, str] = {}
    unknown: dict[str, str] = {}
    for entry in container.get("env") or ():
        name, value = entry.get("name"), entry.get("value")
        # A manifest may hold a number, which no API server takes.
        text, missing = _expanded(value if isinstance(value, str) else "", known)
        known.pop(name, None)
        unknown.pop(name, None)
        if entry.get("valueFrom"):
            continue
        if missing:
            unknown[name] = missing
        else:
            known[name] = text
    return known, unknown


def _expanded(text: str, known: Mapping[str, str]) -> tuple[str, str]:
    """The text, and the first name in it that is not known."""
    if "$" not in text:
        return text, ""
    parts: list[str] = []
    left = _LONGEST
    for piece, is_name in pieces_of(text):
        if is_name:
            left -= len(known.get(piece, ""))
            if piece not in known or left < 0:
                return "", piece or "()"
        parts.append(known[piece] if is_name else piece.replace(NOTHING, "$"))
    return "".join(parts), ""


def _as_known(entry: Entry, texts: Mapping[str, str]) -> Entry:
    if entry.get("valueFrom"):
        return entry
    name = entry["name"]
    return {"name": name, "value": texts[name]} if name in texts else {"name": name}


def _as_written(entry: Entry) -> Entry:
    return {**entry, "value": unexpanded(entry["value"])} if "value" in entry else dict(entry)


def _refuse_unknown(brought: Brought, gathered: Annotations) -> None:
    for variable, name in brought.unknown.items():
        raise RefusedError(
            "expansion",
            f"{gathered.pod_place}: container {brought.container['name']!r}, variable {variable}: secrets are read "
            f"with this identity, and {shown(f'$({name})')} is known only when the container runs: write its text",
        )


def _refuse_malformed_role(brought: Brought, gathered: Annotations) -> None:
    role = brought.variables[environ.AWS_ROLE_ARN]
    if role.get("valueFrom"):
        return
    try:
        values.role_arn(role["value"])
    except ValueError as exc:
        raise RefusedError(
            "no_role",
            f"{gathered.pod_place}: container {brought.container['name']!r}, variable {environ.AWS_ROLE_ARN}: "
            f"{shown(role['value'])} is not valid: {exc}",
        ) from None


def _refuse_other_roles(
    taken: Brought, needs: Needs, given: WebIdentity | None, settings: Settings, gathered: Annotations
) -> None:
    """One role reads for all: a container that brings none is served with it, one that brings another must not be.

    Where no container with references brings a role, nobody has said which of the others' it shall be.
    """
    role, name = taken.variables[environ.AWS_ROLE_ARN], taken.container["name"]
    with_references = {one.name: one for one in needs.containers}
    for other in needs.served:
        one = with_references.get(other["name"])
        others = read_brought(other, given, settings).variables.get(environ.AWS_ROLE_ARN)
        if others is None or others == role:
            continue
        if (one and one.templates) or name not in with_references:
            raise RefusedError(
                "no_role",
                f"{gathered.pod_place}: containers {name!r} and {other['name']!r} bring different roles in "
                f"{environ.AWS_ROLE_ARN}, and one pod reads its secrets with one role: give them one that may read the "
                "secrets of both, or make two pods of it",
            )
        if one:
            gathered.warn(
                f"container {one.name}: if its variables become references, they are read with the role of container "
                f"{name}, not with its own: one pod reads its secrets with one role"
            )


def _mount_of(path: str, mounts: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The innermost mount that holds the file."""
    holding = [mount for mount in mounts if _holds(str(mount.get("mountPath") or ""), path)]
    return max(holding, key=lambda mount: len(str(mount["mountPath"])), default=None)


def _holds(mount_path: str, path: str) -> bool:
    return bool(mount_path) and path.startswith(f"{posixpath.normpath(mount_path).rstrip('/')}/")


def _without_expression(mount: Mapping[str, Any], brought: Brought, gathered: Annotations) -> dict[str, Any]:
    """The mount with a `subPath` for its `subPathExpr`, which would need the author's variables."""
    expression = mount.get("subPathExpr")
    if not expression:
        return dict(mount)
    path, missing = _expanded(str(expression), brought.texts)
    if missing:
        raise RefusedError(
            "expansion",
            f"{gathered.pod_place}: container {brought.container['name']!r}, the mount of its token file: secrets are "
            f"read with this identity, and {shown(f'$({missing})')} in subPathExpr is known only when the container "
            "runs: write a subPath",
        )
    return {**{key: value for key, value in mount.items() if key != "subPathExpr"}, "subPath": path}
