"""How much does the injected container need where it delivers secrets?

Pure. botocore needs more memory than a token does: a limit below that would end the container, whoever wrote it for
piggy's program.
"""

from collections.abc import Callable
from dataclasses import dataclass

from contract import annotations as keys
from secretenv.piggy import PiggyResources
from webhook import values
from webhook.decision import BAD_REQUEST
from webhook.precedence import Annotations
from webhook.secrets.asked import Asked
from webhook.secrets.piggy import place_of
from webhook.secrets.refused import RefusedError
from webhook.settings import Resources, Settings


@dataclass(frozen=True, slots=True)
class _Theirs:
    key: str
    written: Callable[[PiggyResources], str | None]


_THEIRS = {
    keys.CPU_REQUEST: _Theirs(keys.PIGGY_CPU_REQUEST, lambda one: one.cpu_request),
    keys.CPU_LIMIT: _Theirs(keys.PIGGY_CPU_LIMIT, lambda one: one.cpu_limit),
    keys.MEMORY_REQUEST: _Theirs(keys.PIGGY_MEMORY_REQUEST, lambda one: one.memory_request),
    keys.MEMORY_LIMIT: _Theirs(keys.PIGGY_MEMORY_LIMIT, lambda one: one.memory_limit),
}


def secrets_resources(asked: Asked, settings: Settings, gathered: Annotations) -> Resources:
    """What holds where no annotation of ours says otherwise. Raises `RefusedError`."""
    default = settings.resources
    limit = _larger(default.memory_limit, settings.secrets.memory_limit)
    if asked.piggy is None:
        return Resources(
            cpu_request=default.cpu_request,
            cpu_limit=default.cpu_limit,
            memory_request=default.memory_request,
            memory_limit=limit,
        )
    wanted = asked.piggy.resources
    memory_limit = _quantity(keys.PIGGY_MEMORY_LIMIT, wanted.memory_limit, gathered)
    return Resources(
        cpu_request=_quantity(keys.PIGGY_CPU_REQUEST, wanted.cpu_request, gathered) or default.cpu_request,
        cpu_limit=_quantity(keys.PIGGY_CPU_LIMIT, wanted.cpu_limit, gathered) or default.cpu_limit,
        memory_request=_quantity(keys.PIGGY_MEMORY_REQUEST, wanted.memory_request, gathered) or default.memory_request,
        memory_limit=_larger(memory_limit, limit) if memory_limit else limit,
    )


def written_at(key: str, value: str, asked: Asked | None, gathered: Annotations) -> str:
    """Where this quantity under a key of ours was written, perhaps in piggy's words, for a message about it."""
    theirs = _THEIRS[key]
    if gathered.has(key) or asked is None or asked.piggy is None or value != theirs.written(asked.piggy.resources):
        return gathered.source(key)
    place = place_of(theirs.key, gathered.of_pod)
    return f"{gathered.pod_place}, {place}" if theirs.key in gathered.of_pod else place


def _larger(one: str | None, other: str | None) -> str | None:
    """None is no limit, and the largest."""
    if one is None or other is None:
        return None
    return max(one, other, key=values.amount)


def _quantity(key: str, text: str | None, gathered: Annotations) -> str | None:
    try:
        return None if text is None else values.quantity(text)
    except ValueError as exc:
        raise RefusedError(
            "bad_annotation",
            f"{gathered.pod_place}: {place_of(key, gathered.of_pod)}: {text!r} is not valid: {exc}",
            BAD_REQUEST,
        ) from exc
