"""The look-up as the webhook uses it, and as a person at a terminal does."""

import time
from collections.abc import Mapping
from functools import cache

from kube.client import Client
from kube.config import Connection
from webhook.entrypoint.attempts import Places
from webhook.entrypoint.cache import ImageCache
from webhook.entrypoint.counts import UNCOUNTED, Counts, SourceName
from webhook.entrypoint.credential import Source
from webhook.entrypoint.deadline import Deadline
from webhook.entrypoint.ecr import EcrCredentials
from webhook.entrypoint.google import GoogleCredentials
from webhook.entrypoint.lookup import EntrypointLookup, Limits
from webhook.entrypoint.pull_secrets import PodPullSecrets, from_file
from webhook.entrypoint.settings import EntrypointSettings
from webhook.entrypoint.ssrf import Guard, resolve
from webhook.entrypoint.transport import Transport, tls_contexts


def webhook_lookup(
    settings: EntrypointSettings,
    *,
    connection: Connection | None,
    environ: Mapping[str, str],
    threads: int,
    counts: Counts,
) -> EntrypointLookup:
    """One worker's, made after the fork. `connection`: the API server, None without one; `threads`: the worker's."""
    sources: dict[SourceName, Source] = {}
    if settings.registry_pull_secret:
        sources["pull_secret"] = from_file(settings.registry_pull_secret)
    if connection is not None:
        client = cache(lambda: Client(connection))
        sources["pod_pull_secret"] = PodPullSecrets(client, settings.pull_secret_namespaces)
    sources["google"] = GoogleCredentials(environ, clock=time.monotonic)
    sources["ecr"] = EcrCredentials(environ, clock=time.monotonic)
    return _lookup(settings, sources, at_once=max(1, threads // 2), counts=counts)


def local_lookup(settings: EntrypointSettings, docker_login: Source, *, at_once: int) -> EntrypointLookup:
    """Whoever names the images owns this machine: registries on it are theirs to reach."""
    sources: dict[SourceName, Source] = {"docker_login": docker_login}
    return _lookup(settings, sources, at_once=at_once, counts=UNCOUNTED, allow_local=True)


def _lookup(
    settings: EntrypointSettings,
    sources: Mapping[SourceName, Source],
    *,
    at_once: int,
    counts: Counts,
    allow_local: bool = False,
) -> EntrypointLookup:
    tls = tls_contexts(settings.registry_ca)
    images = ImageCache(clock=time.monotonic)

    def transport(deadline: Deadline) -> Transport:
        # Within one look-up a name has one answer.
        guard = Guard(settings, resolve=cache(resolve), allow_local=allow_local)
        return Transport(guard, tls, deadline)

    return EntrypointLookup(
        Places(mirrors=settings.registry_mirror, sources=sources, cache=images, counts=counts),
        transport,
        limits=Limits(seconds=settings.entrypoint_timeout, at_once=at_once),
        clock=time.monotonic,
    )
