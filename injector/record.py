"""Frozen records: keyword-only fields, and a repr without values, for one of them holds a token.

Not `dataclasses`: importing it costs 1.6 bare starts of the interpreter, in every pod. mypy sees a dataclass.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self, dataclass_transform
else:

    def dataclass_transform(**_):  # noqa: ANN003, ANN201, D103 - typing's, where nobody checks types
        return lambda cls: cls


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Record:
    """The base of a record; the fields are the annotations of the subclass, their defaults its attributes."""

    def __init__(self, **fields: Any) -> None:
        names = type(self).__annotations__
        wrong = [name for name in fields if name not in names]
        wrong += [name for name in names if name not in fields and not hasattr(type(self), name)]
        if wrong:
            raise TypeError(f"{type(self).__name__}: unknown or missing fields: {', '.join(wrong)}")
        self.__dict__.update({name: getattr(type(self), name) for name in names if name not in fields})
        self.__dict__.update(fields)

    def replace(self, **fields: Any) -> Self:
        """Give a copy with other values in these fields."""
        return type(self)(**{**self.__dict__, **fields})

    def __setattr__(self, name: str, _: object) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} cannot be set: records are frozen")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.__dict__ == self.__dict__

    def __hash__(self) -> int:
        return hash((type(self), *sorted(self.__dict__.items())))

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"
