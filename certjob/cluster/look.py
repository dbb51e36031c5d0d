"""What does the cluster hold? Reads the API server and asks each endpoint; changes nothing."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from cryptography import x509

from certjob.cluster.configuration import read_configuration
from certjob.cluster.endpoints import SERVICE_NAME, Endpoint, read_endpoints, read_owner
from certjob.cluster.observed import Answer, Observed
from certjob.cluster.secret import Object
from certjob.cluster.target import Target
from certjob.errors import NotInstalledError
from kube.client import Listing
from kube.errors import NotFoundError

T = TypeVar("T")
Ask = Callable[[Endpoint, str, Sequence[x509.Certificate]], Answer]
# The replicas of a webhook are a handful; those that do not answer cost their seconds side by side.
_HANDSHAKES_AT_ONCE = 16


class Reader(Protocol):
    """Who reads the API server: kube.client.Client."""

    def get(self, path: str) -> dict[str, Any]:
        """The object at this path."""

    def list(self, path: str, *, keep: Callable[[dict[str, Any]], T]) -> Listing[T]:
        """The collection at this path."""


def look(api: Reader, target: Target, ask: Ask, *, with_authority: bool = True) -> Observed:
    """Raises CertjobError and KubeError. Whoever only looks does not need the CA Secret.

    The order is that of safety: what is read later is at least as new as what it is compared with. A rotation writes CA
    Secret, configuration, serving Secret, in this order; read backwards, a CA that the configuration trusts is never
    newer than the CA in use, so that forgetting it can only conflict.
    """
    try:
        configuration = read_configuration(api.get(target.configuration_path), target)
    except NotFoundError:
        raise NotInstalledError(
            f"MutatingWebhookConfiguration {target.configuration} does not exist: install it first, or name the one "
            "that calls the webhook by --webhook-configuration"
        ) from None
    serving = _secret(api, target, target.secret)
    authority = _secret(api, target, target.ca_secret) if with_authority else None
    every = api.list(target.slices_path, keep=lambda item: item).items
    slices = {service: [one for one in every if _of(one, service)] for service in target.services}
    named = [
        (endpoint, target.server_name(service))
        for service in target.services
        for endpoint in read_endpoints(slices[service], service)
    ]
    with ThreadPoolExecutor(_HANDSHAKES_AT_ONCE) as pool:
        answers = pool.map(lambda one: ask(one[0], one[1], configuration.trusted), named)
        return Observed(
            target=target,
            configuration=configuration,
            serving=serving,
            authority=authority,
            answers=tuple(zip((endpoint for endpoint, _ in named), answers, strict=True)),
            owner=read_owner(slices[target.service], target.service),
        )


def _secret(api: Reader, target: Target, name: str) -> Object | None:
    try:
        return api.get(target.secret_path(name))
    except NotFoundError:
        return None


def _of(one: Object, service: str) -> bool:
    return (one["metadata"].get("labels") or {}).get(SERVICE_NAME) == service
