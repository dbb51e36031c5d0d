"""What does a container run, so that the launcher can put its variables in front?

Pure but for the look-up that it is given. The container's own command, or what its image starts, in this order:
annotation, look-up. Nobody's guess: where no one knows, the pod is refused.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from contract import annotations as keys
from contract import secrets
from contract.pod import TERMINATION_LOG
from secretenv.plan import Delivery, Started
from webhook.entrypoint.manifest import Entrypoint
from webhook.entrypoint.question import Failure, PullSecret, Wanted
from webhook.pod import Pod, service_account_name
from webhook.precedence import Annotations
from webhook.secrets.asked import Asked
from webhook.secrets.expansion import names_in, unexpanded
from webhook.secrets.look_ups import Entrypoints
from webhook.secrets.needs import ContainerNeeds, warn_of_expansion
from webhook.secrets.refused import RefusedError
from webhook.secrets.restore import LAUNCHER
from webhook.secrets.values import WantedRotation
from webhook.settings import Settings

_ARCHITECTURE = "kubernetes.io/arch"
_DIGEST = "@sha256:"
_SUB_PATH = "subPathExpr"


@dataclass(frozen=True, slots=True, kw_only=True)
class Launched:
    """The container's command and args, as they stand in the pod."""

    command: tuple[str, ...]
    args: tuple[str, ...] | None
    """None: the author's stay."""
    started: Started | None = None
    """What of it is not the author's."""


def launched(
    one: ContainerNeeds,
    delivery: Delivery,
    pod: Pod,
    asked: Asked,
    settings: Settings,
    gathered: Annotations,
    entrypoints: Entrypoints,
) -> Launched:
    """The command that the launcher stands before, in which no reference is expanded. Raises `RefusedError`."""
    start = "unix:" if delivery == "socket" else "file:"
    file = secrets.SOCKET_FILE if delivery == "socket" else secrets.ENV_FILE
    flags = [f"--from={start}{secrets.APPLICATION_PATH}/{file}", f"--timeout={settings.token_wait}"]
    flags += _termination_log(one.container)
    supervised = _supervised(one, asked.rotation)
    if supervised:
        flags.append(f"--supervise={supervised}")
        # The kubelet knows it and signals the launcher, which hands it on; with rotation the launcher itself stops.
        if stop := _mapping(one.container.get("lifecycle")).get("stopSignal"):
            flags.append(f"--stop-signal={stop}")
    # Whoever keeps what cannot be resolved has such texts in the command too.
    looked_for = () if asked.keeps_unresolved else _expanded_names(one)
    expanded = [f"{secrets.EXPANDED_FLAG}={unexpanded(name)}" for name in looked_for]
    before = (LAUNCHER, secrets.EXEC_COMMAND, *flags, *expanded, "--")
    command, args = one.container.get("command"), one.container.get("args")
    if command:
        return Launched(command=(*before, *command), args=None)
    written_down = asked.entrypoints.get(one.name)
    image = written_down or _looked_up(one, pod, asked, gathered, entrypoints)
    started = Started(
        image="" if written_down else _image(one),
        entrypoint=image.entrypoint,
        cmd=image.cmd,
        has_args=bool(args),
    )
    entrypoint = tuple(map(unexpanded, image.entrypoint))
    rest = tuple(args) if args else tuple(map(unexpanded, image.cmd))
    if not entrypoint:
        # Then the arguments are the command, and a command without arguments says so for good.
        return Launched(command=(*before, *rest), args=(), started=started)
    return Launched(command=(*before, *entrypoint), args=None if args else rest, started=started)


def _termination_log(container: Mapping[str, Any]) -> Iterator[str]:
    """Where the kubelet reads why a container ended, unless it is the default. A path begins at the root there."""
    path = str(container.get("terminationMessagePath") or TERMINATION_LOG)
    if path != TERMINATION_LOG:
        yield f"{secrets.TERMINATION_LOG_FLAG}={unexpanded(path if path.startswith('/') else f'/{path}')}"


def _supervised(one: ContainerNeeds, rotation: WantedRotation) -> str:
    """What the launcher does when a secret has changed. An init container that ends has nothing to rotate."""
    if not one.stays:
        return ""
    return {"signal": f"signal:{rotation.signal}", "restart": "restart"}.get(rotation.kind, "")


def refuse_expansions(one: ContainerNeeds, gathered: Annotations) -> None:
    """The kubelet expands $(NAME) before the launcher runs: it would put the reference's text there."""
    found = [(what, name) for what, text in _expanded_texts(one.container) for name in names_in(text)]
    of_variables = [(f"variable {each.variable}", each.name) for each in one.environment.expanded if each.is_reference]
    refused = [*((what, name) for what, name in found if name in one.templates), *of_variables]
    if refused:
        what, name = refused[0]
        raise RefusedError(
            "expansion",
            f"{gathered.pod_place}: container {one.name!r}: {what} contains $({name}), whose value the "
            f"launcher sets only later: let the application read the variable {name}, write ${{…}} into a "
            f"variable, or set {keys.SECRET_DELIVERY} to envfile, which needs kubelets of 1.35 and variables "
            "that come from no Secret",
        )
    for what, name in found:
        if what == _SUB_PATH and one.environment.may_hide(name):
            warn_of_expansion(one.name, what, name, gathered)


def _expanded_names(one: ContainerNeeds) -> Iterable[str]:
    """Variables that may be references, and whose text the kubelet puts where the launcher alone can find it."""
    found = [name for what, text in _expanded_texts(one.container) if what != _SUB_PATH for name in names_in(text)]
    of_variables = [each.name for each in one.environment.expanded if not each.is_reference]
    return dict.fromkeys(name for name in [*found, *of_variables] if one.environment.may_hide(name))


def _expanded_texts(container: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """But for variables, in which $(NAME) may mean an entry that a later one replaces."""
    yield from (("command", text) for text in container.get("command") or ())
    yield from (("args", text) for text in container.get("args") or ())
    yield from ((_SUB_PATH, str(mount.get("subPathExpr") or "")) for mount in container.get("volumeMounts") or ())


def _looked_up(
    one: ContainerNeeds, pod: Pod, asked: Asked, gathered: Annotations, entrypoints: Entrypoints
) -> Entrypoint:
    image = _image(one)
    found = _remembered(one) or entrypoints.look_up(
        Wanted(
            image=image,
            pull_policy=one.container.get("imagePullPolicy"),
            namespace=gathered.namespace,
            service_account=service_account_name(pod),
            pull_secrets=_pull_secrets(pod, asked, gathered),
            architecture=_architecture(pod["spec"]),
        )
    )
    if isinstance(found, Failure):
        raise _unknown(one, image, found.message, gathered)
    if not (found.entrypoint or found.cmd or one.container.get("args")):
        raise _unknown(one, image, "the image has neither ENTRYPOINT nor CMD", gathered)
    if _DIGEST not in image:
        gathered.warn(
            f"container {one.name}: its command is that of its image as it is now; if the tag is pushed anew, make the "
            "pod anew"
        )
    return found


def _image(one: ContainerNeeds) -> str:
    return str(one.container.get("image") or "")


def _remembered(one: ContainerNeeds) -> Entrypoint | None:
    """What an earlier review looked up for this image: another one may be in a copied spec."""
    earlier = one.started
    if earlier is None or not earlier.image or earlier.image != _image(one):
        return None
    return Entrypoint(entrypoint=earlier.entrypoint, cmd=earlier.cmd)


def _pull_secrets(pod: Pod, asked: Asked, gathered: Annotations) -> tuple[PullSecret, ...]:
    """The pod's, and piggy's, which may be elsewhere: whether the webhook may read it there is its operator's say."""
    names = [secret.get("name") for secret in pod["spec"].get("imagePullSecrets") or ()]
    found = [PullSecret(namespace=gathered.namespace, name=name) for name in names if name]
    if asked.piggy and asked.piggy.image_pull_secret:
        namespace = asked.piggy.image_pull_secret_namespace or gathered.namespace
        found.append(PullSecret(namespace=namespace, name=asked.piggy.image_pull_secret))
    return tuple(found)


def _unknown(one: ContainerNeeds, image: str, why: str, gathered: Annotations) -> RefusedError:
    return RefusedError(
        "no_entrypoint",
        f"{gathered.pod_place}: container {one.name!r} has no command, and what its image {image!r} starts is "
        f"not known: {why}: write command: into the container, or the annotation {keys.ENTRYPOINT_PREFIX}{one.name} "
        f"(kubectl token-injector entrypoint prints it), or give the pod an imagePullSecret; or set "
        f"{keys.SECRET_DELIVERY} to envfile, which needs none (kubelets of 1.35), or name the container in "
        f"{keys.SKIP_CONTAINERS}",
    )


def _architecture(spec: Mapping[str, Any]) -> str | None:
    """The one on which every node that the pod accepts is."""
    selected = (spec.get("nodeSelector") or {}).get(_ARCHITECTURE)
    if selected:
        return str(selected)
    affinity = _mapping(_mapping(spec.get("affinity")).get("nodeAffinity"))
    required = _mapping(affinity.get("requiredDuringSchedulingIgnoredDuringExecution"))
    found = {_required(term) for term in _list(required.get("nodeSelectorTerms"))}
    return found.pop() if len(found) == 1 else None


def _required(term: object) -> str | None:
    for expression in map(_mapping, _list(_mapping(term).get("matchExpressions"))):
        if expression.get("key") == _ARCHITECTURE and expression.get("operator") == "In":
            accepted = _list(expression.get("values"))
            return str(accepted[0]) if len(accepted) == 1 else None
    return None


def _mapping(found: object) -> Mapping[str, Any]:
    """Nothing else reads this part of a pod: what is no object there counts as an empty one."""
    return found if isinstance(found, dict) else {}


def _list(found: object) -> list[Any]:
    return found if isinstance(found, list) else []
