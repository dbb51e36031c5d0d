"""Whom a registry is told that we are."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from webhook.entrypoint.deadline import Deadline
from webhook.entrypoint.image_name import ImageName
from webhook.entrypoint.question import Wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A user and a password, or what stands for them; nothing of it: anonymous."""

    origin: str = field(compare=False)
    """In messages: whose it is."""
    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    """A refresh token, which the realm takes by POST (Azure)."""
    registry_token: str = field(default="", repr=False)
    """Sent as it is."""

    @property
    def basic(self) -> str | None:
        """The value of the header Authorization; None where there is no password."""
        if not self.username and not self.password:
            return None
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


ANONYMOUS = Credential(origin="no credentials")


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """What one source of credentials has for a registry."""

    credentials: Sequence[Credential] = ()
    problems: Sequence[str] = ()
    """Why it has no more; nothing that is merely absent."""


Source = Callable[[ImageName, Wanted, Deadline], Offers]
"""Credentials for reading this image, at this registry (a mirror's name, where a mirror is asked). Raises nothing but
`UnreachableError` when the time is over."""
