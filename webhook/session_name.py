"""How is a role session called?

Pure. STS takes 2 to 64 characters of [A-Za-z0-9_+=,.@-] (AssumeRoleWithWebIdentity, RoleSessionName). A session name
labels CloudTrail's records; it authorizes nothing.
"""

import hashlib
import re
import string

from contract.pod import SESSION_NAME_PREFIX

LONGEST = 64
SHORTEST = 2
_LETTERS = 16
_HASH_DIGITS = 8
_DEFAULT = re.compile(re.escape(SESSION_NAME_PREFIX) + r"[a-z]{16}")


def default_session_name(seed: str) -> str:
    """The seed's form, token-injector-webhook- and 16 letters. One review's uid as `seed` gives one name."""
    number = int.from_bytes(hashlib.sha256(seed.encode(errors="surrogatepass")).digest())
    letters = ""
    for _ in range(_LETTERS):
        number, letter = divmod(number, len(string.ascii_lowercase))
        letters += string.ascii_lowercase[letter]
    return SESSION_NAME_PREFIX + letters


def is_default(name: object) -> bool:
    """Whether a review, ours or the seed's, drew this name: such a name is kept when its pod is reviewed again."""
    return isinstance(name, str) and bool(_DEFAULT.fullmatch(name))


def render(template: str, *, namespace: str, service_account: str, cluster: str) -> tuple[str, bool]:
    """The session name and whether it was cut. Characters that STS refuses become '-'.

    A cut name ends in a hash of the whole, so that two long names stay two.
    """
    whole = template.replace("{namespace}", namespace).replace("{serviceaccount}", service_account)
    whole = re.sub(r"[^A-Za-z0-9_+=,.@-]", "-", whole.replace("{cluster}", cluster))
    if len(whole) <= LONGEST:
        return whole, False
    digest = hashlib.sha256(whole.encode()).hexdigest()[:_HASH_DIGITS]
    return f"{whole[: LONGEST - _HASH_DIGITS - 1]}-{digest}", True
