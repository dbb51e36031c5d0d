"""Which of the pod's containers needs which secrets?

Pure but for the ConfigMaps that it is given; those of pods that ask for it are read, each once. A pod in which nothing
refers to anything needs none: it is left as it would be without secrets.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from contract import annotations as keys
from secretenv.plan import Started
from secretenv.references import MalformedReferenceError, Syntax, Template, parse
from webhook import values
from webhook.decision import BAD_REQUEST, UNAVAILABLE
from webhook.pod import Container, ContainerList, Pod, application_containers, containers
from webhook.precedence import Annotations
from webhook.secrets.asked import Asked
from webhook.secrets.environment import Environment, Hidden
from webhook.secrets.look_ups import ConfigMaps, LookUpUnavailableError
from webhook.secrets.pieces import may_become_reference
from webhook.secrets.piggy import REFERENCE_PREFIX, stays_text
from webhook.secrets.piggy_variables import unread_variables
from webhook.secrets.refused import Refusals, RefusedError
from webhook.secrets.restore import PIGGY_CONTAINER, has_our_volumes, may_refer, restore, texts_of_variables
from webhook.secrets.variables import (
    ConfigMapData,
    Room,
    TooMuchError,
    config_maps_named,
    read_environment,
)

_NOBODY: frozenset[str] = frozenset()
_OURS = Syntax(ours=True, arns=False, piggy=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerNeeds:
    """A container's references."""

    which: ContainerList
    container: Container
    """As its author wrote it."""
    environment: Environment
    templates: Mapping[str, Template]
    """By variable, those that refer to something."""
    escaped: tuple[str, ...]
    """Variables that refer to nothing because their author escaped it."""
    started: Started | None
    """What an earlier review wrote for a container without a command."""

    @property
    def name(self) -> str:
        """The container's."""
        return str(self.container["name"])

    @property
    def hidden(self) -> tuple[Hidden, ...]:
        """Entries that may refer to something: nobody here knows."""
        return self.environment.hidden

    @property
    def stays(self) -> bool:
        """Whether it is not one of the init containers that end before the application starts."""
        return self.which != "initContainers" or self.container.get("restartPolicy") == "Always"

    @property
    def is_unseen(self) -> bool:
        """Whether a variable may refer to something that only the container will have."""
        return bool(self.hidden or self.environment.made)


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """A pod's references: of containers, in their order, and of files."""

    containers: tuple[ContainerNeeds, ...]
    files: Mapping[str, Template]
    served: tuple[Container, ...]
    """As their authors wrote them: those with references first, then all others that are not skipped."""


def read_needs(pod: Pod, gathered: Annotations, asked: Asked | None, config_maps: ConfigMaps) -> Needs | None:
    """What the pod needs; None: nothing. Raises `RefusedError` and `AnnotationError`."""
    if asked is None and not has_our_volumes(pod):
        return None  # most pods
    restored = restore(pod, undo_piggy=asked is not None and asked.syntax.piggy is not None)
    if restored.lost:
        container, variable = restored.lost[0]
        raise RefusedError(
            "bad_reference",
            f"{gathered.pod_place}: container {container!r}, variable {variable}: it was copied from a pod that was "
            "injected, and what it refers to is no longer there: write the reference itself as the variable's value",
            BAD_REQUEST,
        )
    if asked is None:
        return None
    if not (asked.is_explicit or asked.files or may_refer(restored.pod, texts_of_variables(restored.pod))):
        return None
    skipped = gathered.value(keys.SKIP_CONTAINERS, values.container_names, _NOBODY) | {PIGGY_CONTAINER}
    served = [(which, each) for which, _, each in application_containers(restored.pod, skipped)]
    data = _config_map_data([each for _, each in served], gathered, config_maps) if asked.is_explicit else None
    _warn_of_leftovers(pod, asked, skipped, gathered)
    room, refusals, needs = Room(), Refusals(), []
    try:
        for which, each in served:
            with refusals.collected():
                started = restored.started.get(each["name"])
                needs.append(_container_needs(which, each, started, data, asked, gathered, room))
    except TooMuchError as exc:
        raise RefusedError(
            "delivery",
            f"{gathered.pod_place}: what its containers take from ConfigMaps and by $(NAME) is too much to be looked "
            "through for references: take fewer variables, or mount the ConfigMap as files",
        ) from exc
    files: dict[str, Template] = {}
    for name, text in asked.files.items():
        with refusals.collected():
            files[name] = _file_template(name, text, asked, gathered)
    refusals.raise_first()
    found = tuple(one for one in needs if one.templates or one.is_unseen)
    if not (found or files):
        return None
    others = (one.container for one in needs if not (one.templates or one.is_unseen))
    return Needs(containers=found, files=files, served=(*(one.container for one in found), *others))


def _config_map_data(served: list[Container], gathered: Annotations, config_maps: ConfigMaps) -> ConfigMapData:
    names = dict.fromkeys(name for container in served for name in config_maps_named(container))
    try:
        return {name: config_maps.data(gathered.namespace, name) for name in names}
    except LookUpUnavailableError as exc:
        raise RefusedError("unavailable", str(exc), UNAVAILABLE) from exc


def _container_needs(
    which: ContainerList,
    container: Container,
    started: Started | None,
    data: ConfigMapData | None,
    asked: Asked,
    gathered: Annotations,
    room: Room,
) -> ContainerNeeds:
    environment = read_environment(
        container,
        data,
        gathered.of_pod,
        refers=partial(_refers, syntax=asked.syntax),
        may_refer=partial(may_become_reference, syntax=asked.syntax),
        room=room,
    )
    place = f"{gathered.pod_place}: container {container['name']!r}, variable "
    refusals = Refusals()
    for replaced in _replaced(environment, place):
        with refusals.collected():
            raise replaced
    for one in dict.fromkeys(each for each in environment.expanded if each.is_replaced):
        warn_of_expansion(str(container["name"]), f"variable {one.variable}", one.name, gathered)
    templates: dict[str, Template] = {}
    escaped: list[str] = []
    for name, known in environment.known.items():
        if ":" not in known.text:
            continue  # most texts
        with refusals.collected():
            template = _parsed(known.text, asked.syntax, f"{place}{name}")
            if template is None:
                _warn_if_alike(f"container {container['name']}: variable {name}", known.text, asked, gathered)
            elif not template.references:
                escaped.append(name)
            elif known.unexpanded:
                raise RefusedError(
                    "expansion",
                    f"{place}{name}: the reference contains $({known.unexpanded[0]}), which is known only when the "
                    "container runs: write its value, or a ${…} of its own",
                )
            else:
                templates[name] = template
    refusals.raise_first()
    return ContainerNeeds(
        which=which,
        container=container,
        environment=environment,
        templates=templates,
        escaped=tuple(escaped),
        started=started,
    )


def warn_of_expansion(container: str, what: str, name: str, gathered: Annotations) -> None:
    """Where the kubelet puts a text that nobody here knows, and the launcher cannot look."""
    gathered.warn(
        f"container {container}: {what} contains $({name}): if it comes from a Secret as a reference, it stays one"
    )


def _replaced(environment: Environment, place: str) -> Iterator[RefusedError]:
    """The kubelet takes the text of an entry that nobody resolves, as a later one has its name."""
    for name in environment.doubtful:
        yield RefusedError(
            "expansion",
            f"{place}{name}: it is a reference or an escaped one, and a later entry of this name is optional: where "
            "that is absent, nobody takes the text for what it is: give the two entries different names",
        )
    for one in environment.expanded:
        if one.is_reference and one.is_replaced:
            yield RefusedError(
                "expansion",
                f"{place}{one.variable}: $({one.name}) means a reference that a later entry named {one.name} replaces, "
                "so that nobody resolves it: give the two entries different names",
            )


def _warn_of_leftovers(pod: Pod, asked: Asked, skipped: frozenset[str], gathered: Annotations) -> None:
    """What piggy's webhook left in a copied spec, or is still doing; else what the author wrote for its program."""
    if asked.piggy is None:
        return
    if any(each["name"] == PIGGY_CONTAINER for each in containers(pod, "initContainers")):
        gathered.warn(
            f"piggy's webhook changed this pod too: switch it off for the namespace, or remove {PIGGY_CONTAINER}, the "
            "volume piggy-env, its mounts and the PIGGY_ variables from the manifest"
        )
    else:
        for warning in unread_variables(asked.piggy, pod, skipped):
            gathered.warn(warning)


def _warn_if_alike(what: str, text: str, asked: Asked, gathered: Annotations) -> None:
    """A text that would be a reference in a pod that asks for it; never with the text, which may be a secret."""
    if asked.syntax.piggy is None and text.startswith(REFERENCE_PREFIX):
        gathered.warn(stays_text(what))
    elif asked.warns_of_ours and _refers(text, _OURS):
        gathered.warn(f"{what} looks like a reference and stays so: set the annotation {keys.SECRETS} to true")


def _refers(text: str, syntax: Syntax) -> bool:
    try:
        template = parse(text, syntax)
    except MalformedReferenceError:
        return True
    return template is not None and bool(template.references)


def _parsed(text: str, syntax: Syntax, place: str) -> Template | None:
    try:
        return parse(text, syntax)
    except MalformedReferenceError as exc:
        raise RefusedError("bad_reference", f"{place}: the reference is malformed: {exc}", BAD_REQUEST) from exc


def _file_template(name: str, text: str, asked: Asked, gathered: Annotations) -> Template:
    place = f"{gathered.pod_place}, annotation {keys.SECRET_FILE_PREFIX}{name}"
    template = _parsed(text, asked.syntax, place)
    if template is None or not template.references:
        raise RefusedError(
            "bad_reference",
            f"{place}: it refers to nothing: expected a reference, for example sm://prod/db#user, or a text with "
            "${…} in it",
            BAD_REQUEST,
        )
    return template
