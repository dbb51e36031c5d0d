"""Inject, skip or deny, and why?

Pure: pod, service account's annotations and settings in, one frozen decision out; what has to be asked outside is asked
by the two Protocols of `LookUps`. What `transform` needs to know stands in the `Injection`; no annotation is read after
this.
"""

from collections.abc import Mapping

from contract import annotations as keys
from webhook import pod as pods
from webhook import values
from webhook.decision import BAD_REQUEST, Decision, Deny, Injection, Shape, Skip, WebIdentity
from webhook.pod import Pod
from webhook.precedence import AnnotationError, Annotations
from webhook.refuse import refusal
from webhook.secrets.asked import Asked, may_ask, read_asked
from webhook.secrets.decide import decide_secrets
from webhook.secrets.look_ups import OFFLINE, LookUps
from webhook.secrets.needs import Needs, read_needs
from webhook.secrets.refused import RefusedError
from webhook.secrets.resources import secrets_resources, written_at
from webhook.settings import Resources, Settings
from webhook.web_identity import web_identity

_RESOURCES = frozenset({keys.CPU_REQUEST, keys.CPU_LIMIT, keys.MEMORY_REQUEST, keys.MEMORY_LIMIT})


def opted_out(pod: Pod) -> Skip | None:
    """What the labels alone decide of the web identity, before a service account is looked up."""
    labels = pods.labels(pod)
    if keys.ENABLED_LABEL not in labels:
        return Skip(reason="no_label")
    if labels[keys.ENABLED_LABEL].lower() == "false":
        return Skip(reason="label_false")
    if keys.EKS_SKIP_LABEL in labels or keys.EKS_SKIP_LABEL in pods.annotations(pod):
        return Skip(reason="eks_skip_label")
    return None


def asks_for_nothing(pod: Pod, settings: Settings) -> Skip | None:
    """What the pod alone decides, before a service account is looked up; None where it has to be."""
    skip = opted_out(pod)
    return skip if skip and not may_ask(pod, settings) else None


def decide(
    pod: Pod,
    namespace: str,
    account: Mapping[str, str] | None,
    settings: Settings,
    *,
    seed: str,
    look_ups: LookUps = OFFLINE,
) -> Decision:
    """The decision about a pod of this namespace whose service account carries these annotations; None: there is none.

    Precedence of every value: pod annotation > service account annotation > setting; of two keys on one object ours
    wins over EKS's. `seed` is drawn upon for the session name: the review's uid.
    """
    skip = opted_out(pod)
    if skip and not may_ask(pod, settings):
        return skip
    gathered = Annotations(pod, namespace, account or {})
    label = pods.labels(pod).get(keys.ENABLED_LABEL, "")
    if not skip and label.lower() != "true":
        gathered.warn(f'label {keys.ENABLED_LABEL}: {label!r} is neither "true" nor "false": taken as "true"')
    try:
        asked = read_asked(pod, gathered, settings, is_labelled=skip is None)
        needs = read_needs(pod, gathered, asked, look_ups.config_maps)
        role_arn = gathered.value(keys.ROLE_ARN, values.role_arn, None)
        if needs is None and skip:
            return Skip(reason="no_reference" if asked else skip.reason, warnings=tuple(gathered.warnings))
        if needs is None and role_arn is None:
            return _no_role(gathered, settings, exists=account is not None)
        identity = web_identity(gathered, role_arn, settings, seed) if role_arn else None
        if not skip and identity is None:
            no_role = _no_role(gathered, settings, exists=account is not None)
            if isinstance(no_role, Deny):
                return no_role
            gathered.warnings = list(no_role.warnings)
        found = _injection(pod, gathered, asked, needs, identity, settings, look_ups, is_labelled=skip is None)
        if found is None:
            return Skip(reason="no_reference", warnings=tuple(gathered.warnings))
        return refusal(pod, found, settings, gathered) or found
    except AnnotationError as exc:
        return Deny(reason="bad_annotation", message=str(exc), code=BAD_REQUEST)
    except RefusedError as exc:
        return exc.deny


def _no_role(gathered: Annotations, settings: Settings, *, exists: bool) -> Decision:
    has = "has" if exists else "does not exist, so it has"
    missing = f"{gathered.account_place} {has} no annotation {keys.ROLE_ARN}"
    if settings.missing_role == "deny":
        fix = "annotate it with the role's ARN" if exists else "create it, annotated with the role's ARN"
        return Deny(reason="no_role", message=f"{missing}: {fix}, or remove the pod's label {keys.ENABLED_LABEL}")
    return Skip(
        reason="no_role", warnings=(*gathered.warnings, f"{missing}: the webhook gives the pod no AWS credentials")
    )


def _injection(
    pod: Pod,
    gathered: Annotations,
    asked: Asked | None,
    needs: Needs | None,
    identity: WebIdentity | None,
    settings: Settings,
    look_ups: LookUps,
    *,
    is_labelled: bool,
) -> Injection | None:
    """None where there is nothing to inject after all."""
    skip_containers = _skip_containers(gathered, pod)
    for_application = is_labelled and identity is not None
    keeps_running = is_labelled and identity is not None and identity.mode == "google"
    shape = _shape(gathered, pod, settings, keeps_running=keeps_running)
    secrets = None
    if asked and needs:
        secrets = decide_secrets(
            pod, needs, asked, identity, shape, settings, gathered, look_ups.entrypoints, is_labelled=is_labelled
        )
    if secrets is None and not for_application:
        return None
    is_used = for_application or (secrets is not None and secrets.own_identity is None)
    return Injection(
        web_identity=identity if is_used else None,
        for_application=for_application,
        secrets=secrets,
        skip_containers=skip_containers,
        shape=shape,
        resources=_resources(gathered, settings, asked if secrets else None),
        warnings=tuple(gathered.warnings),
    )


def _skip_containers(gathered: Annotations, pod: Pod) -> frozenset[str]:
    nobody: frozenset[str] = frozenset()
    skipped = gathered.value(keys.SKIP_CONTAINERS, values.container_names, nobody)
    if not skipped:
        return skipped
    present = {container["name"] for which in pods.CONTAINER_LISTS for container in pods.containers(pod, which)}
    for name in sorted(skipped - present):
        gathered.warn(f"{keys.SKIP_CONTAINERS} names {name!r}, which is no container of the pod")
    return skipped


def _shape(gathered: Annotations, pod: Pod, settings: Settings, *, keeps_running: bool) -> Shape:
    """`keeps_running`: whether an ordinary sidecar would be one that refreshes tokens."""
    wanted = gathered.value(keys.REFRESHER, values.refresher, settings.refresher)
    if wanted == "none":
        return "init"
    if wanted == "native" or (wanted == "auto" and settings.has_native_sidecars):
        return "native"
    if keeps_running and pods.runs_to_completion(pod):
        gathered.warn("the refresher is an ordinary sidecar here: it keeps this pod from completing; "
                      f"set {keys.REFRESHER} to none if an hour of credentials is enough")  # fmt: skip
    return "sidecar"


def _resources(gathered: Annotations, settings: Settings, asked: Asked | None) -> Resources:
    """`asked`: of a container that delivers secrets, which needs more memory; what piggy's users wrote counts there."""
    if asked is None and gathered.is_silent_about(_RESOURCES):
        return settings.resources  # checked when the webhook started
    default = settings.resources if asked is None else secrets_resources(asked, settings, gathered)
    resources = Resources(
        cpu_request=gathered.value(keys.CPU_REQUEST, values.quantity, default.cpu_request),
        cpu_limit=gathered.value(keys.CPU_LIMIT, values.quantity_or_none, default.cpu_limit),
        memory_request=gathered.value(keys.MEMORY_REQUEST, values.quantity, default.memory_request),
        memory_limit=gathered.value(keys.MEMORY_LIMIT, values.quantity_or_none, default.memory_limit),
    )
    for request_key, request, limit_key, limit in (
        (keys.CPU_REQUEST, resources.cpu_request, keys.CPU_LIMIT, resources.cpu_limit),
        (keys.MEMORY_REQUEST, resources.memory_request, keys.MEMORY_LIMIT, resources.memory_limit),
    ):
        if limit is not None and values.amount(limit) < values.amount(request):
            limit_place = written_at(limit_key, limit, asked, gathered)
            request_place = written_at(request_key, request, asked, gathered)
            raise AnnotationError(
                f"{limit_place}: the limit {limit!r} is less than the request {request!r} of "
                f"{request_place}, and Kubernetes refuses such a container: "
                f"set {request_key} and {limit_key} so that the limit is not the smaller one"
            )
    return resources
