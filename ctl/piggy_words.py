"""What are piggy's words in ours? A value's reference, and a pod's annotations.

Pure. piggy's words are read by the webhook's own reader, ours are written so that it reads the same.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from contract import annotations as keys
from secretenv.piggy import PiggyConfig
from secretenv.references import PiggySource, Syntax, canonical, parse
from webhook import values
from webhook.flags import SERVER_SETTINGS
from webhook.secrets.piggy_variables import VERSION

PREFIX = "piggy:"
# The expansions of Kubernetes, which come before the webhook's reading and piggy's: $$ is $, $(NAME) a variable.
_EXPANSION = re.compile(r"\$\$|\$\(([^()]*)\)")


@dataclass(frozen=True, slots=True)
class Difference:
    """What is not as it was with piggy, or has to be looked at; never with a value."""

    place: str
    text: str
    """What, and what to do."""
    blocks: bool = False
    """Whether it has to be mended before anything can be converted."""


def reference(text: str, source: PiggySource, *, expands: bool) -> str:
    """Our text for `piggy:NAME`. `expands`: whether Kubernetes expands $(NAME) in it.

    Raises `MalformedReferenceError`.
    """
    syntax = Syntax(ours=False, arns=False, piggy=source)
    expansions: list[str] = []

    def held(found: re.Match[str]) -> str:
        if found[1] is None:
            return "$"
        expansions.append(found[0])
        return f"{mark}{len(expansions) - 1}e"

    # Letters and digits stay as they are in a reference; these are in no part of this one.
    mark = "x"
    while mark in text or mark in source.secret_name or mark in source.parameter_path:
        mark += "x"
    template = parse(_EXPANSION.sub(held, text) if expands else text, syntax)
    if template is None:
        raise ValueError(text[: len(PREFIX)])
    written = canonical(template.references[0])
    return re.sub(rf"{mark}([0-9]+)e", lambda found: expansions[int(found[1])], written) if expansions else written


def our_annotations(config: PiggyConfig, present: Mapping[str, str]) -> dict[str, str]:
    """Ours that say the same; those that the pod has already hold. Raises `ValueError`."""
    wanted = {
        keys.SECRET_IDENTITY: "broker" if config.address and not config.standalone else "",
        keys.REGION: values.region(config.region) if config.region else "",
        keys.SECRET_UNRESOLVED: "keep" if config.ignore_unresolved else "",
    }
    # What the webhook's variables say of resources is its operator's, and stays there.
    for theirs, ours in _RESOURCES.items():
        written = values.quantity(present[theirs]) if theirs in present else ""
        wanted[ours] = "" if theirs == keys.PIGGY_MEMORY_LIMIT and _is_small(written) else written
    return {key: value for key, value in wanted.items() if value and key not in present}


def kept_source(source: PiggySource) -> dict[str, str]:
    """The annotations of piggy's that name this source, for references that stand where nobody here can write."""
    if source.parameter_path:
        return {keys.PIGGY_PARAMETER_PATH: source.parameter_path}
    version = source.stage or source.version
    return {keys.PIGGY_SECRET_NAME: source.secret_name} | ({keys.PIGGY_SECRET_VERSION: version} if version else {})


def annotation_differences(annotations: Mapping[str, str], config: PiggyConfig) -> Iterator[Difference]:
    """What becomes of annotations that do something with piggy, and have no word of ours.

    Of those that do nothing here the reader of piggy's words tells.
    """
    for key in annotations:
        place = f"annotation {key}"
        if key == keys.PIGGY_MEMORY_LIMIT:
            if _is_small(annotations[key]):
                yield Difference(place, _SMALL)
        elif text := _GONE.get(key):
            yield Difference(place, f"{text}; it is taken out")
    if config.standalone and keys.PIGGY_SECRET_VERSION in annotations:
        yield Difference(
            f"annotation {keys.PIGGY_SECRET_VERSION}",
            f"piggy looks at it in proxy mode only, and at {VERSION} in standalone mode; here it holds where that is "
            "not set: write #KEY without ? for the current version",
        )


_RESOURCES: Mapping[str, str] = {
    keys.PIGGY_CPU_REQUEST: keys.CPU_REQUEST,
    keys.PIGGY_CPU_LIMIT: keys.CPU_LIMIT,
    keys.PIGGY_MEMORY_REQUEST: keys.MEMORY_REQUEST,
    keys.PIGGY_MEMORY_LIMIT: keys.MEMORY_LIMIT,
}
_INJECTED = {setting.flag: setting for setting in SERVER_SETTINGS["what is injected"]}
_MEMORY = _INJECTED["secrets-memory-limit"].default
_SMALL = (
    f"what is injected needs more memory than piggy-env; it is taken out, and the webhook's --secrets-memory-limit "
    f"({_MEMORY}) holds: set {keys.MEMORY_LIMIT} for another"
)
_GONE: Mapping[str, str] = {
    keys.PIGGY_INITIAL_DELAY: "there is no pause of one's own here: what does not answer is asked again until the "
    "time for starting is over",
    keys.PIGGY_NUMBER_OF_RETRY: "there is no number of one's own here: what does not answer is asked again until the "
    "time for starting is over",
    keys.PIGGY_IMAGE_PULL_SECRET: "only a container without command needs it, by the launcher: name it in the pod's "
    "imagePullSecrets, or let kubectl token-injector entrypoint write the annotation",
    keys.PIGGY_IMAGE_PULL_SECRET_NAMESPACE: "see image-pull-secret",
    keys.PIGGY_DEBUG: "the injected container's log says what it does, never a value",
    keys.PIGGY_ENFORCE_INTEGRITY: "nothing is asked of the application's container, whose command piggy has to check",
}


def _is_small(memory_limit: str) -> bool:
    """Whether the injected container could not work with it."""
    return bool(memory_limit) and values.amount(memory_limit) < values.amount(_MEMORY)
