"""What was decided about a pod: a value, not None, not a flag, not an exception for the ordinary "no".

Pure data.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from secretenv.plan import Delivery, Plan
from webhook.env import Entry
from webhook.settings import Resources
from webhook.values import Mode, StsRegionalEndpoints

SkipReason = Literal[
    "no_label", "label_false", "eks_skip_label", "no_reference", "no_role", "no_new_container", "not_injected"
]
DenyReason = Literal[
    "bad_annotation",
    "no_role",
    "role_not_allowed",
    "host_network",
    "windows",
    "native_sidecar",
    "no_image",
    "mount_taken",
    "bad_reference",
    "no_region",
    "no_broker",
    "no_entrypoint",
    "no_launcher",
    "delivery",
    "rotation",
    "metrics",
    "expansion",
    "unavailable",
]
Shape = Literal["native", "sidecar", "init"]

BAD_REQUEST, FORBIDDEN, UNAVAILABLE = 400, 403, 503


@dataclass(frozen=True, slots=True, kw_only=True)
class WebIdentity:
    """The role that the pod assumes, and the token by which it does."""

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
    volume_path: str
    token_file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSecrets:
    """What changes in a container so that its secrets reach it."""

    name: str
    delivery: Delivery
    volume: str
    variables: tuple[str, ...]
    """By envfile: each becomes a key of a file, where it stands, or first where it came with envFrom."""
    command: tuple[str, ...] | None = None
    """By the launcher; None: the author's stays."""
    args: tuple[str, ...] | None = None
    """Those of the image; None: the author's stay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnIdentity:
    """The web identity that the pod's author brought, as the injected container gets it too."""

    env: tuple[Entry, ...]
    mount: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretsInjection:
    """What is delivered to which container, and how."""

    plan: Plan
    containers: tuple[ContainerSecrets, ...]
    region: str | None
    """Where secrets are read; it may differ from the application's."""
    own_identity: OwnIdentity | None = None
    """Instead of the pod's web identity."""
    copied_env: tuple[Entry, ...] = ()
    """Entries of env by which the injected container gets the containers' own, which only the kubelet knows."""
    copied_env_from: tuple[Mapping[str, Any], ...] = ()
    """The same of envFrom."""
    is_debugged: bool = False
    """Whether the injected container says more."""
    files_path: str = ""
    """Where containers see files made of references; "" where there are none."""
    metrics_port: int | None = None
    """Where the injected sidecar tells how they fare; None: nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """What the pod shall have."""

    web_identity: WebIdentity | None
    """None: secrets alone, which somebody else reads."""
    for_application: bool
    """Whether the application's containers get the web identity, or the injected container alone."""
    secrets: SecretsInjection | None
    skip_containers: frozenset[str]
    shape: Shape
    """Of the container that is injected, if one is."""
    resources: Resources
    warnings: tuple[str, ...] = ()

    @property
    def google(self) -> WebIdentity | None:
        """The web identity for which a container fetches tokens."""
        return self.web_identity if self.web_identity and self.web_identity.mode == "google" else None

    @property
    def has_container(self) -> bool:
        """Whether a container is injected."""
        return self.google is not None or self.secrets is not None


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
    also: tuple[str, ...] = ()
    """What else is refused, as far as it can be told apart; the author is told of one at a time."""


Decision = Injection | Skip | Deny
