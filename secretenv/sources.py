"""What is read, and what is taken of it: the data of references.

Pure. `secretenv.references` makes them of texts; everybody imports them from there.
"""

from dataclasses import dataclass
from typing import Literal

Filter = Literal["urlencode", "base64decode", "trim"]


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret of Secrets Manager; at most one of stage and version. None: AWSCURRENT."""

    name: str
    """Name or full ARN."""
    stage: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of SSM Parameter Store."""

    name: str
    """Name (with its leading slash, if it has one) or full ARN."""
    version: str | None = None
    """A number or a label."""


@dataclass(frozen=True, slots=True)
class ParameterPath:
    """All parameters below a path, recursively, in one read."""

    path: str
    """With its leading slash, or a full ARN; without a slash at its end."""


@dataclass(frozen=True, slots=True)
class Item:
    """An attribute of an item of a DynamoDB table."""

    table: str
    """Name or full ARN."""
    key: str
    key_attribute: str
    attribute: str


Source = Secret | Parameter | ParameterPath | Item
"""What one read of a store gives; references that differ only in what they select share it."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the JSON object at the top; of a path, a parameter's last element or relative path. Not of an item."""

    name: str


@dataclass(frozen=True, slots=True)
class Pointer:
    """A JSON pointer, RFC 6901, never the empty one. Not of a path."""

    text: str


@dataclass(frozen=True, slots=True)
class Reference:
    """One value of one secret, and how it is written into the text."""

    source: Source
    select: Key | Pointer | None = None
    filters: tuple[Filter, ...] = ()


@dataclass(frozen=True, slots=True)
class Template:
    """Literal text and references, in order. A whole-value reference is one part; without any there were escapes."""

    parts: tuple[str | Reference, ...]

    @property
    def references(self) -> tuple[Reference, ...]:
        """Its references, in order."""
        return tuple(part for part in self.parts if isinstance(part, Reference))


@dataclass(frozen=True, slots=True, kw_only=True)
class PiggySource:
    """Where `piggy:NAME` is looked for: one path of parameters, or else one secret."""

    secret_name: str = ""
    parameter_path: str = ""
    """As in `ParameterPath`."""
    stage: str | None = None
    version: str | None = None
    """Where the author wrote a version's id for the stage: piggy's documentation calls it that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Syntax:
    """Which texts are references in this pod."""

    ours: bool
    """sm://, ssm://, ssm-path://, ddb:// as whole values, and ${…}."""
    arns: bool
    """Full ARNs of secrets, parameters and items as whole values too."""
    piggy: PiggySource | None
    """Where `piggy:NAME` is looked for; None: such a text is no reference."""


class MalformedReferenceError(Exception):
    """A text that is meant as a reference and cannot be one; position and accepted form are in the message."""


def expected(at: int, form: str) -> MalformedReferenceError:
    """What is wrong at this index. `form` never quotes the text: a password may stand in it."""
    return MalformedReferenceError(f"character {at + 1}: expected {form}")
