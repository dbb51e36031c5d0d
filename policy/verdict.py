"""What an evaluation answers: values, with everything a person needs to mend the policy or the token.

Pure data. A token's claims (subject, audience) are identifiers, not secrets; the token itself never gets here.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionFailure:
    """One condition that did not hold: what the policy wants and what the token has."""

    place: str
    """The statement: Statement[0], or Statement[0] (its Sid)."""
    operator: str
    key: str
    policy_values: tuple[str, ...]
    token_value: str | None
    """What AWS compares: None is a missing key, several values are joined by commas."""
    claim: str
    """Where AWS reads the key from: "claim azp", "session name", or "" for a key that this token does not fill."""
    hint: str = ""
    """The likely mistake and its remedy, where one is recognised."""

    @property
    def sentence(self) -> str:
        """The failure for a person, on one line."""
        has = "the request has no such key" if self.token_value is None else f"{self.claim} is {self.token_value!r}"
        wants = " or ".join(repr(value) for value in self.policy_values)
        text = f"{self.place}: {self.operator} {self.key} wants {wants}, but {has}"
        return f"{text}. {self.hint}" if self.hint else text


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """AWS would let this token assume the role."""

    statement: str
    """The place of the first statement that allows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """AWS would answer AccessDenied."""

    reason: str
    failures: tuple[ConditionFailure, ...] = ()
    """Of every Allow statement whose action and principal fit, each condition that did not hold."""
    denied_by: str = ""
    """The place of the statement that denies explicitly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Undecided:
    """It depends on something that neither the token nor AWS's documentation tells."""

    statement: str
    reason: str


Verdict = Allowed | Refused | Undecided
