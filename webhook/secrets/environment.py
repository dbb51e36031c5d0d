"""What is known of a container's variables before it runs: texts, what only the kubelet will know, and $(NAME).

Pure data; `variables` reads it out of a pod.
"""

from bisect import insort
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from webhook.env import INJECTED_VARIABLES
from webhook.secrets.pieces import Piece


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
    """Whether an object that nobody here knows may hold another text: a whole one that follows in envFrom, or the one
    below, where this is optional and gone when the container starts again."""
    pieces: tuple[Piece, ...] = field(default=(), repr=False)
    """Of which the kubelet makes it, where they are not the text alone."""
    is_made: bool = False
    """Whether the kubelet may make a reference of them that is none here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hidden:
    """An entry of env or envFrom whose texts only the kubelet will know."""

    name: str
    """The variable's; of a whole Secret, the prefix of all of them."""
    whole: bool
    kind: Literal["Secret", "ConfigMap"]


class Prefixes:
    """Whether a name begins with one of them, quickly, however many they are."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._lengths: list[int] = []

    def add(self, prefix: str) -> None:
        """One more."""
        self._known.add(prefix)
        if len(prefix) not in self._lengths:
            insort(self._lengths, len(prefix))

    def begin(self, name: str) -> bool:
        """Whether one does."""
        return any(name[:length] in self._known for length in self._lengths if length <= len(name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Expanded:
    """A $(NAME) in a variable's value that only the container will have."""

    variable: str
    name: str
    is_reference: bool
    """Else it may be one: only the kubelet knows."""
    is_replaced: bool
    """Whether a later entry replaces the variable that it means: nobody resolves that one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A container's variables."""

    known: Mapping[str, Known]
    hidden: tuple[Hidden, ...]
    single: frozenset[str]
    """The variables among them."""
    prefixes: Prefixes
    """Of the whole objects among them."""
    expanded: tuple[Expanded, ...]
    doubtful: tuple[str, ...]
    """References that stay where a later entry of the same name turns out to be absent."""
    set_by_env: frozenset[str]
    """The names that env sets for sure, which win over every whole object."""
    made: tuple[str, ...]
    """Variables of which the kubelet may make references that are none here."""

    def may_hide(self, name: str) -> bool:
        """Whether the variable may be a reference that nobody here knows."""
        # A web identity's variables are no references, and a second review finds them in env.
        if name in INJECTED_VARIABLES:
            return False
        known = self.known.get(name)
        if known is not None and known.is_made:
            return True
        if name in self.single or (known is not None and not known.overridable):
            return name in self.single
        return name not in self.set_by_env and self.prefixes.begin(name)
