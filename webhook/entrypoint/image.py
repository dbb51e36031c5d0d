"""From a digest to what the image starts: manifest, index, configs; each fetched by its digest and verified."""

from concurrent.futures import ThreadPoolExecutor

from webhook.entrypoint.errors import UnusableImageError
from webhook.entrypoint.manifest import Entry, Entrypoint, Index, agreed, candidates, parse_config, parse_manifest
from webhook.entrypoint.registry import Registry

_AT_ONCE = 4


def read_entrypoint(registry: Registry, digest: str, architecture: str | None) -> Entrypoint:
    """What the pod would start. Raises `EntrypointError`."""
    found = parse_manifest(*registry.manifest(digest))
    if not isinstance(found, Index):
        return parse_config(registry.config(found.config_digest))
    entries = candidates(found, architecture)
    if len(entries) == 1:
        return _of_entry(registry, entries[0])
    with ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="platforms") as threads:
        entrypoints = threads.map(lambda entry: _of_entry(registry, entry), entries)
        return agreed(list(zip(entries, entrypoints, strict=True)))


def _of_entry(registry: Registry, entry: Entry) -> Entrypoint:
    manifest = parse_manifest(*registry.manifest(entry.digest))
    if isinstance(manifest, Index):
        raise UnusableImageError("its index names an index as an image")
    return parse_config(registry.config(manifest.config_digest))
