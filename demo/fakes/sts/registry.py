"""What the fake's AWS account holds: roles, OIDC providers, sessions; and what was called."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from demo.fakes import trust

Jwks = Callable[[], Mapping[str, Any]]
"""Fetches an issuer's JSON Web Key Set; OSError if the issuer cannot be reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """An IAM role; a malformed trust policy is refused as IAM refuses to store it."""

    trust_policy: Mapping[str, Any]
    max_session_duration: int = 3600
    reads: Sequence[str] | None = None
    """Secrets, parameters and tables whose values it may read, `*` for any text; None: all of them."""

    def __post_init__(self) -> None:
        trust.check(self.trust_policy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """An IAM OpenID Connect provider."""

    jwks: Jwks
    client_ids: Sequence[str] = ("sts.amazonaws.com",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Credentials that this STS issued."""

    role_arn: str
    session_name: str
    subject: str
    expires_at: float
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call and how it ended; never with a token or a key."""

    action: str
    """The API's name, or method and path where it has none (S3)."""
    outcome: str
    """`ok`, or the error's code."""
    role_arn: str | None = None
    session_name: str | None = None
    subject: str | None = None


class Account:
    """The state of the fake; everything may be changed while it serves."""

    def __init__(self, *, google_jwks: Jwks) -> None:
        self.google_jwks = google_jwks
        self.roles: dict[str, Role] = {}
        """By ARN."""
        self.providers: dict[str, Provider] = {}
        """By issuer URL."""
        self.jwks_reachable = True
        self.session_scale = 1.0
        """Sessions live DurationSeconds times this: a demo's hour may last seconds."""
        self.sessions: dict[str, Session] = {}
        """By access key ID."""
        self.calls: list[Call] = []
        self.away_until = 0.0
        """Until then, by the server's clock, every call is answered 503."""
        self.throttles = False
        """Whether every second call is told to come later."""

    def fetch(self, jwks: Jwks) -> Mapping[str, Any]:
        """Fetch a key set, unless issuers are cut off."""
        if not self.jwks_reachable:
            raise ConnectionError("the fake's issuers are switched off")
        return jwks()

    def reset(self) -> None:
        """Forget everything but Google's keys."""
        self.roles.clear()
        self.providers.clear()
        self.sessions.clear()
        self.calls.clear()
        self.jwks_reachable = True
        self.session_scale = 1.0
        self.away_until = 0.0
        self.throttles = False
