"""Which service account may read what by the broker's own role?

Pure: the operator's grants, and their verdict. What no grant allows is denied.
"""

import re
from dataclasses import dataclass
from typing import Any

from secretenv.references import Item, Parameter, ParameterPath, Secret, Source
from serving.rules import RulesError, list_of, matches, patterns_of, refuse_same_names, refuse_unknown, text_of

_NAME = re.compile(r"[A-Za-z0-9._-]{1,63}")
_ACCOUNT = re.compile(r"[a-z0-9*?-]{1,63}:[a-z0-9.*?-]{1,253}")
_SECRET = re.compile(r"(sm|ssm|ssm-path|ddb)://[ -~]{1,1000}")
_KEYS = ("name", "serviceAccounts", "secrets")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """These service accounts may read these secrets."""

    name: str
    service_accounts: tuple[str, ...]
    secrets: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grants:
    """Every grant; a read needs one that allows it."""

    grants: tuple[Grant, ...]

    def allows(self, account: str, source: Source) -> bool:
        """Whether NAMESPACE:SERVICEACCOUNT may read this."""
        name = as_granted(source)
        return any(matches(account, grant.service_accounts) and matches(name, grant.secrets) for grant in self.grants)


NOBODY = Grants(grants=())


def as_granted(source: Source) -> str:
    """A source as patterns see it: scheme and name as AWS is asked, nothing escaped, whatever version is wanted."""
    match source:
        case Secret(name):
            return f"sm://{name}"
        case Parameter(name):
            return f"ssm://{name}"
        case ParameterPath(path):
            return f"ssm-path://{path}"
        case Item(table, key):
            return f"ddb://{table}/{key}"


def parse_grants(document: Any) -> Grants:
    """The grants in a document's data. Raises `RulesError`."""
    if not isinstance(document, dict):
        raise RulesError("expected a mapping with the key grants")
    refuse_unknown(document, ("grants",), "the document")
    found = list_of(document, "grants", "", "a list of grants")
    grants = tuple(_grant(grant, f"grants[{index}]") for index, grant in enumerate(found))
    refuse_same_names([grant.name for grant in grants], "grants")
    return Grants(grants=grants)


def _grant(grant: Any, place: str) -> Grant:
    if not isinstance(grant, dict):
        raise RulesError(f"{place}: expected a mapping with {', '.join(_KEYS)}")
    refuse_unknown(grant, _KEYS, place)
    return Grant(
        name=text_of(grant.get("name"), f"{place}.name", _NAME, "1 to 63 characters of A-Z a-z 0-9 . _ -"),
        service_accounts=patterns_of(
            grant,
            "serviceAccounts",
            place,
            _ACCOUNT,
            "NAMESPACE:SERVICEACCOUNT in which * and ? may stand: shop:*",
        ),
        secrets=patterns_of(
            grant,
            "secrets",
            place,
            _SECRET,
            "sm://NAME, ssm://NAME, ssm-path://PATH or ddb://TABLE/KEY in which * and ? may stand: sm://shop/*",
        ),
    )
