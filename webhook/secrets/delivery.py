"""How do its secrets reach a container?

Pure. In this order, the first that fits:

| delivery | where | for |
|---|---|---|
| envfile | every kubelet is 1.35 or newer | references that are known at admission |
| launcher by its socket | the injected container is a native sidecar | all |
| launcher by its env file | the injected container ends before the container starts | all |
"""

import re

from contract import annotations as keys
from secretenv.plan import Delivery
from webhook.decision import Shape
from webhook.precedence import Annotations
from webhook.secrets.asked import Asked
from webhook.secrets.needs import ContainerNeeds
from webhook.secrets.refused import RefusedError
from webhook.settings import Settings

# What Kubernetes takes as a key of an env file: k8s.io/apimachinery, validation.IsEnvVarName.
_KEY = re.compile(r"(?!\.$|\.\.)[A-Za-z_.-][A-Za-z0-9_.-]*")


def choose_delivery(
    one: ContainerNeeds, asked: Asked, shape: Shape, settings: Settings, gathered: Annotations
) -> Delivery | None:
    """The delivery for this container; None where there is nothing that it could deliver. Raises `RefusedError`."""
    by_launcher: Delivery = "socket" if shape == "native" else "env"
    if asked.rotation.kind in ("signal", "restart"):
        if asked.delivery == "envfile":
            raise RefusedError(
                "rotation",
                f"{gathered.source(keys.SECRET_ROTATION)}: a signal and a restart need the launcher, and "
                f"{gathered.source(keys.SECRET_DELIVERY)} says 'envfile': set one of the two otherwise",
            )
        return by_launcher
    unfit = [name for name in one.templates if not _KEY.fullmatch(name)]
    match asked.delivery:
        case "launcher":
            return by_launcher
        case "envfile":
            return _asked_envfile(one, unfit, settings, gathered)
        case "auto":
            return by_launcher if one.is_unseen or unfit or not settings.has_env_files else "envfile"


def _asked_envfile(one: ContainerNeeds, unfit: list[str], settings: Settings, gathered: Annotations) -> Delivery | None:
    place = gathered.source(keys.SECRET_DELIVERY)
    if not settings.has_env_files:
        floor = settings.kubelet_version_floor
        known = f"this cluster may have kubelets of {'.'.join(map(str, floor))}" if floor else (
            "the webhook does not know this cluster's kubelets yet")  # fmt: skip
        raise RefusedError(
            "delivery",
            f"{place}: 'envfile' needs kubelets of 1.35 or newer, and {known}: "
            f"{'' if floor else 'retry, or '}set {keys.SECRET_DELIVERY} to auto or launcher",
        )
    if unfit:
        raise RefusedError(
            "delivery",
            f"{gathered.pod_place}: container {one.name!r}, variable {unfit[0]}: no env file can hold a variable of "
            f"this name: rename it, or set {keys.SECRET_DELIVERY} to launcher",
        )
    if one.hidden:
        kind = next((each.kind for each in one.hidden if each.kind == "Secret"), "ConfigMap")
        gathered.warn(f"container {one.name}: references in variables from {kind}s stay as they are by envfile")
    for name in one.environment.made:
        gathered.warn(
            f"container {one.name}: variable {name} is put together when the container runs: if it becomes a "
            "reference, by envfile it stays one"
        )
    return "envfile" if one.templates else None
