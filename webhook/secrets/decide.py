"""How do the pod's secrets get into its containers, or why can they not?

Pure but for the look-up of entrypoints that it is given. What the pod needs and what its author asked for in, one
frozen `SecretsInjection` out; nothing about secrets is decided after this.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contract import secrets
from secretenv.plan import ContainerPlan, Copied, Delivery, FilePlan, Plan, Variable, to_json
from webhook.decision import ContainerSecrets, SecretsInjection, Shape, WebIdentity
from webhook.env import INJECTED_VARIABLES, Entry
from webhook.pod import Pod
from webhook.precedence import Annotations
from webhook.secrets.asked import Asked
from webhook.secrets.command import Launched, launched
from webhook.secrets.delivery import choose_delivery
from webhook.secrets.identity import choose_reader
from webhook.secrets.look_ups import Entrypoints
from webhook.secrets.needs import ContainerNeeds, Needs
from webhook.secrets.refused import RefusedError
from webhook.secrets.staying import refuse_without_sidecar
from webhook.secrets.variables import may_be_absent
from webhook.settings import Settings

# Kubernetes' limit for a volume's name.
_LONGEST_NAME = 63
_HASH_DIGITS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class _Copies:
    """Entries for the injected container, and what they are in the application's."""

    env: tuple[Entry, ...] = ()
    env_from: tuple[Mapping[str, Any], ...] = ()
    copied: tuple[Copied, ...] = ()


def decide_secrets(
    pod: Pod,
    needs: Needs,
    asked: Asked,
    identity: WebIdentity | None,
    shape: Shape,
    settings: Settings,
    gathered: Annotations,
    entrypoints: Entrypoints,
) -> SecretsInjection | None:
    """The injection; None where there is nothing to deliver after all. Raises `RefusedError`."""
    chosen = [(one, choose_delivery(one, asked, shape, settings, gathered)) for one in needs.containers]
    served = [(one, delivery) for one, delivery in chosen if delivery is not None]
    if not served and not needs.files:
        return None
    refuse_without_sidecar(pod, asked, shape, gathered)
    if settings.refresher_program == "python":
        raise RefusedError(
            "no_launcher",
            f"{gathered.pod_place}: its secrets are delivered by the launcher, and the webhook was started with "
            "--refresher-program=python: ask its operator for --refresher-program=launcher",
        )
    reader = choose_reader(needs, asked, identity, settings, gathered)
    plans, containers, copies = [], [], []
    for index, (one, delivery) in enumerate(served):
        copy = _copies(one, index) if delivery == "env" else _Copies()
        copies.append(copy)
        start = None
        if delivery != "envfile":
            start = launched(one, delivery, pod, asked, settings, gathered, entrypoints)
        plans.append(_container_plan(one, delivery, copy, start, gathered))
        containers.append(_container(one, delivery, start))
    has_token = identity is not None and identity.mode == "google" and reader.own is None
    plan = Plan(
        syntax=asked.syntax,
        containers=tuple(plans),
        files=tuple(FilePlan(name=name, text=text) for name, text in asked.files.items()),
        files_directory=f"{secrets.INJECTOR_PATH}/{secrets.FILES_VOLUME}" if asked.files else "",
        broker=reader.broker,
        awaits_token=has_token,
        keeps_unresolved=asked.keeps_unresolved,
        rotation=asked.rotation.kind,
        rotation_interval=asked.rotation_interval,
        initial_delay=asked.piggy.initial_delay if asked.piggy else 0.0,
        attempts=asked.piggy.attempts if asked.piggy else 0,
    )
    _refuse_long(plan, gathered)
    return SecretsInjection(
        plan=plan,
        containers=tuple(containers),
        region=reader.region,
        own_identity=reader.own,
        copied_env=tuple(entry for copy in copies for entry in copy.env),
        copied_env_from=tuple(source for copy in copies for source in copy.env_from),
        is_debugged=asked.piggy is not None and asked.piggy.debug,
        files_path=asked.files_path if asked.files else "",
        metrics_port=asked.metrics_port,
    )


def volume_of(container: str) -> str:
    """The name of a container's volume; a hash where the container's own is too long."""
    name = secrets.VOLUME_PREFIX + container
    if len(name) <= _LONGEST_NAME:
        return name
    return secrets.VOLUME_PREFIX + hashlib.sha256(container.encode()).hexdigest()[:_HASH_DIGITS]


def _container_plan(
    one: ContainerNeeds, delivery: Delivery, copies: _Copies, start: Launched | None, gathered: Annotations
) -> ContainerPlan:
    texts = one.environment.known
    finds_references = delivery == "socket" and bool(one.hidden)
    escaped = one.escaped if finds_references else ()
    for name in escaped:
        if texts[name].unexpanded:
            raise RefusedError(
                "expansion",
                f"{gathered.pod_place}: container {one.name!r}, variable {name}: an escaped reference and "
                f"$({texts[name].unexpanded[0]}), which is known only when the container runs, cannot stand in one "
                "value beside variables from Secrets: write two variables",
            )
    return ContainerPlan(
        name=one.name,
        delivery=delivery,
        directory=f"{secrets.INJECTOR_PATH}/{volume_of(one.name)}",
        variables=tuple(
            Variable(name=name, text=texts[name].text)
            # What is escaped is listed where the launcher looks for references: $${ has become ${ there.
            for name in (*one.templates, *escaped)
            if delivery == "envfile" or not texts[name].overridable
        ),
        copied=copies.copied,
        own_environment=finds_references,
        started=start.started if start else None,
    )


def _container(one: ContainerNeeds, delivery: Delivery, start: Launched | None) -> ContainerSecrets:
    return ContainerSecrets(
        name=one.name,
        delivery=delivery,
        volume=volume_of(one.name),
        variables=() if start else tuple(one.templates),
        command=start.command if start else None,
        args=start.args if start else None,
    )


def _copies(one: ContainerNeeds, index: int) -> _Copies:
    """What comes from Secrets, under names that no two containers share.

    What is set in env, or by a later ConfigMap, wins over a whole Secret's key: an empty variable stands for it here,
    or the entry itself where it may turn out to set nothing.
    """
    before = f"{secrets.COPIED_PREFIX}{index}_"
    single = [hidden for hidden in one.hidden if not hidden.whole]
    whole = [hidden for hidden in one.hidden if hidden.whole]
    entries: dict[str, list[dict[str, Any]]] = {}
    if whole:
        known = one.environment.known.items()
        entries = {name: [_empty(before, name)] for name, text in known if text.index is None and not text.overridable}
        for entry in one.container.get("env") or ():
            name, origin = str(entry.get("name")), entry.get("valueFrom")
            # Whose these are cannot always be told in a second review, and no Secret refers in one.
            if name in INJECTED_VARIABLES:
                continue
            earlier = entries.get(name, []) if may_be_absent(origin) else []
            now = {"name": before + name, "valueFrom": origin} if may_be_absent(origin) else _empty(before, name)
            entries[name] = [*earlier, now]
    names = {hidden.name for hidden in single}
    own = [{"name": before + hidden.name, **hidden.source} for hidden in single]
    winning = [entry for name, each in entries.items() if name not in names for entry in each]
    return _Copies(
        env=(*own, *winning),
        env_from=tuple({"prefix": before + hidden.name, **hidden.source} for hidden in whole),
        copied=tuple(
            dict.fromkeys(
                Copied(name=hidden.name, environ=before + hidden.name, whole=hidden.whole)
                for hidden in (*single, *whole)
            )
        ),
    )


def _empty(before: str, name: str) -> dict[str, Any]:
    return {"name": before + name, "value": ""}


def _refuse_long(plan: Plan, gathered: Annotations) -> None:
    """No runtime could start the injected container, and nobody would be told why."""
    # JSON has no character beyond ASCII here. The launcher's sockets are shorter: they stand in the plan as well.
    size = len(f"{secrets.PLAN}={to_json(plan)}")
    if size >= secrets.VARIABLE_LIMIT:
        raise RefusedError(
            "delivery",
            f"{gathered.pod_place}: its references take {size} bytes in the injected "
            f"container's variable {secrets.PLAN}, and Linux takes {secrets.VARIABLE_LIMIT}: shorten them, or make "
            "two pods of it",
        )
