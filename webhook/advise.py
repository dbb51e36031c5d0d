"""What should the pod's author know, though nothing forbids it?

Pure: the admission warnings that depend on the containers. The API server cuts a warning at 256 characters, so each is
one short sentence.
"""

from collections.abc import Mapping

from contract import annotations as keys
from contract import environ
from webhook import parts
from webhook.decision import Injection, WebIdentity
from webhook.env import OVERRIDES, Entry, read_env
from webhook.pod import Container, Pod, application_containers
from webhook.settings import Settings

# As many names of 63 characters as leave room for the sentence.
_NAMED = 2
_REGIONS = frozenset({environ.AWS_REGION, environ.AWS_DEFAULT_REGION})


def advise(pod: Pod, injection: Injection, settings: Settings) -> list[str]:
    """The warnings, in the order of the containers."""
    identity = injection.web_identity
    if identity is None or not injection.for_application:
        return []
    warnings: list[str] = []
    without_region: list[str] = []
    for _, _, container in application_containers(pod, injection.skip_containers):
        author = read_env(container, settings.volume_name, identity.volume_path).author
        if author:
            warnings += advise_container(container, author, _ours(identity))
        if not _REGIONS & author.keys() and not container.get("envFrom"):
            without_region.append(container["name"])
    if identity.region is None and without_region:
        names = ", ".join(without_region[:_NAMED]) + (" and others" if len(without_region) > _NAMED else "")
        warnings.append(
            f"no AWS region in {names}: many SDKs refuse to start without; set the annotation {keys.REGION}"
        )
    return warnings


def _ours(identity: WebIdentity) -> dict[str, str]:
    """What the webhook sets, as far as somebody chose it: an author's own session name is nobody's loss."""
    ours = {entry["name"]: entry["value"] for entry in parts.application_env(identity, identity.session_name)}
    if identity.session_name_drawn:
        del ours[environ.AWS_ROLE_SESSION_NAME]
    return ours


def advise_container(container: Container, author: Mapping[str, Entry], ours: Mapping[str, str | None]) -> list[str]:
    """The warnings about one container's own variables beside ours, whose values are given by name."""
    return [*_overridden(container, author), *_kept(container, author, ours)]


def _overridden(container: Container, author: Mapping[str, Entry]) -> list[str]:
    return [
        f"container {container['name']} sets {name}: {effect}" for name, effect in OVERRIDES.items() if name in author
    ]


def _kept(container: Container, author: Mapping[str, Entry], ours: Mapping[str, str | None]) -> list[str]:
    """Names only: an author's value may be a secret."""
    return [
        f"container {container['name']} sets {name} itself: its value is kept over the webhook's"
        for name, value in ours.items()
        if name in author and author[name].get("value") != value
    ]
