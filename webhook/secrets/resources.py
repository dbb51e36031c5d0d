"""How much does the injected container need where it delivers secrets?

Pure. botocore needs more memory than a token does: a limit below that would end the container, whoever wrote it for
piggy's program.
"""

from contract import annotations as keys
from webhook import values
from webhook.decision import BAD_REQUEST
from webhook.precedence import Annotations
from webhook.secrets.asked import Asked
from webhook.secrets.piggy import place_of
from webhook.secrets.refused import RefusedError
from webhook.settings import Resources, Settings


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
