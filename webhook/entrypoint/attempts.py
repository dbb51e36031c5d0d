"""One image, asked for at every place with every credential until one answers.

The order: each mirror, then the registry itself; at each of them the operator's pull secret, the pod's and its service
account's, the cloud's, and no credentials.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from webhook.entrypoint.cache import STALE_SECONDS, ImageCache
from webhook.entrypoint.counts import Attempted, Counts, SourceName
from webhook.entrypoint.credential import ANONYMOUS, Credential, Source
from webhook.entrypoint.errors import AbsentError, DeniedError, EntrypointError, UnreachableError
from webhook.entrypoint.hosts import matches
from webhook.entrypoint.image import read_entrypoint
from webhook.entrypoint.image_name import ImageName
from webhook.entrypoint.manifest import Entrypoint
from webhook.entrypoint.question import Wanted
from webhook.entrypoint.registry import Registry
from webhook.entrypoint.transport import Transport


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where images are, and whom we can say that we are."""

    mirrors: Sequence[tuple[str, str]]
    sources: Mapping[SourceName, Source]
    """In the order in which they are tried."""
    cache: ImageCache
    counts: Counts

    def of(self, name: ImageName) -> Iterator[ImageName]:
        """The image's name at each mirror, and its own."""
        for pattern, target in self.mirrors:
            if matches(pattern, name.registry):
                host, slash, prefix = target.partition("/")
                yield replace(name, registry=host, repository=f"{prefix}{slash}{name.repository}")
        yield name


class Attempts:
    """What was tried for one image; `problems` grows, for whoever can wait no longer."""

    def __init__(self, places: Places, wanted: Wanted, name: ImageName, transport: Transport) -> None:
        self.problems: list[str] = []
        self._places = places
        self._wanted = wanted
        self._name = name
        self._transport = transport
        self._is_refused = False

    def run(self) -> Entrypoint | None:
        """What the image starts, None if `problems` say why nobody knows."""
        cache, wanted, name = self._places.cache, self._wanted, self._name
        for place in self._places.of(name):
            found = self._at(place)
            if found is not None:
                return found
        # Nobody said no: what the tag meant a while ago is most likely what it means.
        stale = cache.digest(wanted, name, seconds=STALE_SECONDS)
        if stale is None or self._is_refused or wanted.is_fresh_only(name):
            return None
        return cache.entrypoint(wanted, name, stale)

    def _at(self, place: ImageName) -> Entrypoint | None:
        """From one place, with the first credential that it takes; another one is no help against anything else."""
        origin = ""
        try:
            for source, credential in self._credentials(place):
                origin = f" with {credential.origin}"
                try:
                    return self._read(source, Registry(self._transport, place, credential))
                except (DeniedError, AbsentError) as exc:
                    self._failed(place, origin, exc)
        except EntrypointError as exc:
            self._failed(place, origin, exc)
        return None

    def _read(self, source: SourceName, registry: Registry) -> Entrypoint:
        cache, wanted, name = self._places.cache, self._wanted, self._name
        try:
            digest = name.digest or registry.digest(name.reference)
            entrypoint = cache.entrypoint(wanted, name, digest)
            if entrypoint is None:
                entrypoint = read_entrypoint(registry, digest, wanted.architecture)
        except EntrypointError as exc:
            self._places.counts.attempted(source, _outcome(exc))
            raise
        self._places.counts.attempted(source, "found")
        cache.learn(wanted, name, digest, entrypoint)
        return entrypoint

    def _credentials(self, place: ImageName) -> Iterator[tuple[SourceName, Credential]]:
        """Each once, anonymous at the end; a source is asked when those before it were refused."""
        seen: set[Credential] = set()
        for source, offered in self._places.sources.items():
            offers = offered(place, self._wanted, self._transport.deadline)
            if offers.problems:
                self._places.counts.attempted(source, "unavailable")
            self.problems.extend(problem for problem in offers.problems if problem not in self.problems)
            for credential in offers.credentials:
                if credential not in seen:
                    yield source, credential
                seen.add(credential)
        yield "anonymous", ANONYMOUS

    def _failed(self, place: ImageName, origin: str, exc: EntrypointError) -> None:
        self._is_refused |= not isinstance(exc, UnreachableError)
        self.problems.append(f"{place.registry}{origin}: {exc}")


def _outcome(exc: EntrypointError) -> Attempted:
    match exc:
        case DeniedError():
            return "denied"
        case AbsentError():
            return "absent"
        case UnreachableError():
            return "unreachable"
    return "unusable"
