"""Decide and transform in one step: what the server does to a pod, and what `kubectl token-injector inject` shows.

Pure: a pod, its service account's annotations and the settings in, operations and words out; what secrets need beside
that is looked up through two Protocols.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from webhook.advise import advise
from webhook.decide import asks_for_nothing, decide
from webhook.decision import Decision, EphemeralInjection, Injection, Skip
from webhook.ephemeral import decide_ephemeral, transform_ephemeral
from webhook.patch import Operation
from webhook.pod import Pod
from webhook.secrets.look_ups import OFFLINE, LookUps
from webhook.secrets.piggy import left_as_text
from webhook.settings import Settings
from webhook.transform import transform


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """A decision and what follows from it."""

    decision: Decision | EphemeralInjection
    patch: list[Operation] = field(default_factory=list)
    warnings: tuple[str, ...] = ()


def mutate(
    pod: Pod,
    namespace: str,
    account: Mapping[str, str] | None,
    settings: Settings,
    *,
    seed: str,
    look_ups: LookUps = OFFLINE,
) -> Mutation:
    """What happens to this pod of this namespace; see `decide` for the parameters."""
    unasked = mutate_unasked(pod, settings)
    if unasked:
        return unasked
    decision = decide(pod, namespace, account, settings, seed=seed, look_ups=look_ups)
    match decision:
        case Injection():
            warnings = (*decision.warnings, *advise(pod, decision, settings))
            return Mutation(decision=decision, patch=transform(pod, decision, settings), warnings=warnings)
        case Skip():
            return Mutation(decision=decision, warnings=decision.warnings)
        case _:
            return Mutation(decision=decision)


def mutate_unasked(pod: Pod, settings: Settings) -> Mutation | None:
    """What the pod alone decides, before a service account is looked up; None where it has to be.

    A pod without our label that asks for nothing is sent where the webhook's variables may be its source. Those that
    this replica does not have (yet) leave it with piggy's texts, and somebody has to say so.
    """
    skip = asks_for_nothing(pod, settings)
    if skip is None:
        return None
    return Mutation(decision=skip, warnings=tuple(left_as_text(pod)) if skip.reason == "no_label" else ())


def mutate_ephemeral(pod: Pod, old: Pod, namespace: str, settings: Settings) -> Mutation:
    """What happens to the ephemeral containers that this running pod has and `old` has not."""
    decision = decide_ephemeral(pod, old, namespace, settings)
    match decision:
        case EphemeralInjection():
            patch = transform_ephemeral(pod, decision, settings)
            return Mutation(decision=decision, patch=patch, warnings=decision.warnings)
        case Skip():
            return Mutation(decision=decision, warnings=decision.warnings)
        case _:
            return Mutation(decision=decision)
