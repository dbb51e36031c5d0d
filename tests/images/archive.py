"""What is in an image? Reads the format of `docker save`, which podman, buildah and skopeo write too."""

import contextlib
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

_WHITEOUT = ".wh."


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One saved image."""

    name: str
    config: dict[str, Any]
    """User, Env, Entrypoint, Labels and so on, as the Dockerfile gave them."""
    members: dict[PurePosixPath, tarfile.TarInfo]
    """Each path, absolute, with its owner, mode and size."""
    path: Path
    layers: tuple[str, ...]

    @property
    def interpreter(self) -> str:
        """The interpreter's name with its version: python3.13."""
        return self.members[PurePosixPath("/usr/bin/python3")].linkname

    @property
    def size(self) -> int:
        """Bytes, unpacked."""
        return sum(member.size for member in self.members.values())

    def files(self, pattern: str) -> list[PurePosixPath]:
        """The files whose path matches."""
        return [path for path, member in self.members.items() if member.isfile() and path.match(pattern)]

    def read(self, path: PurePosixPath) -> bytes:
        """A file's content."""
        for name in reversed(self.layers):
            with _layer(self.path, name) as tar:
                found = [member for member in tar if _absolute(member.name) == path]
                if found and (file := tar.extractfile(found[0])):
                    return file.read()
        raise FileNotFoundError(path)

    def unpack(self, folder: Path) -> None:
        """Make its root below a folder; as root, with its owners. Only for images without removed files."""
        for name in self.layers:
            with _layer(self.path, name) as tar:
                tar.extractall(folder, filter="fully_trusted")


def load(path: Path) -> Image:
    """Read a saved image."""
    with tarfile.open(path) as tar:
        (manifest,) = json.loads(_content(tar, "manifest.json"))
        config = json.loads(_content(tar, manifest["Config"]))["config"]
    layers = tuple(manifest["Layers"])
    members: dict[PurePosixPath, tarfile.TarInfo] = {}
    for name in layers:
        with _layer(path, name) as tar:
            for member in tar:
                place = _absolute(member.name)
                if place.name.startswith(_WHITEOUT):
                    _remove(members, place.with_name(place.name.removeprefix(_WHITEOUT)))
                else:
                    members[place] = member
    return Image(name=path.stem, config=config, members=members, path=path, layers=layers)


def largest(image: Image, count: int) -> list[tuple[int, PurePosixPath]]:
    """The largest paths, none within another; a folder stands for its content unless one entry is most of it."""
    sizes: dict[PurePosixPath, int] = {}
    for path, member in image.members.items():
        for place in (path, *path.parents):
            sizes[place] = sizes.get(place, 0) + member.size
    children: dict[PurePosixPath, int] = {}
    for path, size in sizes.items():
        children[path.parent] = max(children.get(path.parent, 0), size) if path != path.parent else 0
    found: list[tuple[int, PurePosixPath]] = []
    for path, size in sorted(sizes.items(), key=lambda item: -item[1]):
        is_mostly_one = children.get(path, 0) > size / 2
        if not is_mostly_one and not any(other in path.parents for _, other in found):
            found.append((size, path))
        if len(found) == count:
            break
    return found


def _content(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    assert file is not None, name
    return file.read()


@contextlib.contextmanager
def _layer(path: Path, name: str) -> Iterator[tarfile.TarFile]:
    with tarfile.open(path) as archive, tarfile.open(fileobj=archive.extractfile(name)) as layer:
        yield layer


def _absolute(name: str) -> PurePosixPath:
    return PurePosixPath("/", name)


def _remove(members: dict[PurePosixPath, tarfile.TarInfo], place: PurePosixPath) -> None:
    for path in [path for path in members if path == place or place in path.parents]:
        del members[path]
