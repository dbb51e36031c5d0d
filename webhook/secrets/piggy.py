"""What does the pod's author want of piggy, and which of its words work here?

Pure: `secretenv.piggy` reads; its errors become denials and its warnings admission warnings.
"""

from collections.abc import Iterator, Mapping

from contract.annotations import PIGGY_PREFIX
from secretenv.piggy import PiggyConfig, PiggyError, read
from secretenv.piggy_table import BY_KEY
from webhook.decision import BAD_REQUEST
from webhook.pod import Pod, application_containers
from webhook.precedence import Annotations
from webhook.secrets.refused import RefusedError

# What a reference of piggy's begins with.
REFERENCE_PREFIX = "piggy:"
# Variables of the webhook by which a pod without annotations has a source.
_SOURCES = frozenset({"AWS_SECRET_NAME", "AWS_SSM_PARAMETER_PATH", "PIGGY_ADDRESS", "STANDALONE"})


def is_annotated(annotations: Mapping[str, str]) -> bool:
    """Whether the pod's author wrote any word of piggy's."""
    return any(key.startswith(PIGGY_PREFIX) for key in annotations)


def place_of(key: str, annotations: Mapping[str, str]) -> str:
    """Where the value of this key of piggy's was written that holds."""
    return f"annotation {key}" if key in annotations else f"the webhook's variable {BY_KEY[key].environ}"


def may_configure(annotations: Mapping[str, str], environ: Mapping[str, str]) -> bool:
    """Whether `read_piggy` could find a source: cheap, and never wrongly no."""
    return not _SOURCES.isdisjoint(environ) or is_annotated(annotations)


def stays_text(what: str) -> str:
    """The warning about a text that would be a reference of piggy's if there were a source; never with the text."""
    return f"{what} begins with piggy: and stays so: no annotation piggysec.com/* says where to look it up"


def left_as_text(pod: Pod) -> Iterator[str]:
    """That warning for each variable in a pod without any source."""
    for _, _, container in application_containers(pod):
        for entry in container.get("env") or ():
            if str(entry.get("value") or "").startswith(REFERENCE_PREFIX):
                yield stays_text(f"container {container['name']}: variable {entry.get('name')}")


def read_piggy(annotations: Mapping[str, str], environ: Mapping[str, str], gathered: Annotations) -> PiggyConfig | None:
    """What is wanted; None where nothing names a source. Raises `RefusedError`."""
    if not may_configure(annotations, environ):
        return None
    try:
        found = read(annotations, environ, namespace=gathered.namespace, service_account=gathered.account_name)
    except PiggyError as exc:
        raise RefusedError("bad_annotation", f"{gathered.pod_place}: {exc}", BAD_REQUEST) from exc
    for warning in found.warnings:
        gathered.warn(warning)
    return found if found.source else None
