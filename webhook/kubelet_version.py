"""What is the oldest kubelet of this cluster?

Pure. The lowest among the nodes. Where none is known, three minors below the API server, the oldest that Kubernetes
supports beside it: https://kubernetes.io/releases/version-skew-policy/#kubelet
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kube.errors import UnexpectedObjectError
from webhook import values

Version = tuple[int, int]
"""Major and minor."""
Source = Literal["nodes", "api-server", "fixed", "offline", "unknown"]

SKEW = 3
# Kubernetes names its own so; what GKE (-gke.100) and EKS (-eks-1a2b3c) append says nothing about the kubelet's age.
_PRE_RELEASE = re.compile(r"v?[0-9]+\.[0-9]+\.0-(alpha|beta|rc)\b.*")
_MINOR = re.compile(r"([0-9]{1,3})\+?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """What holds, and from where."""

    version: Version | None
    """None: not known; whatever needs a newer kubelet is not used."""
    source: Source
    reason: str

    @property
    def text(self) -> str:
        """For people."""
        return f"{shown(self.version) or 'not known'}, {self.reason}"


class GivenFloor:
    """A floor that nobody has to find out."""

    unready = ""
    problem = None

    def __init__(self, floor: Floor) -> None:
        self.floor = floor
        self.version = floor.version

    def stop(self) -> None:
        """Nothing was started."""


@dataclass(frozen=True, slots=True)
class Node:
    """What the webhook may keep of a node."""

    name: str
    version: Version | None
    """None: the node names no version that can be read."""


def shown(version: Version | None) -> str:
    """1.33; "" for None."""
    return ".".join(map(str, version)) if version else ""


def kubelet_version(text: str) -> Version | None:
    """Major and minor of what a node says; None for what is no Kubernetes version.

    A pre-release of 1.36 counts as 1.35: what 1.36 brings may have come after it.
    """
    try:
        major, minor = values.kubernetes_version(text)
    except ValueError:
        return None
    return (major, minor - 1) if _PRE_RELEASE.fullmatch(text) else (major, minor)


def keep_node(obj: Mapping[str, Any]) -> Node:
    """The node in a Node object. Raises `UnexpectedObjectError`."""
    metadata = obj.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(name, str):
        raise UnexpectedObjectError("metadata.name must be a string")
    status = obj.get("status")
    info = status.get("nodeInfo") if isinstance(status, dict) else None
    text = info.get("kubeletVersion") if isinstance(info, dict) else None
    return Node(name=name, version=kubelet_version(text) if isinstance(text, str) else None)


def server_version(obj: Mapping[str, Any]) -> Version:
    """Major and minor of the answer to GET /version; managed clusters write the minor as "33+".

    Raises `UnexpectedObjectError`.
    """
    found = [_MINOR.fullmatch(str(obj.get(key))) for key in ("major", "minor")]
    if not found[0] or not found[1]:
        raise UnexpectedObjectError("GET /version: expected major and minor, each a number")
    return int(found[0][1]), int(found[1][1])


def oldest_beside(server: Version) -> Version:
    """The oldest kubelet that Kubernetes supports beside an API server of this version."""
    return server[0], max(0, server[1] - SKEW)


class NodeVersions:
    """Every node's version, as the watch tells; one thread writes, many read."""

    def __init__(self) -> None:
        self._versions: dict[str, Version | None] = {}
        self._counts: Counter[Version] = Counter()
        self.lowest: Version | None = None
        """None: no node is known, or none names its version."""
        self.is_listed = False
        """Whether every node has been told at least once."""

    def __len__(self) -> int:
        return len(self._versions)

    @property
    def reason(self) -> str:
        """What the lowest version is the lowest of."""
        known = self._counts.total()
        silent = len(self._versions) - known
        if not known:
            return "no node names its version" if silent else "there is no node"
        others = f"; {silent} more name{'s' if silent == 1 else ''} no version" if silent else ""
        return f"the lowest of {known} node{'' if known == 1 else 's'}{others}"

    def replace(self, items: list[Node], resource_version: str) -> None:
        """These are all nodes now."""
        del resource_version
        self._versions = {node.name: node.version for node in items}
        self._counts = Counter(version for version in self._versions.values() if version is not None)
        self._find_lowest()
        self.is_listed = True

    def upsert(self, item: Node) -> None:
        """A new node, or one that was upgraded. Most events tell nothing new: a node writes its status each minute."""
        if item.name in self._versions and self._versions[item.name] == item.version:
            return
        self._forget(item.name)
        self._versions[item.name] = item.version
        if item.version is not None:
            self._counts[item.version] += 1
        self._find_lowest()

    def delete(self, item: Node) -> None:
        """A deletion may be told twice."""
        self._forget(item.name)
        self._find_lowest()

    def _forget(self, name: str) -> None:
        version = self._versions.pop(name, None)
        if version is not None:
            self._counts[version] -= 1
            if not self._counts[version]:
                del self._counts[version]

    def _find_lowest(self) -> None:
        self.lowest = min(self._counts, default=None)
