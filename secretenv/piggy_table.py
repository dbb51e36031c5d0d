"""piggy's annotations: what each one does here.

`PIGGY_ANNOTATIONS` is the table that the documentation prints; `secretenv.piggy` reads by it. Source: piggy 0.7.5.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from contract import annotations as keys


@dataclass(frozen=True, slots=True, kw_only=True)
class PiggyAnnotation:
    """One row: a key of piggy's users."""

    key: str
    default: str = ""
    """piggy's own."""
    effect: str
    """What it does here, or why it does nothing."""
    read: bool = True
    """Whether it does anything at admission."""
    on_pod: bool = True
    """Whether the annotation is looked at; else the variable alone."""
    has_variable: bool = True

    @property
    def environ(self) -> str | None:
        """The webhook's variable, which holds for pods without the annotation."""
        name = self.key.removeprefix(keys.PIGGY_PREFIX)
        return name.upper().replace("-", "_") if self.has_variable else None


_RESOURCE = "The same of the injected container, where somebody wrote it; else ours holds."
PIGGY_ANNOTATIONS: tuple[PiggyAnnotation, ...] = (
    PiggyAnnotation(
        key=keys.PIGGY_SECRET_NAME,
        effect="The secret whose keys piggy:NAME names: its name or its ARN. It makes piggy:NAME a reference.",
    ),
    PiggyAnnotation(
        key=keys.PIGGY_PARAMETER_PATH,
        effect="The parameters below this path instead of a secret. It makes piggy:NAME a reference.",
    ),
    PiggyAnnotation(key=keys.PIGGY_REGION, effect="The region in which the source is read."),
    PiggyAnnotation(
        key=keys.PIGGY_SECRET_VERSION,
        default="AWSCURRENT",
        effect="The version's stage, in every mode. A version's id, as piggy's documentation has it, is taken as one.",
    ),
    PiggyAnnotation(
        key=keys.PIGGY_ADDRESS,
        effect="Unless empty, the broker reads for the pod. It makes piggy:NAME a reference.",
    ),
    PiggyAnnotation(
        key=keys.PIGGY_STANDALONE,
        default="false",
        effect="The injected container reads with the role that the author's own AWS variables name.",
    ),
    PiggyAnnotation(
        key=keys.PIGGY_IGNORE_NO_ENV,
        default="false",
        effect="What cannot be resolved stays as it was written, variable by variable; the others are set. For what "
        "cannot be reached the pod waits.",
    ),
    PiggyAnnotation(
        key=keys.PIGGY_INITIAL_DELAY,
        effect="A pause before the first read, for example 500ms or 1m30s, a day at most: the pod's start may take as "
        "much longer.",
    ),
    PiggyAnnotation(
        key=keys.PIGGY_NUMBER_OF_RETRY,
        default="0",
        effect="After so many tries without an answer the container ends, says why, and is started again by the "
        "kubelet; 0: the pod waits.",
    ),
    PiggyAnnotation(
        key=keys.PIGGY_NAME_PREFIX,
        effect="Where neither secret nor path is named, the secret is PREFIXNAMESPACE/SERVICEACCOUNTSUFFIX.",
    ),
    PiggyAnnotation(key=keys.PIGGY_NAME_SUFFIX, effect="See piggy-default-secret-name-prefix."),
    PiggyAnnotation(
        key=keys.PIGGY_ENFORCE_INTEGRITY,
        default="true",
        effect="For piggy-env images that are still in pods: the broker checks their command's hash.",
    ),
    PiggyAnnotation(
        key=keys.PIGGY_ENFORCE_SERVICE_ACCOUNT,
        default="false",
        on_pod=False,
        effect="The broker's variable, which does nothing on the webhook: by the broker's shared role no secret is "
        "read that does not name the service account in PIGGY_ALLOWED_SA. A pod cannot lift it.",
    ),
    PiggyAnnotation(key=keys.PIGGY_CPU_REQUEST, default="50m", effect=_RESOURCE),
    PiggyAnnotation(key=keys.PIGGY_MEMORY_REQUEST, default="64Mi", effect=_RESOURCE),
    PiggyAnnotation(key=keys.PIGGY_CPU_LIMIT, default="200m", effect=_RESOURCE),
    PiggyAnnotation(key=keys.PIGGY_MEMORY_LIMIT, default="64Mi", effect=_RESOURCE),
    PiggyAnnotation(
        key=keys.PIGGY_IMAGE_PULL_SECRET,
        effect="A pull secret for the look-up of the image's entrypoint.",
    ),
    PiggyAnnotation(key=keys.PIGGY_IMAGE_PULL_SECRET_NAMESPACE, effect="Where that pull secret is."),
    PiggyAnnotation(
        key=keys.PIGGY_DEBUG,
        default="false",
        effect="The injected container logs more: what it asks of whom, and how long that took; never a value.",
    ),
    PiggyAnnotation(
        key=keys.PIGGY_ENV_IMAGE,
        read=False,
        effect="Nothing: the operator says with --image what is injected.",
    ),
    PiggyAnnotation(
        key=keys.PIGGY_ENV_IMAGE_PULL_POLICY,
        default="Always",
        read=False,
        effect="Nothing: the operator says with --pull-policy how it is pulled.",
    ),
    PiggyAnnotation(
        key=keys.PIGGY_ALLOW_PRIVILEGE_ESCALATION,
        default="false",
        read=False,
        effect="Nothing: the injected container keeps to the restricted profile.",
    ),
    PiggyAnnotation(
        key=keys.PIGGY_DNS_RESOLVER,
        read=False,
        effect="Nothing: names are resolved as in every other container.",
    ),
    PiggyAnnotation(
        key=keys.PIGGY_SKIP_VERIFY_REGISTRY,
        default="true",
        read=False,
        effect="Nothing: a registry's certificate is always verified; what it says is what the pod will run.",
    ),
    PiggyAnnotation(
        key=keys.PIGGY_SKIP_VERIFY_TLS,
        default="true",
        read=False,
        has_variable=False,
        effect="Nothing: the broker's certificate is always verified, by the CA that the webhook hands on.",
    ),
    PiggyAnnotation(
        key=keys.PIGGY_UID,
        read=False,
        has_variable=False,
        effect="Nothing at admission: piggy's webhook wrote it for piggy-env images that are still in pods.",
    ),
)
BY_KEY: Mapping[str, PiggyAnnotation] = {row.key: row for row in PIGGY_ANNOTATIONS}
