"""Inject, skip or deny, and why?

Pure: pod, service account's annotations and settings in, one frozen decision out. What `transform` needs to know
stands in the `Injection`; no annotation is read after this.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from contract import annotations as keys
from webhook import pod as pods
from webhook import session_name, values
from webhook.pod import Pod
from webhook.precedence import AnnotationError, Annotations
from webhook.settings import Resources, Settings
from webhook.values import Mode, StsRegionalEndpoints

SkipReason = Literal["no_label", "label_false", "eks_skip_label", "no_role"]
DenyReason = Literal[
    "bad_annotation", "no_role", "host_network", "windows", "native_sidecar", "no_image", "mount_taken"
]
Shape = Literal["native", "sidecar", "init"]

# Kubernetes enables native sidecars by default from here on; an older kubelet runs one as an init container that
# never ends, and the pod with it.
NATIVE_SIDECAR_SINCE = (1, 29)
GOOGLE_TOKEN_LIFETIME = 3600
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


def opted_out(pod: Pod) -> Skip | None:
    """What the labels alone decide, before a service account is looked up."""
    labels = pods.labels(pod)
    if keys.ENABLED_LABEL not in labels:
        return Skip(reason="no_label")
    if labels[keys.ENABLED_LABEL].lower() == "false":
        return Skip(reason="label_false")
    if keys.EKS_SKIP_LABEL in labels or keys.EKS_SKIP_LABEL in pods.annotations(pod):
        return Skip(reason="eks_skip_label")
    return None


def decide(pod: Pod, namespace: str, account: Mapping[str, str], settings: Settings, *, seed: str) -> Decision:
    """The decision about a pod of this namespace whose service account carries these annotations.

    Precedence of every value: pod annotation > service account annotation > setting; of two keys on one object ours
    wins over EKS's. `seed` is drawn upon for the session name: the review's uid.
    """
    skip = opted_out(pod)
    if skip:
        return skip
    gathered = Annotations(pod, namespace, account)
    label = pods.labels(pod)[keys.ENABLED_LABEL]
    if label.lower() != "true":
        gathered.warn(f"label {keys.ENABLED_LABEL}: {label!r} is neither true nor false: taken as true")
    try:
        role_arn = gathered.value(keys.ROLE_ARN, values.role_arn, None)
        if role_arn is None:
            return _no_role(gathered, settings)
        injection = _injection(gathered, pod, role_arn, settings, seed)
    except AnnotationError as exc:
        return Deny(reason="bad_annotation", message=str(exc), code=BAD_REQUEST)
    return _refusal(pod, injection, settings) or injection


def _no_role(gathered: Annotations, settings: Settings) -> Decision:
    missing = f"{gathered.account_place} has no annotation {keys.ROLE_ARN}"
    if settings.missing_role == "deny":
        return Deny(
            reason="no_role",
            message=f"{missing}: annotate it with the role's ARN, or remove the pod's label {keys.ENABLED_LABEL}",
        )
    return Skip(reason="no_role", warnings=(*gathered.warnings, f"{missing}: the pod gets no AWS credentials"))


def _injection(gathered: Annotations, pod: Pod, role_arn: str, settings: Settings, seed: str) -> Injection:
    mode = gathered.value(keys.MODE, values.mode, settings.mode)
    audience = settings.audience if mode == "google" else settings.cluster_audience
    name, drawn = _session_name(gathered, settings, seed)
    region = gathered.value(keys.REGION, values.region, settings.region)
    return Injection(
        mode=mode,
        role_arn=role_arn,
        audience=gathered.value(keys.AUDIENCE, values.audience, audience),
        token_expiration=_token_expiration(gathered, mode, settings),
        region=region,
        sts_regional_endpoints=_sts_regional_endpoints(gathered, region, settings),
        session_name=name,
        session_name_drawn=drawn,
        skip_containers=_skip_containers(gathered, pod),
        shape=_shape(gathered, pod, mode, settings),
        volume_path=gathered.value(keys.VOLUME_PATH, values.volume_path, settings.volume_path),
        token_file=gathered.value(keys.TOKEN_FILE, values.token_file, settings.token_file),
        resources=Resources(
            cpu_request=gathered.value(keys.CPU_REQUEST, values.quantity, settings.resources.cpu_request),
            cpu_limit=gathered.value(keys.CPU_LIMIT, values.quantity_or_none, settings.resources.cpu_limit),
            memory_request=gathered.value(keys.MEMORY_REQUEST, values.quantity, settings.resources.memory_request),
            memory_limit=gathered.value(keys.MEMORY_LIMIT, values.quantity_or_none, settings.resources.memory_limit),
        ),
        warnings=tuple(gathered.warnings),
    )


def _session_name(gathered: Annotations, settings: Settings, seed: str) -> tuple[str, bool]:
    template = gathered.value(keys.SESSION_NAME, values.session_name_template, settings.session_name)
    if template is None:
        return session_name.default_session_name(seed), True
    if "{cluster}" in template and not settings.cluster_name:
        raise AnnotationError(
            f"annotation {keys.SESSION_NAME}: {template!r} uses {{cluster}}, and the webhook knows no cluster name: "
            "leave {cluster} out, or ask its operator to set --cluster-name"
        )
    name, was_cut = session_name.render(
        template, namespace=gathered.namespace, service_account=gathered.account_name, cluster=settings.cluster_name
    )
    if len(name) < session_name.SHORTEST:
        raise AnnotationError(
            f"annotation {keys.SESSION_NAME}: {template!r} gives {name!r}: STS takes no name under 2 characters"
        )
    if was_cut:
        gathered.warn(f"AWS_ROLE_SESSION_NAME is longer than 64 characters and was cut to {name}")
    return name, False


def _token_expiration(gathered: Annotations, mode: Mode, settings: Settings) -> int:
    seconds = gathered.value(keys.TOKEN_EXPIRATION, values.token_expiration, settings.token_expiration)
    if mode == "google" and gathered.has(keys.TOKEN_EXPIRATION) and seconds != GOOGLE_TOKEN_LIFETIME:
        gathered.warn(
            f"{keys.TOKEN_EXPIRATION} has no effect in google mode: Google fixes the life of its tokens at 3600 s"
        )
    return seconds


def _sts_regional_endpoints(
    gathered: Annotations, region: str | None, settings: Settings
) -> StsRegionalEndpoints | None:
    """The setting is meant for pods whose region is known; an annotation is meant as written."""
    default = settings.sts_regional_endpoints if region else None
    return gathered.value(keys.STS_REGIONAL_ENDPOINTS, values.sts_regional_endpoints, default)


def _skip_containers(gathered: Annotations, pod: Pod) -> frozenset[str]:
    nobody: frozenset[str] = frozenset()
    skipped = gathered.value(keys.SKIP_CONTAINERS, values.container_names, nobody)
    present = {container["name"] for which in pods.CONTAINER_LISTS for container in pods.containers(pod, which)}
    for name in sorted(skipped - present):
        gathered.warn(f"{keys.SKIP_CONTAINERS} names {name!r}, which is no container of the pod")
    return skipped


def _shape(gathered: Annotations, pod: Pod, mode: Mode, settings: Settings) -> Shape:
    wanted = gathered.value(keys.REFRESHER, values.refresher, settings.refresher)
    if wanted == "none":
        return "init"
    native = settings.kubelet_version_floor >= NATIVE_SIDECAR_SINCE
    if wanted == "native" or (wanted == "auto" and native):
        return "native"
    if mode == "google" and pods.runs_to_completion(pod):
        gathered.warn("the refresher is an ordinary sidecar here: it keeps this pod from completing; "
                      f"set {keys.REFRESHER} to none if an hour of credentials is enough")  # fmt: skip
    return "sidecar"


def _refusal(pod: Pod, injection: Injection, settings: Settings) -> Deny | None:
    """What makes an otherwise well-formed injection impossible."""
    if pods.is_windows(pod):
        return Deny(
            reason="windows",
            message="what is injected works on Linux nodes only: "
            f"remove the label {keys.ENABLED_LABEL} from Windows pods and give them credentials in another way",
        )
    taken = _taken_mount(pod, injection, settings)
    if taken or injection.mode == "cluster":
        return taken
    if pod["spec"].get("hostNetwork"):
        return Deny(
            reason="host_network",
            message="spec.hostNetwork is true: in google mode such a pod gets the node's Google identity, not its own; "
            f"set hostNetwork to false or the annotation {keys.MODE} to cluster",
        )
    if injection.shape == "native" and settings.kubelet_version_floor < NATIVE_SIDECAR_SINCE:
        floor = ".".join(map(str, settings.kubelet_version_floor))
        return Deny(
            reason="native_sidecar",
            message=f"annotation {keys.REFRESHER}: 'native' needs kubelets of 1.29 or newer, and this cluster may have "
            f"kubelets of {floor}: use auto or sidecar",
        )
    if not settings.image:
        return Deny(
            reason="no_image",
            message="google mode injects a container, and the webhook was started without --image: "
            "ask its operator to set it",
        )
    return None


def _taken_mount(pod: Pod, injection: Injection, settings: Settings) -> Deny | None:
    for _, _, container in pods.application_containers(pod, injection.skip_containers):
        for mount in container.get("volumeMounts") or ():
            if mount.get("mountPath") == injection.volume_path and mount.get("name") != settings.volume_name:
                return Deny(
                    reason="mount_taken",
                    message=f"container {container['name']!r} mounts volume {mount.get('name')!r} at "
                    f"{injection.volume_path}, where the token goes: mount it elsewhere, or set the annotation "
                    f"{keys.VOLUME_PATH}",
                )
    return None
