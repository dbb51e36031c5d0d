"""What does the pod ask for, and how?

Pure: annotations and settings in, one frozen `Asked` out. No annotation about secrets is read after this. A pod asks

| by | for references | in variables |
|---|---|---|
| annotation `secrets: "true"` or `"arns"` | ours | of the pod, of ConfigMaps and of Secrets |
| a source of piggy's, from the pod or the webhook | piggy's | the same |
| the label `enabled` | ours | of the pod; where another line holds too, as it says |

`secrets: "false"` switches ours off. A label must not bring a look-up to pods that use Secrets as they always did.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from contract import annotations as keys
from contract.secrets import FILES_PATH
from secretenv.piggy import PiggyConfig, PiggyError
from secretenv.references import Syntax
from webhook import pod as pods
from webhook import values
from webhook.decision import BAD_REQUEST
from webhook.entrypoint.manifest import Entrypoint
from webhook.pod import Pod
from webhook.precedence import Annotations
from webhook.secrets.near import warn_of_near
from webhook.secrets.piggy import left_as_text, may_configure, place_of, read_piggy
from webhook.secrets.piggy_variables import with_version
from webhook.secrets.refused import RefusedError
from webhook.secrets.restore import may_refer, texts_of_variables
from webhook.secrets.values import WantedRotation, entrypoint, is_file_name, rotation
from webhook.settings import Settings
from webhook.values import SecretDelivery, SecretIdentity

_NOBODY: frozenset[str] = frozenset()
# What our annotations about secrets begin with.
_ABOUT_SECRETS = (f"{keys.PREFIX}secret", keys.ENTRYPOINT_PREFIX)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the pod's author chose."""

    syntax: Syntax
    is_explicit: bool
    """Whether what comes from ConfigMaps and Secrets is looked at too."""
    warns_of_ours: bool
    """Whether our references, where they are none, were not switched off by hand."""
    delivery: SecretDelivery
    identity: SecretIdentity
    piggy: PiggyConfig | None
    rotation: WantedRotation
    rotation_interval: int
    metrics_port: int | None
    """None: nobody is to be told how they fare."""
    files: Mapping[str, str] = field(repr=False)
    """By name, their texts."""
    files_path: str
    keeps_unresolved: bool
    entrypoints: Mapping[str, Entrypoint]
    """By container, those that the author wrote down."""
    region: str | None
    """Of the pod and the settings; a container may say another."""


def may_ask(pod: Pod, settings: Settings) -> bool:
    """Whether a pod without our label may ask for anything: cheap, and never wrongly no."""
    return keys.SECRETS in pods.annotations(pod) or may_configure(pods.annotations(pod), settings.secrets.piggy)


def read_asked(pod: Pod, gathered: Annotations, settings: Settings, *, is_labelled: bool) -> Asked | None:
    """What the pod asks for; None where it asks for nothing. Raises `AnnotationError` and `RefusedError`."""
    switch = gathered.value(keys.SECRETS, values.secrets_switch, None)
    piggy = read_piggy(pods.annotations(pod), settings.secrets.piggy, gathered)
    ours = switch in ("true", "arns") or (switch is None and is_labelled)
    if not ours and piggy is None:
        for warning in left_as_text(pod):
            gathered.warn(warning)
        return None
    if piggy:
        piggy = _with_version(piggy, pod, gathered)
    syntax = Syntax(ours=ours, arns=switch == "arns", piggy=piggy.source if piggy else None)
    texts = texts_of_variables(pod)
    # Applications in pods with a role read secrets themselves: an ARN is a plain setting there.
    warn_of_near(pod, texts, syntax, gathered, tells_of_arns=switch == "true")
    if piggy is None and not gathered.has_any(_ABOUT_SECRETS) and not may_refer(pod, texts):
        return None  # most labelled pods
    default_identity: SecretIdentity = "broker" if piggy and piggy.address and not piggy.standalone else "direct"
    unresolved = gathered.value(keys.SECRET_UNRESOLVED, values.secret_unresolved, None)
    return Asked(
        syntax=syntax,
        is_explicit=switch in ("true", "arns") or piggy is not None,
        warns_of_ours=switch is None and not ours,
        delivery=gathered.value(keys.SECRET_DELIVERY, values.secret_delivery, settings.secrets.delivery),
        identity=gathered.value(keys.SECRET_IDENTITY, values.secret_identity, default_identity),
        piggy=piggy,
        rotation=gathered.value(keys.SECRET_ROTATION, rotation, WantedRotation("none")),
        rotation_interval=gathered.value(
            keys.SECRET_ROTATION_INTERVAL, values.rotation_interval, settings.secrets.rotation_interval
        ),
        metrics_port=gathered.value(keys.SECRET_METRICS_PORT, values.metrics_port, None),
        files=_files(gathered),
        files_path=gathered.value(keys.SECRET_FILES_PATH, values.volume_path, FILES_PATH),
        keeps_unresolved=unresolved == "keep" or (unresolved is None and piggy is not None and piggy.ignore_unresolved),
        entrypoints=_entrypoints(pod, gathered),
        region=_region(pod, gathered, piggy, settings),
    )


def is_asked_by_label_alone(pod: Pod, namespace: str, settings: Settings) -> bool:
    """Whether references of a labelled pod are looked for in its own variables only. Raises `RefusedError`."""
    annotations = pods.annotations(pod)
    gathered = Annotations(pod, namespace, {})
    return keys.SECRETS not in annotations and read_piggy(annotations, settings.secrets.piggy, gathered) is None


def _with_version(piggy: PiggyConfig, pod: Pod, gathered: Annotations) -> PiggyConfig:
    skipped = gathered.value(keys.SKIP_CONTAINERS, values.container_names, _NOBODY)
    try:
        return with_version(piggy, pod, skipped)
    except PiggyError as exc:
        raise RefusedError("bad_annotation", f"{gathered.pod_place}: {exc}", BAD_REQUEST) from exc


def _region(pod: Pod, gathered: Annotations, piggy: PiggyConfig | None, settings: Settings) -> str | None:
    """The annotation of piggy's is about the secrets alone, so that ours wins over it only on the same pod."""
    ours = gathered.value(keys.REGION, values.region, None)
    of_piggy = piggy.region if piggy else ""
    annotations = pods.annotations(pod)
    if ours and (keys.REGION in annotations or keys.PIGGY_REGION not in annotations):
        return ours
    if not of_piggy:
        return ours or settings.region
    try:
        return values.region(of_piggy)
    except ValueError as exc:
        raise RefusedError(
            "bad_annotation",
            f"{gathered.pod_place}: {place_of(keys.PIGGY_REGION, annotations)}: {of_piggy!r} is not valid: {exc}",
            BAD_REQUEST,
        ) from exc


def _files(gathered: Annotations) -> Mapping[str, str]:
    names = gathered.named(keys.SECRET_FILE_PREFIX)
    for name in names:
        if not is_file_name(name):
            raise RefusedError(
                "bad_annotation",
                f"{gathered.source(keys.SECRET_FILE_PREFIX + name)}: no file can be called so: expected a name of "
                "A-Z a-z 0-9 _ . - that does not begin with ..",
                BAD_REQUEST,
            )
    return {name: gathered.value(keys.SECRET_FILE_PREFIX + name, str, "") for name in names}


def _entrypoints(pod: Pod, gathered: Annotations) -> Mapping[str, Entrypoint]:
    found: dict[str, Entrypoint] = {}
    names = gathered.named(keys.ENTRYPOINT_PREFIX)
    present = {container["name"] for _, _, container in pods.application_containers(pod)} if names else set()
    for name in names:
        if name not in present:
            gathered.warn(f"{keys.ENTRYPOINT_PREFIX}{name} names no container of the pod")
        written = gathered.value(keys.ENTRYPOINT_PREFIX + name, entrypoint, None)
        if written:
            found[name] = written
    return found
