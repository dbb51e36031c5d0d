"""How do the pod's secrets get into its containers, or why can they not?

Pure but for the look-up of entrypoints that it is given. What the pod needs and what its author asked for in, one
frozen `SecretsInjection` out; nothing about secrets is decided after this.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from contract import secrets
from secretenv.plan import ContainerPlan, Delivery, FilePlan, Joined, Plan, Variable, to_json
from webhook.decision import ContainerSecrets, SecretsInjection, Shape, WebIdentity
from webhook.env import INJECTED_VARIABLES, Entry
from webhook.pod import Pod
from webhook.precedence import Annotations
from webhook.secrets.asked import Asked
from webhook.secrets.command import Launched, launched, refuse_expansions
from webhook.secrets.delivery import choose_delivery
from webhook.secrets.expansion import renamed
from webhook.secrets.identity import choose_reader
from webhook.secrets.look_ups import Entrypoints
from webhook.secrets.needs import ContainerNeeds, Needs
from webhook.secrets.refused import Refusals, RefusedError
from webhook.secrets.staying import refuse_without_sidecar
from webhook.settings import Settings

# Kubernetes' limit for a volume's name.
_LONGEST_NAME = 63
_HASH_DIGITS = 16
# A day in seconds: the launcher sleeps no longer.
_LONGEST_DELAY = 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Copies:
    """The application's variables, for the injected container."""

    prefix: str = ""
    """Of all their names."""
    env: tuple[Entry, ...] = ()
    env_from: tuple[Mapping[str, Any], ...] = ()


def decide_secrets(
    pod: Pod,
    needs: Needs,
    asked: Asked,
    identity: WebIdentity | None,
    shape: Shape,
    settings: Settings,
    gathered: Annotations,
    entrypoints: Entrypoints,
    *,
    is_labelled: bool,
) -> SecretsInjection | None:
    """The injection; None where there is nothing to deliver after all. Raises `RefusedError`."""
    refusals = Refusals()
    served: list[tuple[ContainerNeeds, Delivery]] = []
    for one in needs.containers:
        with refusals.collected():
            chosen = choose_delivery(one, asked, shape, settings, gathered)
            served += [(one, chosen)] if chosen else []
    refusals.raise_first()
    if not served and not needs.files:
        return None
    with refusals.collected():
        refuse_without_sidecar(pod, [one for one, _ in served], asked, shape, gathered)
    if settings.refresher_program == "python":
        raise RefusedError(
            "no_launcher",
            f"{gathered.pod_place}: its secrets are delivered by the launcher, and the webhook was started with "
            "--refresher-program=python: ask its operator for --refresher-program=launcher",
        )
    with refusals.collected():
        reader = choose_reader(needs, asked, identity, settings, gathered, is_labelled=is_labelled)
    for one, delivery in served:
        with refusals.collected():
            if delivery != "envfile":
                refuse_expansions(one, gathered)
    refusals.raise_first()
    # No registry is asked for a pod that is denied anyway, and after one that is silent no other.
    plans, containers, copies = [], [], []
    for index, (one, delivery) in enumerate(served):
        copy = _copies(one, index) if delivery == "env" and one.is_unseen else _Copies()
        copies.append(copy)
        start = None
        if delivery != "envfile":
            start = launched(one, delivery, pod, asked, settings, gathered, entrypoints)
        plans.append(_container_plan(one, delivery, copy, start, gathered))
        containers.append(_container(one, delivery, start))
    plan = Plan(
        syntax=asked.syntax,
        containers=tuple(plans),
        files=tuple(FilePlan(name=name, text=text) for name, text in asked.files.items()),
        files_directory=f"{secrets.INJECTOR_PATH}/{secrets.FILES_VOLUME}" if asked.files else "",
        broker=reader.broker,
        keeps_unresolved=asked.keeps_unresolved,
        rotation=asked.rotation.kind,
        rotation_interval=asked.rotation_interval,
        initial_delay=min(asked.piggy.initial_delay, _LONGEST_DELAY) if asked.piggy else 0.0,
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
    finds_references = delivery != "envfile" and one.is_unseen
    escaped = one.escaped if finds_references else ()
    for name in escaped:
        if texts[name].unexpanded:
            raise RefusedError(
                "expansion",
                f"{gathered.pod_place}: container {one.name!r}, variable {name}: an escaped reference and "
                f"$({texts[name].unexpanded[0]}), which is known only when the container runs, cannot stand in one "
                "value beside variables that are known only then: write two variables",
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
        copied=copies.prefix,
        own_environment=finds_references and delivery == "socket",
        joined=tuple(_joined(one)) if finds_references else (),
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


def _joined(one: ContainerNeeds) -> Iterator[Joined]:
    """Variables into which the kubelet puts texts that may be references: what comes of two is neither."""
    names: dict[str, dict[str, None]] = {}
    for each in one.environment.expanded:
        if not each.is_reference:
            names.setdefault(each.variable, {})[each.name] = None
    return (Joined(name=name, of=tuple(of)) for name, of in names.items())


def _copies(one: ContainerNeeds, index: int) -> _Copies:
    """All that the container will have, so that the kubelet puts the same together, under names of its own.

    A file that is only there later is not read. A web identity's variables are left out: whose these are cannot always
    be told in a second review, and none of them refers to a secret.
    """
    prefix = f"{secrets.COPIED_PREFIX}{index}_"
    sources = one.container.get("envFrom") or ()
    return _Copies(
        prefix=prefix,
        env=tuple(
            _copy(entry, prefix, one.name)
            for entry in one.container.get("env") or ()
            if entry.get("name") not in INJECTED_VARIABLES and "fileKeyRef" not in (entry.get("valueFrom") or {})
        ),
        env_from=tuple({**source, "prefix": prefix + (source.get("prefix") or "")} for source in sources),
    )


def _copy(entry: Entry, prefix: str, container: str) -> Entry:
    made = {**entry, "name": f"{prefix}{entry.get('name')}"}
    if isinstance(entry.get("value"), str):
        made["value"] = renamed(entry["value"], prefix)
    origin = entry.get("valueFrom") or {}
    if "resourceFieldRef" in origin:
        resource = {"containerName": container, **origin["resourceFieldRef"]}
        made["valueFrom"] = {**origin, "resourceFieldRef": resource}
    return made


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
