"""Who wrote this variable: the author, or an earlier review?

Pure. A pod can come back to the webhook, and a spec copied from a running pod carries what a review (ours or the
seed's) appended. That is replaced, and what the author wrote is kept: docs/adr/0007.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contract import environ
from webhook.pod import Container

# What a review appends to a container's env, in this order.
_FIRST = environ.AWS_WEB_IDENTITY_TOKEN_FILE
_BETWEEN = (environ.AWS_REGION, environ.AWS_DEFAULT_REGION, environ.AWS_STS_REGIONAL_ENDPOINTS)
_LAST = (environ.AWS_ROLE_ARN, environ.AWS_ROLE_SESSION_NAME)
INJECTED_VARIABLES = (_FIRST, *_BETWEEN, *_LAST)
_REGION_TWINS = {environ.AWS_REGION: environ.AWS_DEFAULT_REGION, environ.AWS_DEFAULT_REGION: environ.AWS_REGION}

# What an author may set and SDKs read before the web identity; the author is told.
OVERRIDES: Mapping[str, str] = {
    environ.AWS_ACCESS_KEY_ID: "SDKs use static keys before the web identity",
    environ.AWS_SECRET_ACCESS_KEY: "SDKs use static keys before the web identity",
    environ.AWS_PROFILE: "SDKs read this profile before the web identity",
    environ.AWS_DEFAULT_PROFILE: "SDKs read this profile before the web identity",
    environ.AWS_CONFIG_FILE: "its default profile may override the web identity",
}
_NOTABLE = frozenset({*INJECTED_VARIABLES, *OVERRIDES})

Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ContainerEnv:
    """A container's variables, as far as they matter here."""

    injected: list[int]
    """Where the entries of an earlier review stand."""
    author: Mapping[str, Entry]
    """The author's by name; of two with one name the last holds, as in the container."""


_NOTHING = ContainerEnv([], {})


def read_env(container: Container, volume_name: str, volume_path: str | None = None) -> ContainerEnv:
    """Sort the variables by who wrote them.

    Injected entries are recognised by their first, a token file on our volume, and end before the first entry that is
    not the next of our fixed order. A token file in `volume_path` is ours even if its author wrote it: no other can be
    there once our volume is.
    """
    env = container.get("env") or ()
    if _NOTABLE.isdisjoint([entry.get("name") for entry in env]):
        return _NOTHING  # most containers
    notable = [index for index, entry in enumerate(env) if entry.get("name") in _NOTABLE]
    folders = _folders_of_ours(container, volume_name)
    # Where each of the last names stands first: a pod may carry thousands of entries, and each is looked at once.
    firsts = {name: _first_index(env, notable, name) for name in _LAST}
    injected: list[int] = []
    for start in notable:
        if env[start]["name"] == _FIRST:
            folder = str(env[start].get("value", "")).rpartition("/")[0]
            if folder in folders:
                injected.extend(range(start, _end_of_injected(env, start, firsts)))
            elif folder == volume_path:
                injected.append(start)
    taken = frozenset(injected)
    author = {env[index]["name"]: env[index] for index in notable if index not in taken}
    return ContainerEnv(injected, author)


def without_authors(ours: Iterable[Entry], author: Mapping[str, Entry]) -> list[Entry]:
    """What is left to be said beside the author's entries, in the order of `INJECTED_VARIABLES`.

    Who set one region variable means both, as half of the SDKs read the other one.
    """
    entries = {entry["name"]: entry for entry in ours}
    entries |= {name: _renamed(author[twin], name) for name, twin in _REGION_TWINS.items() if twin in author}
    return [entries[name] for name in INJECTED_VARIABLES if name in entries and name not in author]


def _renamed(entry: Entry, name: str) -> Entry:
    """The same under another name, behind it: a $(NAME) in its text may mean another variable there, or one at all."""
    value = entry.get("value")
    if isinstance(value, str) and "$(" in value.replace("$$", ""):
        return {**entry, "name": name, "value": f"$({entry['name']})"}
    return {**entry, "name": name}


def _folders_of_ours(container: Container, volume_name: str) -> frozenset[str]:
    mounts = container.get("volumeMounts") or ()
    return frozenset(str(mount.get("mountPath")) for mount in mounts if mount.get("name") == volume_name)


def _first_index(env: Sequence[Entry], notable: list[int], name: str) -> int:
    return next((index for index in notable if env[index]["name"] == name), len(env))


def _end_of_injected(env: Sequence[Entry], start: int, firsts: Mapping[str, int]) -> int:
    """The end of what one review appended; only the first entry's if its author continued it.

    A review leaves out what the author had written already, so each of the last names stands in what it appended or
    before. Region entries count only if one of the last follows them: another webhook may have appended them.
    """
    names: Iterator[str] = iter((*_BETWEEN, *_LAST))
    end = start + 1
    for index in range(start + 1, len(env)):
        name = str(env[index].get("name"))
        if name not in names:  # an iterator: a name found takes those before it with it
            break
        if name in _LAST:
            end = index + 1
    return end if all(first < end for first in firsts.values()) else start + 1
