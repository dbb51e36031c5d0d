"""What shall be delivered where? The webhook writes it, the injected container reads it: JSON in contract.secrets.PLAN.

Pure. It holds references, never values.
"""

import json
from dataclasses import dataclass
from typing import Literal

from secretenv.records import RecordError, decoded, encoded
from secretenv.references import Syntax

Delivery = Literal["envfile", "env", "socket"]
"""One file per variable for the kubelet; one env file for the launcher; a socket for the launcher."""
Rotation = Literal["none", "file", "signal", "restart"]


class PlanError(Exception):
    """The plan cannot be read; the message names the place in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A variable of a container and its text, as the author wrote it."""

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """A variable into which the kubelet puts, by $(NAME), texts that may be references."""

    name: str
    of: tuple[str, ...]
    """The variables that have these texts too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """What the webhook wrote for a container without a command: it takes it back where the pod comes again."""

    image: str
    """Whose it is; "": the author's annotation said it."""
    entrypoint: tuple[str, ...]
    cmd: tuple[str, ...]
    has_args: bool
    """Whether the author wrote args in place of cmd."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerPlan:
    """What one container of the application gets."""

    name: str
    delivery: Delivery
    directory: str
    """Where the injected container sees this container's volume."""
    variables: tuple[Variable, ...]
    copied: str = ""
    """The injected container has what the container will have in variables of this prefix: the kubelet alone knows what
    comes from Secrets. "": nothing is looked for there."""
    own_environment: bool = False
    """Whether the launcher may ask for references in variables that are not listed: those from Secrets."""
    joined: tuple[Joined, ...] = ()
    """Where a reference that is not listed may have become another one."""
    started: Started | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePlan:
    """A file made of a template."""

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """Who reads for the pod; without one it reads with its own role."""

    address: str
    """https://HOST[:PORT]"""
    ca: str
    """PEM."""
    token_file: str
    """The pod-bound token for the broker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that one injected container delivers."""

    syntax: Syntax
    containers: tuple[ContainerPlan, ...]
    files: tuple[FilePlan, ...] = ()
    files_directory: str = ""
    broker: Broker | None = None
    keeps_unresolved: bool = False
    """piggy-ignore-no-env: what cannot be resolved stays as it was written, variable by variable."""
    rotation: Rotation = "none"
    rotation_interval: int = 300
    """Seconds."""
    initial_delay: float = 0.0
    """Seconds."""
    attempts: int = 0
    """0: until the deadline."""


def to_json(plan: Plan) -> str:
    """One line; defaults are left out."""
    return json.dumps(encoded(plan), separators=(",", ":"))


def from_json(text: str, *, takes_unknown: bool = False) -> Plan:
    """`takes_unknown`: one of another version, whose keys may be unknown here. Raises `PlanError`."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise PlanError(f"the plan is no JSON: {exc}") from exc
    try:
        return decoded(Plan, value, "the plan", takes_unknown=takes_unknown)
    except RecordError as exc:
        raise PlanError(str(exc)) from exc
