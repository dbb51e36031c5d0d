"""What will a container's environment hold, as far as it can be known before the pod runs? Read out of the pod.

Pure. Kubernetes' order: envFrom first, then env, of two with one name the later holds; $(NAME) in a `value` means a
variable that stands before it. What comes from a Secret is known to nobody here.
Source: makeEnvironmentVariables in Kubernetes' pkg/kubelet/kubelet_pods.go.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal

from webhook.env import INJECTED_VARIABLES
from webhook.pod import Container
from webhook.secrets.environment import Environment, Expanded, Hidden, Known, Prefixes
from webhook.secrets.expansion import expand, pieces_of
from webhook.secrets.look_ups import Missing
from webhook.secrets.pieces import NOTHING, Piece, Unknown, has_escaped, is_known

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
    may_refer: Callable[[tuple[Piece, ...]], bool],
    room: Room,
) -> Environment:
    """The container's variables. Without `config_maps` nobody looks at what comes from ConfigMaps and Secrets.

    `annotations` are the pod's. `refers` says which texts are references: $(NAME) of such a variable means its value,
    not its text; `may_refer` of which pieces the kubelet may make one. `room` is the pod's. Raises `TooMuchError`.
    """
    reading = _Reading(config_maps, annotations, refers, may_refer, room)
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
        made=tuple(name for name, known in reading.known.items() if known.is_made),
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
        may_refer: Callable[[tuple[Piece, ...]], bool],
        room: Room,
    ) -> None:
        self._config_maps = config_maps
        self._annotations = annotations
        self._refers = refers
        self._may_refer = may_refer
        self._room = room
        self._referring: dict[str, bool] = {}
        """What `refers` said: the text may be long, and meant a thousand times."""
        self.known: dict[str, Known] = {}
        self.hidden: dict[str, Hidden] = {}
        self.prefixes = Prefixes()
        """Of the whole objects in it."""
        self._anything_later = False
        """Whether a whole object may hold any name."""
        self._later: dict[str, Piece | None] = {}
        """Names with a value that is known only when the container runs; None: nobody looks at it."""
        self._taken: list[tuple[str, str]] = []
        """ConfigMaps of envFrom that are known: prefix, name."""
        self.doubtful: dict[str, None] = {}
        self._shadowed: dict[str, list[Hidden]] = {}
        """Entries that stay where the later ones of their names, which are optional, turn out to be absent."""
        self._entries: Counter[str] = Counter()
        """How many entries of env have had the name."""
        self.set_by_env: set[str] = set()
        """Names that env sets, and not only perhaps."""
        self._expanded_names: list[tuple[str, str, bool, int]] = []
        """Of each $(NAME) that only the container will have and that may be a reference: the variable, the name,
        whether it surely is one, and how many entries had that name then."""

    def all_hidden(self) -> Iterator[Hidden]:
        """In an order in which the later one of two with one name holds."""
        for shadowed in self._shadowed.values():
            yield from shadowed
        yield from self.hidden.values()

    def expanded(self) -> Iterator[Expanded]:
        """When all is read: what each $(NAME) meant."""
        for variable, name, is_reference, entries in self._expanded_names:
            is_replaced = self._entries[name] != entries
            yield Expanded(variable=variable, name=name, is_reference=is_reference, is_replaced=is_replaced)

    def take_all(self, source: Mapping[str, Any]) -> None:
        """One source of envFrom."""
        prefix = source.get("prefix") or ""
        for name in _name(source.get("secretRef")):
            self._hide_all(prefix, name, "Secret")
        for name in _name(source.get("configMapRef")):
            data = self._config_maps.get(name, "absent") if self._config_maps is not None else "forbidden"
            if data == "forbidden" or (data == "absent" and not _is_optional(source["configMapRef"])):
                self._hide_all(prefix, name, "ConfigMap")
            elif data != "absent":
                self._room.take(sum(map(len, data.values())) + len(data) * (_VARIABLE + len(prefix)))
                self._take_known(prefix, source["configMapRef"], name, data)

    def _take_known(self, prefix: str, reference: Any, name: str, data: Mapping[str, str]) -> None:
        """A ConfigMap that is there now; an optional one may be gone when the container starts again."""
        found = {prefix + key: Known(text, None) for key, text in data.items()}
        if _is_optional(reference):
            below = {variable: self.known[variable] for variable in found if variable in self.known}
            if any(self.prefixes.begin(variable) for variable in found) or any(map(self._is_reference, below.values())):
                # What lies below comes to light then: nobody knows which of the two the container has.
                self._hide_all(prefix, name, "ConfigMap")
                found = {variable: replace(known, overridable=True) for variable, known in found.items()}
            else:
                found |= {variable: _one_of(earlier, found[variable]) for variable, earlier in below.items()}
        self._taken.append((prefix, name))
        self.known |= found

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
        self._entries[name] += 1
        earlier = self.known.get(name)
        # Even where it is there now: a container starts again, and an optional object may be gone by then.
        if earlier is not None and may_be_absent(origin) and (self._is_reference(earlier) or has_escaped(earlier.text)):
            self.doubtful[name] = None
        shadowed = self.hidden.pop(name, None)
        if not may_be_absent(origin):
            self.set_by_env.add(name)
            self._shadowed.pop(name, None)
        elif shadowed is not None:
            self._shadowed.setdefault(name, []).append(shadowed)
        self._later.pop(name, None)
        if text is not None:
            self.known[name] = self._perhaps(name, text, earlier) if may_be_absent(origin) else text
            return
        self.known.pop(name, None)
        self._later[name] = self._of_pod(entry)
        kinds: dict[str, Literal["Secret", "ConfigMap"]] = {"secretKeyRef": "Secret", "configMapKeyRef": "ConfigMap"}
        kind = next((kind for key, kind in kinds.items() if (origin or {}).get(key)), None)
        if kind and may_refer and not self._is_absent(origin or {}):
            self.hidden[name] = Hidden(name=name, whole=False, kind=kind)

    def _perhaps(self, name: str, text: Known, earlier: Known | None) -> Known:
        """An optional entry, below which another one of the name may come to light."""
        if name in self._shadowed or (name not in self.set_by_env and self.prefixes.begin(name)):
            return replace(text, overridable=True)
        return text if earlier is None else _one_of(earlier, text)

    def _hide_all(self, prefix: str, name: str, kind: Literal["Secret", "ConfigMap"]) -> None:
        self._anything_later = True
        self._override(prefix)
        if self._config_maps is not None:
            self.prefixes.add(prefix)
            # No variable's name has a blank: the key is nobody else's.
            self.hidden[f"{prefix} {kind} {name}"] = Hidden(name=prefix, whole=True, kind=kind)

    def _override(self, prefix: str) -> None:
        """What was known is the later one's, where it has the name; the kubelet alone can say."""
        self._room.take(len(self.known))
        found = {name: known for name, known in self.known.items() if name.startswith(prefix) and not known.overridable}
        self.known |= {name: replace(known, overridable=True) for name, known in found.items()}
        if any(self._is_reference(known) for known in found.values()):
            taken, self._taken = self._taken, []
            for earlier, name in taken:
                self._hide_all(earlier, name, "ConfigMap")

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

    def _of_pod(self, entry: Mapping[str, Any]) -> Piece | None:
        """What the pod itself says; its author's annotation is read as it is now."""
        key, origin = annotation_meant(entry), entry.get("valueFrom") or {}
        if key is not None:
            return self._annotations.get(key, "")
        return Unknown.FIELD if origin.get("fieldRef") or origin.get("resourceFieldRef") else None

    def _is_absent(self, origin: Mapping[str, Any]) -> bool:
        """Whether it comes from a ConfigMap that was read and has no such key, and the container starts without."""
        reference = origin.get("configMapKeyRef")
        return any(
            (self._config_maps or {}).get(name) != "forbidden" and _is_optional(reference) for name in _name(reference)
        )

    def _expanded(self, variable: str, text: str, index: int) -> Known:
        if "$" not in text:
            return Known(text, index)
        unexpanded: dict[str, None] = {}

        def value(name: str) -> str | None:
            known = self.known.get(name)
            unsure = known is None or known.unexpanded or known.overridable or known.is_made
            if known is not None and not (unsure or self._is_reference(known)):
                self._room.take(len(known.text))
                return known.text
            if known is not None or name in self._later or self._anything_later:
                unexpanded[name] = None
                meant = self._meant(name, known)
                # A web identity's is no reference, and a second review finds another in its place.
                if meant or (meant is not None and variable not in INJECTED_VARIABLES):
                    self._expanded_names.append((variable, name, meant, self._entries[name]))
            return None

        made = expand(text, value)
        pieces = tuple(self._pieces(text))
        is_sure = is_known(pieces)
        is_made = not (is_sure and not unexpanded) and not self._refers(made) and self._may_refer(pieces)
        return Known(
            made, index, tuple(unexpanded), pieces=("".join(map(str, pieces)),) if is_sure else pieces, is_made=is_made
        )

    def _meant(self, name: str, known: Known | None) -> bool | None:
        """Whether what the name means now is a reference (True) or may be one (False); None: it is none."""
        if name in INJECTED_VARIABLES:
            return None
        if known is not None and self._is_reference(known):
            return True
        is_hidden = name in self.hidden or name in self._shadowed
        if is_hidden or (known is not None and known.is_made) or self._may_be_of_whole(name, known):
            return False
        return None

    def _may_be_of_whole(self, name: str, known: Known | None) -> bool:
        return (known is None or known.overridable) and name not in self.set_by_env and self.prefixes.begin(name)

    def _pieces(self, text: str) -> Iterator[Piece]:
        """What the kubelet puts together for a value."""
        for part, is_name in pieces_of(text):
            if not is_name:
                yield part
                continue
            self._room.take(_VARIABLE)
            known = self.known.get(part)
            if self._meant(part, known) is False:
                yield Unknown.ANY
            elif known is not None and self._is_reference(known):
                yield NOTHING  # its value, where the kubelet has it; else it is refused
            elif known is not None:
                pieces = known.pieces or (known.text,)
                self._room.take(sum(len(piece) if isinstance(piece, str) else _VARIABLE for piece in pieces))
                yield from pieces
            else:
                yield self._later.get(part) or f"$({part})"

    def _is_reference(self, known: Known) -> bool:
        if known.text not in self._referring:
            self._referring[known.text] = self._refers(known.text)
        return self._referring[known.text]


def _one_of(earlier: Known, now: Known) -> Known:
    """The text that holds now, where the earlier one may come to light."""
    texts = [known.pieces or (known.text,) for known in (earlier, now)]
    if all(len(pieces) == 1 and isinstance(pieces[0], str) for pieces in texts):
        return replace(now, pieces=((str(texts[0][0]), now.text),))
    return replace(now, pieces=(Unknown.ANY,), is_made=earlier.is_made)


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
