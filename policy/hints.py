"""Which mistake is it? The ones that people make with web identities, each with its remedy.

Pure.
"""

from policy.context import GOOGLE, SESSION_NAME_KEY, Context
from policy.document import Condition

FIND_UNIQUE_ID = "gcloud iam service-accounts describe EMAIL --format='value(uniqueId)'"


def hint_of(condition: Condition, context: Context) -> str:
    """What a condition that fails most likely means; empty where no mistake is recognised."""
    key = condition.key.lower()
    if key.split(":")[0] in ("sts", "aws") and key != SESSION_NAME_KEY.lower():
        return ""
    found = context.value(condition.key)
    if found is None:
        return _missing(key, context)
    token_values = set(found.values)
    if any(_folded(value) in map(_folded, token_values) for value in condition.values):
        return "The two differ only in upper and lower case or in white space."
    audience = context.value(f"{context.provider}:oaud")
    if key == f"{context.provider}:aud".lower() and audience and set(audience.values) & set(condition.values):
        return (
            f"AWS compares {context.provider}:aud with the claim azp wherever that is set; the audience is"
            f" {context.provider}:oaud."
        )
    if condition.operator.startswith("StringEquals") and any(set("*?") & set(value) for value in condition.values):
        return "StringEquals takes * and ? literally; StringLike matches them."
    if context.provider == GOOGLE:
        return _google(key, condition, token_values)
    return ""


def _google(key: str, condition: Condition, token_values: set[str]) -> str:
    if key == f"{GOOGLE}:sub" and any("@" in value for value in condition.values):
        return f"The subject is the service account's numeric unique id, never its e-mail: {FIND_UNIQUE_ID}"
    if key == f"{GOOGLE}:aud" and any("@" in value for value in token_values):
        return (
            "This token's azp is an e-mail, as google-auth and service account keys mint it; GKE's metadata server"
            f" mints the numeric id. {GOOGLE}:sub is the numeric id in every token."
        )
    return ""


def _missing(key: str, context: Context) -> str:
    provider, _, name = key.rpartition(":")
    known = ("aud", "oaud", "sub", "email", "amr")
    if name.startswith("google/"):
        return "Google puts this claim only into tokens minted with organizationNumberIncluded."
    if provider == context.provider.lower():
        return "" if name in known else f"AWS fills of a token only the keys {', '.join(known)}."
    if name in known:
        return f"The key is another issuer's: this token's keys begin with {context.provider}:"
    return ""


def _folded(value: str) -> str:
    return value.strip().casefold()
