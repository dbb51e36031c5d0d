"""What is known of images already. Pure but for its lock; the clock is a parameter.

An image's digest means the same for ever, so what it starts is kept as long as there is room. A tag's digest holds for
a moment. Everything is kept by namespace: what one namespace may read of a registry is no other's to learn.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from webhook.entrypoint.image_name import ImageName
from webhook.entrypoint.manifest import Entrypoint
from webhook.entrypoint.question import Wanted

V = TypeVar("V")

# A few hundred bytes each.
SIZE = 4096
# Nodes that have the tag's image do not look again either (imagePullPolicy IfNotPresent).
TAG_SECONDS = 30.0
# For how long a tag's last known image stands in where its registry does not answer.
STALE_SECONDS = 3600.0


class Bounded(Generic[V]):
    """The last used `size` values."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: OrderedDict[Hashable, V] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> V | None:
        """The value, which is now the last used."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def put(self, key: Hashable, value: V) -> None:
        """Keep it, and forget the one that was not used for longest."""
        with self._lock:
            self._values[key] = value
            self._values.move_to_end(key)
            while len(self._values) > self._size:
                self._values.popitem(last=False)


@dataclass(frozen=True, slots=True)
class _Tagged:
    digest: str
    at: float


class ImageCache:
    """Digests of tags, and entrypoints of digests."""

    def __init__(self, *, clock: Callable[[], float], size: int = SIZE) -> None:
        """`clock` is monotonic seconds."""
        self._clock = clock
        self._tags: Bounded[_Tagged] = Bounded(size)
        self._entrypoints: Bounded[Entrypoint] = Bounded(size)

    def digest(self, wanted: Wanted, name: ImageName, *, seconds: float) -> str | None:
        """The image's digest, if it stands in the name or was found out in the last `seconds`."""
        if name.digest:
            return name.digest
        known = self._tags.get(_tag_key(wanted, name))
        return known.digest if known and self._clock() - known.at < seconds else None

    def entrypoint(self, wanted: Wanted, name: ImageName, digest: str) -> Entrypoint | None:
        """What the digest starts."""
        return self._entrypoints.get(_digest_key(wanted, name, digest))

    def learn(self, wanted: Wanted, name: ImageName, digest: str, entrypoint: Entrypoint) -> None:
        """A whole answer."""
        if not name.digest:
            self._tags.put(_tag_key(wanted, name), _Tagged(digest, self._clock()))
        self._entrypoints.put(_digest_key(wanted, name, digest), entrypoint)


def _tag_key(wanted: Wanted, name: ImageName) -> Hashable:
    return wanted.namespace, name.registry, name.repository, name.tag


def _digest_key(wanted: Wanted, name: ImageName, digest: str) -> Hashable:
    return wanted.namespace, name.registry, name.repository, digest, wanted.architecture
