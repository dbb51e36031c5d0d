"""What was decided about a pod: a value, not None, not a flag, not an exception for the ordinary "no".

Pure data.
"""

from dataclasses import dataclass, field
from typing import Literal

from webhook.env import Entry
from webhook.settings import Resources
from webhook.values import Mode, StsRegionalEndpoints

SkipReason = Literal["no_label", "label_false", "eks_skip_label", "no_role", "no_new_container", "not_injected"]
DenyReason = Literal[
    "bad_annotation",
    "no_role",
    "role_not_allowed",
    "host_network",
    "windows",
    "native_sidecar",
    "no_image",
    "mount_taken",
]
Shape = Literal["native", "sidecar", "init"]

BAD_REQUEST, FORBIDDEN = 400, 403


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """What the pod shall have."""

    mode: Mode
    role_arn: str
    audience: str
    token_expiration: int
    """Seconds; cluster mode only."""
    region: str | None
    sts_regional_endpoints: StsRegionalEndpoints | None
    session_name: str
    session_name_drawn: bool
    """Drawn for this review: a name that an earlier review drew is as good and stays."""
    skip_containers: frozenset[str]
    shape: Shape
    """Of the refresher; google mode only."""
    volume_path: str
    token_file: str
    resources: Resources
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EphemeralContainer:
    """What a new ephemeral container shall have."""

    index: int
    env: tuple[Entry, ...] = field(repr=False)
    volume_path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EphemeralInjection:
    """What the new ephemeral containers of a running pod shall have."""

    containers: tuple[EphemeralContainer, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """The pod stays as it is."""

    reason: SkipReason
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Deny:
    """The pod must not start like this; the message is for its author."""

    reason: DenyReason
    message: str
    code: int = FORBIDDEN


Decision = Injection | Skip | Deny
