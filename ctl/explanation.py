"""What is injected into this pod, and why? Facts for people and programs.

Pure: the webhook's decision in, facts out. Nothing is decided here; why a delivery was chosen repeats the table of
webhook.secrets.delivery, and a test compares the two.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from contract import annotations as keys
from contract import pod as names
from contract.environ import AWS_ROLE_ARN
from contract.secrets import SECRETS_CONTAINER
from ctl.reads import Read, reads_of, sources_of
from ctl.render import Rendering
from policy.permission import ANYTHING, permission_policy
from secretenv.plan import ContainerPlan, Delivery, Plan
from secretenv.references import Source
from webhook import parts
from webhook import pod as pods
from webhook.decision import Injection, SecretsInjection, Skip
from webhook.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A variable or a file, and what it is made of."""

    name: str
    reads: tuple[Read, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerFacts:
    """A container of the application."""

    name: str
    delivery: Delivery
    because: str
    readers: str
    """Who sees the values."""
    variables: tuple[Target, ...]
    when_it_starts: bool
    """Whether more references may be found in variables that come from Secrets and unknown ConfigMaps."""
    command: tuple[str, ...]
    """What the container runs by the launcher; empty where its author's command stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything about one pod."""

    outcome: str
    because: str
    application_role: str = ""
    """The role whose web identity the application's containers get."""
    reader: str = ""
    role: str = ""
    """The role that reads the secrets; "" where nobody here knows it."""
    region: str = ""
    rotation: str = ""
    unresolved: str = ""
    container: str = ""
    """The injected one."""
    volumes: tuple[str, ...] = ()
    containers: tuple[ContainerFacts, ...] = ()
    files_path: str = ""
    files: tuple[Target, ...] = ()
    permissions: Mapping[str, Any] | None = None


# What is read, by the delivery: docs/secrets.md has the same.
_READERS: Mapping[Delivery, str] = {
    "envfile": "every process of the container, probes, hooks and kubectl exec among them; and root on the node",
    "socket": "the application and its children; other processes of the container do not have it in their environment, "
    "but can get it; and root on the node",
    "env": "the application and its children; other processes of the container do not have it in their environment, "
    "but can get it; and root on the node",
}


def explain(one: Rendering, settings: Settings) -> Facts:
    """The facts about one object's pod."""
    decision = one.mutation.decision
    if one.denial:
        return Facts(outcome="denied", because=one.denial.message)
    if not isinstance(decision, Injection):
        return Facts(outcome="unchanged", because=_SKIPPED[decision.reason] if isinstance(decision, Skip) else "")
    identity = decision.web_identity
    delivered = decision.secrets
    return Facts(
        outcome="injected",
        because=_asked_by(one.subject.pod),
        application_role=identity.role_arn if identity and decision.for_application else "",
        container=_container(decision),
        volumes=tuple(volume["name"] for volume in _volumes(decision, settings)),
        **(_secrets(one, decision, delivered, settings) if delivered else {}),
    )


def _secrets(one: Rendering, decision: Injection, delivered: SecretsInjection, settings: Settings) -> dict[str, Any]:
    plan, role = delivered.plan, _role(decision, delivered)
    region = delivered.region or ""
    containers = tuple(_facts(each, one, delivered, settings) for each in plan.containers)
    files = tuple(Target(name=each.name, reads=reads_of(each.text, plan, region)) for each in plan.files)
    return {
        "reader": _reader(plan, delivered, role),
        "role": role,
        "region": region,
        "rotation": _rotation(plan),
        "unresolved": "the variable keeps its text" if plan.keeps_unresolved else "the application does not start",
        "containers": containers,
        "files_path": delivered.files_path,
        "files": files,
        "permissions": _permissions(list(sources_of(plan)), role, region, rotates=plan.rotation != "none"),
    }


def _facts(plan: ContainerPlan, one: Rendering, delivered: SecretsInjection, settings: Settings) -> ContainerFacts:
    made = next(each for each in delivered.containers if each.name == plan.name)
    reads = [
        Target(name=each.name, reads=reads_of(each.text, delivered.plan, delivered.region or ""))
        for each in plan.variables
    ]
    return ContainerFacts(
        name=plan.name,
        delivery=plan.delivery,
        because="; ".join(_because(plan, one.subject.pod, delivered.plan, settings)),
        readers=_READERS[plan.delivery],
        variables=tuple(reads),
        when_it_starts=plan.own_environment or bool(plan.copied),
        command=made.command or (),
    )


def _because(plan: ContainerPlan, pod: Mapping[str, Any], whole: Plan, settings: Settings) -> Iterator[str]:
    """What decided between env files and the launcher, then between its socket and its env file."""
    floor = ".".join(map(str, settings.kubelet_version_floor or ())) or "not known"
    annotated = keys.SECRET_DELIVERY in pods.annotations(pod)
    asked = pods.annotations(pod).get(keys.SECRET_DELIVERY, settings.secrets.delivery)
    by_whom = f"annotation {keys.SECRET_DELIVERY}" if annotated else "the webhook's --secret-delivery"
    if plan.delivery == "envfile":
        yield (
            f"{by_whom} says so"
            if asked == "envfile"
            else (f"kubelets are {floor} or newer, which know env files (1.35), and no variable comes from a Secret")
        )
        return
    if whole.rotation in ("signal", "restart"):
        yield f"rotation by {whole.rotation} needs the launcher"
    elif asked == "launcher":
        yield f"{by_whom} says launcher"
    elif plan.own_environment or plan.copied:
        yield "variables come from Secrets, from unread ConfigMaps or of $(NAME), which only the launcher sees"
    elif not settings.has_env_files:
        yield f"kubelets may be {floor}, and env files need 1.35"
    else:
        yield "no env file can hold a variable of such a name"
    yield (
        "by the socket of the native sidecar"
        if plan.delivery == "socket"
        else "by an env file, since the injected container ends before the others start"
    )


def _reader(plan: Plan, delivered: SecretsInjection, role: str) -> str:
    if plan.broker:
        whose = "with the pod's own role" if role else "with its shared role, where a rule allows it"
        return f"the broker {plan.broker.address}, {whose}"
    if delivered.own_identity:
        return "the injected container, with the token that the container's author brought"
    return "the injected container, with the pod's role"


def _role(decision: Injection, delivered: SecretsInjection) -> str:
    if delivered.own_identity:
        written = (entry.get("value") for entry in delivered.own_identity.env if entry["name"] == AWS_ROLE_ARN)
        return str(next(written, None) or "")
    return decision.web_identity.role_arn if decision.web_identity else ""


def _rotation(plan: Plan) -> str:
    every = f", looked for every {plan.rotation_interval} s"
    match plan.rotation:
        case "none":
            return "none: a new version is seen when the container starts again"
        case "file":
            return f"files change when a secret does{every}"
        case "signal":
            return f"the application gets a signal when a secret changes{every}"
        case "restart":
            return f"the container is started again when a secret changes{every}"


def _container(decision: Injection) -> str:
    if not decision.has_container:
        return "none: the kubelet writes the token"
    match decision.shape, bool(decision.google):
        case "native", is_google:
            name = names.UPDATE_CONTAINER if is_google else SECRETS_CONTAINER
            return f"{name}, a native sidecar, first of the init containers; the others wait until all is in its place"
        case _, True:
            both = decision.shape == "sidecar" and decision.for_application
            return f"{names.GENERATE_CONTAINER}, the first init container, which ends" + (
                f"; and {names.UPDATE_CONTAINER}, an ordinary sidecar" if both else ""
            )
        case _:
            return f"{SECRETS_CONTAINER}, the first init container, which ends"


def _volumes(decision: Injection, settings: Settings) -> list[dict[str, Any]]:
    token = [parts.token_volume(decision.web_identity, settings)] if decision.web_identity else []
    return [*token, *parts.secrets_volumes(decision)]


def _asked_by(pod: Mapping[str, Any]) -> str:
    annotations = pods.annotations(pod)
    is_labelled = pods.labels(pod).get(keys.ENABLED_LABEL, "false").lower() != "false"
    asking = [f"the label {keys.ENABLED_LABEL}"] if is_labelled else []
    asking += [f"the annotation {keys.SECRETS}"] if annotations.get(keys.SECRETS, "false") != "false" else []
    asking += [f"the annotation {key}" for key in annotations if key in _SOURCES]
    return f"the pod has {' and '.join(asking)}" if asking else "variables of piggy's on the webhook name a source"


_SOURCES = (keys.PIGGY_SECRET_NAME, keys.PIGGY_PARAMETER_PATH, keys.PIGGY_ADDRESS, keys.PIGGY_STANDALONE)
_SKIPPED: Mapping[str, str] = {
    "no_label": f"it has neither the label {keys.ENABLED_LABEL}, nor an annotation that asks for secrets",
    "label_false": f"the label {keys.ENABLED_LABEL} says false",
    "eks_skip_label": f"it has {keys.EKS_SKIP_LABEL}",
    "no_reference": "nothing in it refers to a secret",
    "no_role": f"its service account has no annotation {keys.ROLE_ARN}, and nothing in it refers to a secret",
}


def _permissions(sources: list[Source], role: str, region: str, *, rotates: bool) -> Mapping[str, Any] | None:
    if not sources:
        return None
    arn = role.split(":")
    known = {"partition": arn[1], "account_id": arn[4]} if role.startswith("arn:") else {}
    return permission_policy(sources, region=region or ANYTHING, rotates=rotates, **known)
