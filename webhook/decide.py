"""Inject, skip or deny, and why?

Pure: pod, service account's annotations and settings in, one frozen decision out. What `transform` needs to know
stands in the `Injection`; no annotation is read after this.
"""

from collections.abc import Mapping

from contract import annotations as keys
from webhook import pod as pods
from webhook import session_name, values
from webhook.decision import BAD_REQUEST, Decision, Deny, Injection, Shape, Skip
from webhook.pod import Pod
from webhook.precedence import AnnotationError, Annotations
from webhook.refuse import refusal
from webhook.settings import Resources, Settings
from webhook.values import Mode, StsRegionalEndpoints

GOOGLE_TOKEN_LIFETIME = 3600


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


def decide(pod: Pod, namespace: str, account: Mapping[str, str] | None, settings: Settings, *, seed: str) -> Decision:
    """The decision about a pod of this namespace whose service account carries these annotations; None: there is none.

    Precedence of every value: pod annotation > service account annotation > setting; of two keys on one object ours
    wins over EKS's. `seed` is drawn upon for the session name: the review's uid.
    """
    skip = opted_out(pod)
    if skip:
        return skip
    gathered = Annotations(pod, namespace, account or {})
    label = pods.labels(pod)[keys.ENABLED_LABEL]
    if label.lower() != "true":
        gathered.warn(f'label {keys.ENABLED_LABEL}: {label!r} is neither "true" nor "false": taken as "true"')
    try:
        role_arn = gathered.value(keys.ROLE_ARN, values.role_arn, None)
        if role_arn is None:
            return _no_role(gathered, settings, exists=account is not None)
        injection = _injection(gathered, pod, role_arn, settings, seed)
    except AnnotationError as exc:
        return Deny(reason="bad_annotation", message=str(exc), code=BAD_REQUEST)
    return refusal(pod, injection, settings, gathered) or injection


def _no_role(gathered: Annotations, settings: Settings, *, exists: bool) -> Decision:
    has = "has" if exists else "does not exist, so it has"
    missing = f"{gathered.account_place} {has} no annotation {keys.ROLE_ARN}"
    if settings.missing_role == "deny":
        fix = "annotate it with the role's ARN" if exists else "create it, annotated with the role's ARN"
        return Deny(reason="no_role", message=f"{missing}: {fix}, or remove the pod's label {keys.ENABLED_LABEL}")
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
        resources=_resources(gathered, settings.resources),
        warnings=tuple(gathered.warnings),
    )


def _session_name(gathered: Annotations, settings: Settings, seed: str) -> tuple[str, bool]:
    """The name, and whether it was drawn."""

    def rendered(text: str) -> tuple[str, bool]:
        template = values.session_name_template(text)
        if "{cluster}" in template and not settings.cluster_name:
            raise ValueError(
                "the webhook knows no cluster name: leave {cluster} out, or ask its operator to set --cluster-name"
            )
        name, was_cut = session_name.render(
            template, namespace=gathered.namespace, service_account=gathered.account_name, cluster=settings.cluster_name
        )
        if len(name) < session_name.SHORTEST:
            raise ValueError(
                f"expected a template that gives at least 2 characters, as STS requires; it gives {name!r}"
            )
        return name, was_cut

    found = gathered.value(keys.SESSION_NAME, rendered, None)
    if found is None and settings.session_name is None:
        return session_name.default_session_name(seed), True
    try:
        name, was_cut = found or rendered(settings.session_name or "")
    except ValueError as exc:
        raise AnnotationError(
            f"{gathered.account_place}: the webhook's setting --session-name is not valid for it: {exc}; "
            f"set the annotation {keys.SESSION_NAME}"
        ) from exc
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
    if wanted == "native" or (wanted == "auto" and settings.has_native_sidecars):
        return "native"
    if mode == "google" and pods.runs_to_completion(pod):
        gathered.warn("the refresher is an ordinary sidecar here: it keeps this pod from completing; "
                      f"set {keys.REFRESHER} to none if an hour of credentials is enough")  # fmt: skip
    return "sidecar"


def _resources(gathered: Annotations, settings: Resources) -> Resources:
    resources = Resources(
        cpu_request=gathered.value(keys.CPU_REQUEST, values.quantity, settings.cpu_request),
        cpu_limit=gathered.value(keys.CPU_LIMIT, values.quantity_or_none, settings.cpu_limit),
        memory_request=gathered.value(keys.MEMORY_REQUEST, values.quantity, settings.memory_request),
        memory_limit=gathered.value(keys.MEMORY_LIMIT, values.quantity_or_none, settings.memory_limit),
    )
    if resources == settings:  # checked when the webhook started
        return resources
    for request_key, request, limit_key, limit in (
        (keys.CPU_REQUEST, resources.cpu_request, keys.CPU_LIMIT, resources.cpu_limit),
        (keys.MEMORY_REQUEST, resources.memory_request, keys.MEMORY_LIMIT, resources.memory_limit),
    ):
        if limit is not None and values.amount(limit) < values.amount(request):
            raise AnnotationError(
                f"{gathered.source(limit_key)}: the limit {limit!r} is less than the request {request!r} of "
                f"{gathered.source(request_key)}, and Kubernetes refuses such a container: "
                f"set {request_key} and {limit_key} so that the limit is not the smaller one"
            )
    return resources
