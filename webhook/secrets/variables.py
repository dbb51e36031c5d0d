"""What will a container's environment hold, as far as it can be known before the pod runs? Read out of the pod.

Pure. Kubernetes' order: envFrom first, then env, of two with one name the later holds; $(NAME) in a `value` means a
variable that stands before it. What comes from a Secret is known to nobody here.
Source: makeEnvironmentVariables in Kubernetes' pkg/kubelet/kubelet_pods.go.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal

from webhook.env import INJECTED_VARIABLES
from webhook.pod import Container
from webhook.secrets.environment import Environment, Expanded, Hidden, Known, Prefixes
from webhook.secrets.expansion import expand
from webhook.secrets.look_ups import Missing

ConfigMapData = Mapping[str, Mapping[str, str] | Missing]
"""By name, those of the pod's namespace that were asked for."""

# Of all texts that a pod takes from ConfigMaps and that come of $(NAME), in characters: a line of a pod may stand for
# a whole ConfigMap, or double the texts before it. No process can have more than 6 MiB, so that few pods come near.
_ROOM = 16 << 20
# What a variable costs beside its text.
_VARIABLE = 256
_ANNOTATION = re.compile(r"metadata\.annotations\['(.*)'\]", re.DOTALL)


class TooMuchError(Exception):
    """The containers of a pod have more variables than anybody wants to look at."""


class Room:
    """What is left for the texts of a pod that are longer than what stands in the pod for them."""

    def __init__(self) -> None:
        self._left = _ROOM

    def take(self, characters: int) -> None:
        """Raises `TooMuchError`."""
        self._left -= characters
        if self._left < 0:
            raise TooMuchError


def config_maps_named(container: Container) -> Iterator[str]:
    """The ConfigMaps from which the container takes variables."""
    for source in container.get("envFrom") or ():
        yield from _name(source.get("configMapRef"))
    for entry in container.get("env") or ():
        yield from _name((entry.get("valueFrom") or {}).get("configMapKeyRef"))


def read_environment(
    container: Container,
    config_maps: ConfigMapData | None,
    annotations: Mapping[str, str],
    *,
    refers: Callable[[str], bool],
    room: Room,
) -> Environment:
    """The container's variables. Without `config_maps` nobody looks at what comes from ConfigMaps and Secrets.

    `annotations` are the pod's. `refers` says which texts are references: $(NAME) of such a variable means its value,
    not its text. `room` is the pod's. Raises `TooMuchError`.
    """
    reading = _Reading(config_maps, annotations, refers, room)
    for source in container.get("envFrom") or ():
        reading.take_all(source)
    entries = container.get("env") or ()
    for index, entry in enumerate(entries):
        reading.take(index, entry)
    hidden = tuple(reading.all_hidden())
    return Environment(
        known=reading.known,
        hidden=hidden,
        single=frozenset(one.name for one in hidden if not one.whole),
        prefixes=reading.prefixes,
        expanded=tuple(reading.expanded()),
        doubtful=tuple(reading.doubtful),
        set_by_env=frozenset(reading.set_by_env),
    )


def annotation_meant(entry: Mapping[str, Any]) -> str | None:
    """The key of the pod's annotation whose text the variable has."""
    reference = (entry.get("valueFrom") or {}).get("fieldRef")
    found = _ANNOTATION.fullmatch(str(reference.get("fieldPath"))) if isinstance(reference, Mapping) else None
    return found[1] if found else None


class _Reading:
    """The state while the entries are read in their order."""

    def __init__(
        self,
        config_maps: ConfigMapData | None,
        annotations: Mapping[str, str],
        refers: Callable[[str], bool],
        room: Room,
    ) -> None:
        self._config_maps = config_maps
        self._annotations = annotations
        self._refers = refers
        self._room = room
        self._referring: dict[str, bool] = {}
        """What `refers` said: the text may be long, and meant a thousand times."""
        self.known: dict[str, Known] = {}
        self.hidden: dict[str, Hidden] = {}
        self.prefixes = Prefixes()
        """Of the whole objects in it."""
        self._anything_later = False
        """Whether a whole object may hold any name."""
        self._later: set[str] = set()
        """Names with a value that is known only when the container runs."""
        self._taken: list[tuple[str, Mapping[str, Any], str]] = []
        """ConfigMaps of envFrom that are known: prefix, source, name."""
        self.doubtful: dict[str, None] = {}
        self._shadowed: dict[str, list[Hidden]] = {}
        """Entries that stay where the later ones of their names, which are optional, turn out to be absent."""
        self._named: set[str] = set()
        """Names of env's entries."""
        self.set_by_env: set[str] = set()
        """Names that env sets, and not only perhaps."""
        self._expanded_names: list[tuple[str, str, Known | Hidden | None]] = []
        """Of each $(NAME) that only the container will have: the variable, the name, and what it meant then; None: what
        a whole object may hold."""

    def all_hidden(self) -> Iterator[Hidden]:
        """In an order in which the later one of two with one name holds."""
        for shadowed in self._shadowed.values():
            yield from shadowed
        yield from self.hidden.values()

    def expanded(self) -> Iterator[Expanded]:
        """When all is read: what each $(NAME) meant."""
        for variable, name, meant in self._expanded_names:
            if isinstance(meant, Known):
                yield Expanded(
                    variable=variable, name=name, is_reference=True, is_replaced=self.known.get(name) is not meant
                )
                continue
            stays = name not in self._named if meant is None else self.hidden.get(name) is meant
            yield Expanded(variable=variable, name=name, is_reference=False, is_replaced=not stays)

    def take_all(self, source: Mapping[str, Any]) -> None:
        """One source of envFrom."""
        prefix = source.get("prefix") or ""
        for name in _name(source.get("secretRef")):
            self._hide_all(prefix, source, name, "Secret")
        for name in _name(source.get("configMapRef")):
            data = self._config_maps.get(name, "absent") if self._config_maps is not None else "forbidden"
            if data == "forbidden" or (data == "absent" and not _is_optional(source["configMapRef"])):
                self._hide_all(prefix, source, name, "ConfigMap")
            elif data != "absent":
                self._room.take(sum(map(len, data.values())) + len(data) * (_VARIABLE + len(prefix)))
                self._taken.append((prefix, source, name))
                self.known |= {prefix + key: Known(text, None) for key, text in data.items()}

    def take(self, index: int, entry: Mapping[str, Any]) -> None:
        """One entry of env, which replaces what had its name before."""
        name, origin = entry.get("name") or "", entry.get("valueFrom")
        value = entry.get("value")
        # A manifest may hold a number, which no API server takes.
        written = value if isinstance(value, str) else ""
        # A web identity's variable is no reference, and a review writes the author's region under its other name too.
        is_author_s = name not in INJECTED_VARIABLES
        may_refer = self._config_maps is not None and is_author_s
        found = self._from_config_map(origin, index) if origin and may_refer else None
        found = found or (self._from_annotation(entry, index) if origin and is_author_s else None)
        text = found if origin else self._expanded(name, written, index)
        self._named.add(name)
        earlier = self.known.get(name)
        # Even where it is there now: a container starts again, and an optional object may be gone by then.
        if earlier is not None and may_be_absent(origin) and self._is_reference(earlier):
            self.doubtful[name] = None
        shadowed = self.hidden.pop(name, None)
        if not may_be_absent(origin):
            self.set_by_env.add(name)
            self._shadowed.pop(name, None)
        elif shadowed is not None:
            self._shadowed.setdefault(name, []).append(shadowed)
        self._later.discard(name)
        if text is not None:
            self.known[name] = text
            return
        self.known.pop(name, None)
        self._later.add(name)
        kinds: dict[str, Literal["Secret", "ConfigMap"]] = {"secretKeyRef": "Secret", "configMapKeyRef": "ConfigMap"}
        kind = next((kind for key, kind in kinds.items() if (origin or {}).get(key)), None)
        if kind and may_refer and not self._is_absent(origin or {}):
            self.hidden[name] = Hidden(name=name, source={"valueFrom": origin}, whole=False, kind=kind)

    def _hide_all(
        self, prefix: str, source: Mapping[str, Any], name: str, kind: Literal["Secret", "ConfigMap"]
    ) -> None:
        self._anything_later = True
        self._override(prefix)
        if self._config_maps is not None:
            self.prefixes.add(prefix)
            rest = {key: value for key, value in source.items() if key != "prefix"}
            # No variable's name has a blank: the key is nobody else's.
            key = f"{prefix} {kind} {name}"
            self.hidden.pop(key, None)  # named again, it wins over what came in between
            self.hidden[key] = Hidden(name=prefix, source=rest, whole=True, kind=kind)

    def _override(self, prefix: str) -> None:
        """What was known is the later one's, where it has the name; the kubelet alone can say."""
        self._room.take(len(self.known))
        found = {name: known for name, known in self.known.items() if name.startswith(prefix) and not known.overridable}
        self.known |= {name: replace(known, overridable=True) for name, known in found.items()}
        if any(self._is_reference(known) for known in found.values()):
            taken, self._taken = self._taken, []
            for earlier, source, name in taken:
                self._hide_all(earlier, source, name, "ConfigMap")

    def _from_config_map(self, origin: Mapping[str, Any], index: int) -> Known | None:
        for name in _name(origin.get("configMapKeyRef")):
            data = (self._config_maps or {}).get(name, "absent")
            text = data.get(origin["configMapKeyRef"].get("key")) if isinstance(data, Mapping) else None
            if text is not None:
                self._room.take(len(text) + _VARIABLE)
                return Known(text, index)
        return None

    def _from_annotation(self, entry: Mapping[str, Any], index: int) -> Known | None:
        """A reference. Other texts are not known: whoever changes an annotation later changes the variable."""
        text = self._annotations.get(annotation_meant(entry) or "", "")
        if not (":" in text and self._refers(text)):
            return None
        self._room.take(len(text) + _VARIABLE)
        return Known(text, index)

    def _is_absent(self, origin: Mapping[str, Any]) -> bool:
        """Whether it comes from a ConfigMap that was read and has no such key, and the container starts without."""
        reference = origin.get("configMapKeyRef")
        return any(
            (self._config_maps or {}).get(name) != "forbidden" and _is_optional(reference) for name in _name(reference)
        )

    def _expanded(self, variable: str, text: str, index: int) -> Known:
        unexpanded: dict[str, None] = {}

        def value(name: str) -> str | None:
            known = self.known.get(name)
            if known is not None and not (known.unexpanded or known.overridable or self._is_reference(known)):
                self._room.take(len(known.text))
                return known.text
            if known is not None or name in self._later or self._anything_later:
                unexpanded[name] = None
                self._expanded_names += ((variable, name, meant) for meant in self._meant(name, known))
            return None

        return Known(expand(text, value), index, tuple(unexpanded))

    def _meant(self, name: str, known: Known | None) -> Iterator[Known | Hidden | None]:
        """What holds or may hold a reference now, None being a whole object; others were told where they stand."""
        if name in INJECTED_VARIABLES:
            return
        if known is not None and self._is_reference(known):
            yield known
        elif name in self.hidden:
            yield self.hidden[name]
        elif (known is None or known.overridable) and name not in self.set_by_env and self.prefixes.begin(name):
            yield None

    def _is_reference(self, known: Known) -> bool:
        if known.text not in self._referring:
            self._referring[known.text] = self._refers(known.text)
        return self._referring[known.text]


def _is_optional(reference: Any) -> bool:
    """Else the kubelet waits until it is there: what it holds then is not known now."""
    return isinstance(reference, Mapping) and reference.get("optional") is True


def may_be_absent(origin: Any) -> bool:
    """Whether a `valueFrom` may turn out to set nothing."""
    return isinstance(origin, Mapping) and any(_is_optional(reference) for reference in origin.values())


def _name(reference: Any) -> Iterator[str]:
    """The name in a reference to an object, where there is one."""
    name = reference.get("name") if isinstance(reference, Mapping) else None
    if isinstance(name, str):
        yield name
