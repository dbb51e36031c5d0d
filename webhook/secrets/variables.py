"""What will a container's environment hold, as far as it can be known before the pod runs?

Pure. Kubernetes' order: envFrom first, then env, of two with one name the later holds; $(NAME) in a `value` means a
variable that stands before it. What comes from a Secret is known to nobody here.
Source: makeEnvironmentVariables in Kubernetes' pkg/kubelet/kubelet_pods.go.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from webhook.env import INJECTED_VARIABLES
from webhook.pod import Container
from webhook.secrets.look_ups import Missing

ConfigMapData = Mapping[str, Mapping[str, str] | Missing]
"""By name, those of the pod's namespace that were asked for."""

# Of all texts that a pod takes from ConfigMaps and that come of $(NAME), in characters: a line of a pod may stand for
# a whole ConfigMap, or double the texts before it. No process can have more than 6 MiB, so that few pods come near.
_ROOM = 16 << 20
# What a variable costs beside its text.
_VARIABLE = 256
_PIGGY = "piggy:"
_EXPANSION = re.compile(r"\$\$|\$\(([^()]*)\)")
# The same, where pairs of dollars stand for one before a parenthesis alone: all other `$$` are left to who reads it.
_OUR_EXPANSION = re.compile(r"(?<!\$)((?:\$\$)++)(?=\$?\()|\$\(([^()]*)\)")
_DOLLARS = re.compile(r"(?<!\$)\$++(?=\()")
_ANNOTATION = re.compile(r"metadata\.annotations\['(.*)'\]", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Known:
    """A variable whose text stands in the pod or in a ConfigMap."""

    text: str = field(repr=False)
    """As the process will see it, but for `unexpanded`; `$$` stays as it was written, unless piggy reads it."""
    index: int | None
    """Where it stands in env; None: it comes with envFrom."""
    unexpanded: tuple[str, ...] = ()
    """The names in it whose values only the container will have: of references, and of what nobody here knows."""
    overridable: bool = False
    """Whether a whole object that nobody here knows follows in envFrom, and may hold another text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hidden:
    """An entry of env or envFrom whose texts only the kubelet will know."""

    name: str
    """The variable's; of a whole Secret, the prefix of all of them."""
    source: Mapping[str, Any]
    """What stands in the pod beside the name or prefix."""
    whole: bool
    kind: Literal["Secret", "ConfigMap"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A container's variables."""

    known: Mapping[str, Known]
    hidden: tuple[Hidden, ...]


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
    container: Container, config_maps: ConfigMapData | None, *, refers: Callable[[str], bool], room: Room
) -> Environment:
    """The container's variables. Without `config_maps` nobody looks at what comes from ConfigMaps and Secrets.

    `refers` says which texts are references: $(NAME) of such a variable means its value, not its text. `room` is the
    pod's. Raises `TooMuchError`.
    """
    reading = _Reading(config_maps, refers, room)
    for source in container.get("envFrom") or ():
        reading.take_all(source)
    for index, entry in enumerate(container.get("env") or ()):
        reading.take(index, entry)
    return Environment(known=reading.known, hidden=tuple(reading.hidden.values()))


def names_in(text: str) -> Iterator[str]:
    """The names that Kubernetes would look for in a command, an argument or a value."""
    return (found[1] for found in _EXPANSION.finditer(text) if found[1] is not None)


def written(text: str) -> str:
    """A `value` that is read as this text again."""
    return text.replace("$", "$$") if text.startswith(_PIGGY) else _DOLLARS.sub(lambda found: found[0] * 2, text)


class _Reading:
    """The state while the entries are read in their order."""

    def __init__(self, config_maps: ConfigMapData | None, refers: Callable[[str], bool], room: Room) -> None:
        self._config_maps = config_maps
        self._refers = refers
        self._room = room
        self._referring: dict[Known, bool] = {}
        """What `refers` said: the text may be long, and meant a thousand times."""
        self.known: dict[str, Known] = {}
        self.hidden: dict[str, Hidden] = {}
        self._later: set[str] = set()
        """Names with a value that is known only when the container runs."""
        self._taken: list[tuple[str, Mapping[str, Any], str]] = []
        """ConfigMaps of envFrom that are known: prefix, source, name."""
        self._anything_later = False
        """Whether a whole object may hold any name."""

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
        may_refer = self._config_maps is not None and name not in INJECTED_VARIABLES
        found = self._from_config_map(origin, index) if origin and may_refer else None
        text = found if origin else self._expanded(written, index)
        self.hidden.pop(name, None)
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
            rest = {key: value for key, value in source.items() if key != "prefix"}
            # No variable's name has a blank: the key is nobody else's.
            self.hidden[f"{prefix} {kind} {name}"] = Hidden(name=prefix, source=rest, whole=True, kind=kind)

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

    def _is_absent(self, origin: Mapping[str, Any]) -> bool:
        """Whether it comes from a ConfigMap that was read and has no such key, and the container starts without."""
        reference = origin.get("configMapKeyRef")
        return any(
            (self._config_maps or {}).get(name) != "forbidden" and _is_optional(reference) for name in _name(reference)
        )

    def _expanded(self, text: str, index: int) -> Known:
        # What is ours has a `$$` of its own; piggy-env sees what Kubernetes makes of it.
        is_piggy = text.startswith(_PIGGY)
        if "$(" not in text:
            return Known(text.replace("$$", "$") if is_piggy else text, index)
        unexpanded: list[str] = []

        def replaced(found: re.Match[str]) -> str:
            name = found[found.re.groups]
            if name is None:
                return found[0][: len(found[0]) // 2]
            known = self.known.get(name)
            if known is not None and not (known.unexpanded or known.overridable or self._is_reference(known)):
                self._room.take(len(known.text))
                return known.text
            if known is not None or name in self._later or self._anything_later:
                unexpanded.append(name)
            return found[0]

        expansion = _EXPANSION if is_piggy else _OUR_EXPANSION
        return Known(expansion.sub(replaced, text), index, tuple(unexpanded))

    def _is_reference(self, known: Known) -> bool:
        if known not in self._referring:
            self._referring[known] = self._refers(known.text)
        return self._referring[known]


def _is_optional(reference: Any) -> bool:
    """Else the kubelet waits until it is there: what it holds then is not known now."""
    return isinstance(reference, Mapping) and reference.get("optional") is True


def _name(reference: Any) -> Iterator[str]:
    """The name in a reference to an object, where there is one."""
    name = reference.get("name") if isinstance(reference, Mapping) else None
    if isinstance(name, str):
        yield name
