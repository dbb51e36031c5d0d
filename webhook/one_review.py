"""How long may what is outside hold one review? One deadline for everything that a pod makes the webhook ask.

A pod names as many images and ConfigMaps as it likes, and the API server waits for one answer.
"""

from collections.abc import Callable, Mapping

from webhook.entrypoint.manifest import Entrypoint
from webhook.entrypoint.question import Failure, Wanted
from webhook.secrets.look_ups import ConfigMaps, Entrypoints, LookUps, LookUpUnavailableError, Missing


def for_one_review(sources: LookUps, *, seconds: float, clock: Callable[[], float]) -> LookUps:
    """The sources, for one review that begins now. `clock` is monotonic seconds; it is not a bound of one question."""
    give_up = clock() + seconds

    def is_over() -> bool:
        return clock() >= give_up

    return LookUps(
        config_maps=_ConfigMapsInTime(sources.config_maps, is_over),
        entrypoints=_EntrypointsInTime(sources.entrypoints, is_over),
    )


class _ConfigMapsInTime:
    def __init__(self, source: ConfigMaps, is_over: Callable[[], bool]) -> None:
        self._source = source
        self._is_over = is_over

    def data(self, namespace: str, name: str) -> Mapping[str, str] | Missing:
        """What has been read before is remembered by the source, so that a retry goes further."""
        if self._is_over():
            raise LookUpUnavailableError(
                f"ConfigMap {namespace}/{name}, from which the pod takes variables, can't be read now: the pod names "
                "too many to read them all in the time of one review. Nothing is wrong with the pod: retry"
            )
        return self._source.data(namespace, name)


class _EntrypointsInTime:
    def __init__(self, source: Entrypoints, is_over: Callable[[], bool]) -> None:
        self._source = source
        self._is_over = is_over

    def look_up(self, wanted: Wanted) -> Entrypoint | Failure:
        """As for ConfigMaps."""
        if self._is_over():
            return Failure("the pod's other images took the time of one review: retry")
        return self._source.look_up(wanted)
