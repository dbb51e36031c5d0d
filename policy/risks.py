"""What would a security engineer strike out of this trust policy?

Pure. An evaluation tells whether one token is let in; this tells who else is.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from policy.conditions import IF_EXISTS, NULL, is_negated
from policy.context import GOOGLE
from policy.document import Condition, Statement, document_of
from policy.evaluate import covers_action, oidc_provider
from policy.hints import FIND_UNIQUE_ID


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """Something in a policy that lets in more than it should, or will stop letting in what it should."""

    place: str
    severity: Literal["danger", "advice"]
    text: str


def risks(policy: Mapping[str, Any]) -> tuple[Risk, ...]:
    """The risks of a trust policy's Allow statements about web identities. Raises PolicyError as `evaluate` does."""
    document = document_of(policy)
    return tuple(
        risk
        for statement in document.statements
        if statement.effect == "Allow" and covers_action(statement)
        for risk in _of_statement(statement)
    )


def _of_statement(statement: Statement) -> Iterator[Risk]:
    for kind, name in statement.principals:
        if (kind, name) == ("*", "*"):
            yield _danger(statement, "the principal * is everybody; name the Federated provider")
        elif oidc_provider(name) == GOOGLE:
            yield _danger(
                statement,
                f"{GOOGLE} is built into AWS, and with an IAM OIDC provider of that name STS answers"
                f" InvalidIdentityToken: delete the provider and write {GOOGLE} as the Federated principal",
            )
        elif kind == "Federated" and name == GOOGLE:
            yield from _google(statement)
        elif kind == "Federated" and (provider := oidc_provider(name)):
            yield from _cluster(statement, provider)


def _google(statement: Statement) -> Iterator[Risk]:
    # A unique id is a number of somebody: part of one is nobody's.
    pins_subject = bool(_pinned(statement, f"{GOOGLE}:sub", whole=True))
    azp = _pinned(statement, f"{GOOGLE}:aud")
    pins_azp = bool(azp) and all(value.isdigit() or "@" in value for value in azp)
    if _pinned(statement, f"{GOOGLE}:email"):
        yield _advice(
            statement,
            f"{GOOGLE}:email: an e-mail can be created again by somebody else; pin {GOOGLE}:sub ({FIND_UNIQUE_ID})",
        )
    elif pins_azp and not pins_subject:
        yield _advice(
            statement,
            f"{GOOGLE}:aud alone is the token's azp, which is a number or an e-mail depending on how the token was"
            f" minted; {GOOGLE}:sub is the same in every token",
        )
    elif not pins_subject:
        what = "an audience identifies nobody" if azp or _pinned(statement, f"{GOOGLE}:oaud") else "nobody is named"
        yield _danger(statement, f"{what}: any Google account can mint a token that fits; pin {GOOGLE}:sub")
    if pins_subject and not _pinned(statement, f"{GOOGLE}:oaud"):
        yield _advice(statement, f"no {GOOGLE}:oaud: a token that was minted for another service fits as well")


def _cluster(statement: Statement, provider: str) -> Iterator[Risk]:
    subjects = _pinned(statement, f"{provider}:sub")
    if not subjects:
        yield _danger(statement, f"no {provider}:sub: every service account of that issuer fits")
    elif any("*" in value.removesuffix("*").rpartition(":")[0] or value.endswith(":*") for value in subjects):
        yield _advice(statement, f"{provider}:sub has a wildcard: whoever may create service accounts there fits")
    if not _pinned(statement, f"{provider}:aud") and not _pinned(statement, f"{provider}:oaud"):
        yield _advice(statement, f"no {provider}:aud: a token that was minted for another service fits as well")


def _pinned(statement: Statement, key: str, *, whole: bool = False) -> tuple[str, ...]:
    """The values to which the statement's conditions limit a key; none where it may be anything.

    With `whole` a pattern limits nothing.
    """
    return tuple(
        value
        for condition in statement.conditions
        if condition.key.lower() == key.lower() and _pins(condition, whole=whole)
        for value in condition.values
    )


def _pins(condition: Condition, *, whole: bool) -> bool:
    if condition.operator == NULL or is_negated(condition):
        return False
    if condition.operator.endswith(IF_EXISTS) or condition.operator.startswith("ForAllValues:"):
        return False
    if "Than" in condition.operator:
        return False
    if "Like" not in condition.operator:
        return True
    return not any(set("*?") & set(value) if whole else not value.strip("*?") for value in condition.values)


def _danger(statement: Statement, text: str) -> Risk:
    return Risk(place=statement.place, severity="danger", text=text)


def _advice(statement: Statement, text: str) -> Risk:
    return Risk(place=statement.place, severity="advice", text=text)
