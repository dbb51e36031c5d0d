"""What is wrong with this pod, or has to be known before it runs?

Pure. The verdict is the webhook's own: what it would deny is an error, what it would warn of a warning. Only what no
review can see is said here: a reference in a pod that asks for nothing, or where a label alone looks for none, in a
Secret, an entrypoint that only a registry knows, a plan that is too long.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from contract.annotations import ENABLED_LABEL, SECRETS
from ctl.look_ups import ASSUMED
from ctl.origins import Kind, origins, origins_of
from ctl.render import Rendering
from secretenv.references import MalformedReferenceError, PiggySource, Syntax, parse
from webhook import pod as pods
from webhook.account_cache import account_key
from webhook.decision import Injection, SecretsInjection
from webhook.secrets.look_ups import Missing
from webhook.secrets.piggy import stays_text
from webhook.shape import shape_problem

Severity = Literal["error", "warning", "note"]
KnownTexts = Mapping[Kind, Mapping[str, Mapping[str, str] | Missing]]
"""The texts of the objects among the files, by kind and NAMESPACE/NAME."""
# Any source will do to see whether a text would be a reference.
_ANY = Syntax(ours=True, arns=False, piggy=PiggySource(secret_name="any"))  # noqa: S106 - the name of a secret
# Of all annotations of an object together: ValidateAnnotationsSize in Kubernetes' apimachinery.
_ANNOTATIONS_LIMIT = 256 * 1024


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about a pod; never with a value."""

    severity: Severity
    text: str


def findings(one: Rendering, texts: KnownTexts) -> tuple[Finding, ...]:
    """Everything, the worst first."""
    told = (Finding("warning", text) for text in one.warnings)
    found = [*_errors(one, texts), *told, *_unasked(one, texts), *_unknown_entrypoints(one), *_notes(one)]
    order: tuple[Severity, ...] = ("error", "warning", "note")
    return tuple(sorted(found, key=lambda finding: order.index(finding.severity)))


def _errors(one: Rendering, texts: KnownTexts) -> Iterator[Finding]:
    if one.denial:
        yield from (Finding("error", message) for message in (one.denial.message, *one.denial.also))
    delivered = _delivered(one)
    if delivered is None:
        return
    annotations = pods.annotations(one.subject.pod)
    size = sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())
    if size > _ANNOTATIONS_LIMIT:
        yield Finding(
            "error", f"its annotations have {size} bytes, and Kubernetes takes {_ANNOTATIONS_LIMIT}: shorten them"
        )
    yield from _malformed_in_secrets(one, delivered, texts)


def _malformed_in_secrets(one: Rendering, delivered: SecretsInjection, texts: KnownTexts) -> Iterator[Finding]:
    """The webhook reads no Secret: the pod would find out when it starts."""
    if one.is_asked_by_label_alone:
        return
    for kind, name in dict.fromkeys(origins(one.subject.pod)):
        if kind != "Secret":
            continue
        for key, text in _known(texts, kind, one.subject.namespace, name).items():
            try:
                parse(text, delivered.plan.syntax)
            except MalformedReferenceError as exc:
                yield Finding("error", f"Secret {name}, key {key}: the reference is malformed: {exc}")


def _unasked(one: Rendering, texts: KnownTexts) -> Iterator[Finding]:
    """References in a pod that the webhook never sees, or where it looks for none: the application starts with them."""
    if not (one.unlabelled or one.is_asked_by_label_alone) or shape_problem(one.subject.pod):
        return
    if pods.annotations(one.subject.pod).get(SECRETS) == "false":
        return  # switched off by hand
    decision = one.mutation.decision
    skipped = decision.skip_containers if isinstance(decision, Injection) else frozenset[str]()
    for _, _, container in pods.application_containers(one.subject.pod, skipped):
        if one.unlabelled:
            for entry in container.get("env") or ():
                told = stays_text(f"container {container['name']}: variable {entry.get('name')}") in one.warnings
                if not told and _may_refer(entry.get("value")):
                    yield _seen_by_nobody(f"container {container['name']}, variable {entry.get('name')}", one)
        for origin in dict.fromkeys(origins_of(container)):
            for key, text in _known(texts, origin.kind, one.subject.namespace, origin.name).items():
                if origin.key in (None, key) and _may_refer(text):
                    yield _seen_by_nobody(f"container {container['name']}, {origin.kind} {origin.name}, key {key}", one)


def _known(texts: KnownTexts, kind: Kind, namespace: str, name: str) -> Mapping[str, str]:
    found = texts[kind].get(account_key(namespace, name))
    return found if isinstance(found, Mapping) else {}


def _seen_by_nobody(place: str, one: Rendering) -> Finding:
    why = (
        f"the pod asks for none: the application would see this text; set the annotation {SECRETS} to true, the label "
        f"{ENABLED_LABEL}, or piggy's annotations"
        if one.unlabelled
        else "by the label alone nobody looks into ConfigMaps and Secrets: the application would see this text; set "
        f"the annotation {SECRETS} to true, or piggy's annotations"
    )
    return Finding(
        "warning",
        f"{place}: it looks like a reference, and {why}; where the webhook's variables name piggy's source, give them "
        "here with --piggy-env",
    )


def _may_refer(text: object) -> bool:
    try:
        template = parse(text, _ANY) if isinstance(text, str) else None
    except MalformedReferenceError:
        return True
    return template is not None and bool(template.references)


def _unknown_entrypoints(one: Rendering) -> Iterator[Finding]:
    """Whether the pod is let in is then the registry's answer: a check that shall be strict must not pass."""
    delivered = _delivered(one)
    for container in delivered.containers if delivered else ():
        if container.command and set(ASSUMED.entrypoint) & set(container.command):
            image = next(each["image"] for each in _containers(one) if each["name"] == container.name)
            yield Finding(
                "warning",
                f"container {container.name} has no command, and what {image} starts is not looked up offline: the "
                "webhook asks its registry, and denies the pod where that does not tell; kubectl token-injector "
                f"entrypoint {image} --container {container.name} prints the annotation that says it",
            )


def _notes(one: Rendering) -> Iterator[Finding]:
    for name in one.unknown_config_maps:
        yield Finding(
            "note",
            f"ConfigMap {name} is in none of the files, so that the references in it are not known here: give it with "
            "-f, or ask a cluster with --live",
        )
    delivered = _delivered(one)
    if delivered is None:
        return
    if delivered.plan.broker and not _has_role(one):
        account = account_key(one.subject.namespace, pods.service_account_name(one.subject.pod))
        yield Finding(
            "note",
            f"the broker reads with its shared role, as service account {account} has none: whether a grant of the "
            "broker's --grants allows it these secrets is not known here",
        )
    for plan in delivered.plan.containers:
        if plan.copied or plan.own_environment:
            yield Finding(
                "note", f"container {plan.name} has variables that nobody knows before it runs: their references are "
                "looked at when it starts"
            )  # fmt: skip


def _delivered(one: Rendering) -> SecretsInjection | None:
    decision = one.mutation.decision
    return decision.secrets if isinstance(decision, Injection) else None


def _has_role(one: Rendering) -> bool:
    decision = one.mutation.decision
    return isinstance(decision, Injection) and decision.web_identity is not None


def _containers(one: Rendering) -> Iterator[Mapping[str, str]]:
    return (container for _, _, container in pods.application_containers(one.subject.pod))
