"""How is a role session called?

Pure. STS takes 2 to 64 characters of [A-Za-z0-9_+=,.@-] (AssumeRoleWithWebIdentity, RoleSessionName). A session name
labels CloudTrail's records; it authorizes nothing.
"""

import hashlib
import re

from contract.pod import SESSION_NAME_PREFIX

LONGEST = 64
SHORTEST = 2
_LETTERS = 16
_HASH_DIGITS = 8
# A byte to a letter. 26 does not divide 256: ten letters come a little more often, which a label may.
_ALPHABET = bytes(ord("a") + byte % 26 for byte in range(256))
_DEFAULT = re.compile(re.escape(SESSION_NAME_PREFIX) + r"[a-z]{16}")


def default_session_name(seed: str) -> str:
    """The seed's form, token-injector-webhook- and 16 letters. One review's uid as `seed` gives one name."""
    # JSON can write half of a surrogate pair, which UTF-8 can't.
    digest = hashlib.sha256(seed.encode(errors="surrogatepass")).digest()
    return SESSION_NAME_PREFIX + digest[:_LETTERS].translate(_ALPHABET).decode()


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
