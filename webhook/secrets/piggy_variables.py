"""What becomes of variables that a container's author wrote for piggy's program, which reads them where it runs?

Pure. Its webhook never writes the version's: in standalone mode nothing else names one, so it holds here too, for the
pod. Of the others the annotations hold, and a warning names them.
"""

from collections.abc import Iterator
from dataclasses import replace

from contract import annotations as keys
from secretenv.piggy import PiggyConfig, PiggyError, of_secret
from webhook.pod import Container, Pod, application_containers
from webhook.secrets.piggy import REFERENCE_PREFIX

VERSION = "PIGGY_AWS_SECRET_VERSION"
_ANNOTATIONS = {
    VERSION: keys.PIGGY_SECRET_VERSION,
    "PIGGY_STANDALONE": keys.PIGGY_STANDALONE,
    "PIGGY_IGNORE_NO_ENV": keys.PIGGY_IGNORE_NO_ENV,
    "PIGGY_INITIAL_DELAY": keys.PIGGY_INITIAL_DELAY,
    "PIGGY_NUMBER_OF_RETRY": keys.PIGGY_NUMBER_OF_RETRY,
    "PIGGY_DEBUG": keys.PIGGY_DEBUG,
}


def names_version(config: PiggyConfig) -> bool:
    """Whether piggy's program looks at the variable: piggy's proxy does not, and a parameter has no stage."""
    return bool(config.source and config.source.secret_name) and (config.standalone or not config.address)


def with_version(config: PiggyConfig, pod: Pod, skipped: frozenset[str] = frozenset()) -> PiggyConfig:
    """With the version that the pod's variables name, which wins over the annotation as with piggy.

    Raises `PiggyError` where they name no single one: a container with references and without it counts too.
    """
    source = config.source
    if source is None or not names_version(config):
        return config
    found = {each["name"]: _label(each) for _, _, each in application_containers(pod, skipped) if _is_concerned(each)}
    labels = set(found.values())
    is_current = not (source.stage or source.version)
    if labels <= ({"", "AWSCURRENT"} if is_current else {""}):
        return config  # most pods
    if len(labels) > 1:
        first = next(iter(found))
        other = next(name for name, label in found.items() if label != found[first])
        raise PiggyError(
            f"containers {first!r} and {other!r} differ in the variable {VERSION}, and a pod has one source here: take "
            f"it out, and write the annotation {keys.PIGGY_SECRET_VERSION}, or references such as "
            "sm://NAME?stage=AWSPREVIOUS#KEY"
        )
    return replace(config, source=of_secret(source.secret_name, labels.pop()))


def unread_variables(config: PiggyConfig, pod: Pod, skipped: frozenset[str]) -> Iterator[str]:
    """A warning for each that does nothing here, though piggy's program looked at it."""
    told = {VERSION} if names_version(config) or (config.source and config.source.parameter_path) else set()
    for _, _, container in application_containers(pod, skipped):
        for entry in container.get("env") or ():
            name = str(entry.get("name"))
            if name in _ANNOTATIONS and name not in told:
                told.add(name)
                yield (
                    f"container {container['name']}: variable {name} does nothing here: what holds is the annotation "
                    f"{_ANNOTATIONS[name]}"
                )


def _is_concerned(container: Container) -> bool:
    return any(
        entry.get("name") == VERSION or str(entry.get("value") or "").startswith(REFERENCE_PREFIX)
        for entry in container.get("env") or ()
    )


def _label(container: Container) -> str:
    """Empty where there is none. Raises `PiggyError` for one that nobody knows here."""
    label = ""
    for entry in container.get("env") or ():
        if entry.get("name") == VERSION:
            if entry.get("valueFrom") is not None or "$(" in str(entry.get("value") or ""):
                raise PiggyError(
                    f"container {container['name']!r}, variable {VERSION}: its text is known only when the container "
                    f"runs: write the annotation {keys.PIGGY_SECRET_VERSION} instead"
                )
            label = str(entry.get("value") or "")
    return label
