"""What did piggy's user write? Annotations piggysec.com/* and the webhook's environment, read as piggy reads them.

Pure. A value is the annotation where it is present, even when empty; else the webhook's variable where that is not
empty; else piggy's default. Source: KongZ/piggy 0.7.5; where its bugs are not ours stands in docs/differences.md.
"""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from contract import annotations as keys
from secretenv.go_values import boolean, duration, integer, quantity
from secretenv.piggy_table import BY_KEY, PIGGY_ANNOTATIONS, PiggyAnnotation
from secretenv.sources import PiggySource

__all__ = [
    "PIGGY_ANNOTATIONS",
    "PiggyAnnotation",
    "PiggyConfig",
    "PiggyError",
    "PiggyResources",
    "PiggySource",
    "of_secret",
    "read",
]

Value = TypeVar("Value")
# A warning that the API server does not cut has 256 characters; a value may have 256 KiB.
_SHOWN = 60
# Unknown keys that are told one by one: a pod may carry thousands.
_MOST_UNKNOWN = 5
# As Secrets Manager makes them for those who name none.
_VERSION_ID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


class PiggyError(Exception):
    """A value that cannot be meant: names the annotation or the variable, the value and the form. Becomes a denial."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PiggyResources:
    """Quantities for the injected container; None where nobody wrote one."""

    cpu_request: str | None = None
    memory_request: str | None = None
    cpu_limit: str | None = None
    memory_limit: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PiggyConfig:
    """Everything that piggy's user wants of one pod."""

    source: PiggySource | None = None
    """None: nothing names one, so that piggy leaves the pod alone; all else but the warnings has its default then."""
    standalone: bool = False
    address: str = ""
    region: str = ""
    ignore_unresolved: bool = False
    initial_delay: float = 0.0
    """Seconds."""
    attempts: int = 0
    """0: until the deadline."""
    resources: PiggyResources = field(default_factory=PiggyResources)
    image_pull_secret: str = ""
    image_pull_secret_namespace: str = ""
    enforce_integrity: bool = True
    debug: bool = False
    warnings: tuple[str, ...] = ()


def read(
    annotations: Mapping[str, str],
    environ: Mapping[str, str],
    *,
    namespace: str,
    service_account: str,
    runs: bool = False,
) -> PiggyConfig:
    """A pod's annotations and the webhook's environment. Raises `PiggyError`.

    `runs`: piggy has admitted the pod, so what piggy takes for false or nothing is that here too, with a warning.
    """
    written = _Written(annotations, environ, runs=runs)
    source = _source(written, f"{namespace}/{service_account}")
    if source is None:  # a slip in a key's name may be why
        return PiggyConfig(warnings=(*written.warnings, *(() if runs else _unread(annotations))))
    return PiggyConfig(
        source=source,
        standalone=written.boolean(keys.PIGGY_STANDALONE),
        address=written.text(keys.PIGGY_ADDRESS),
        region=written.text(keys.PIGGY_REGION),
        ignore_unresolved=written.boolean(keys.PIGGY_IGNORE_NO_ENV),
        initial_delay=max(0.0, written.lenient(keys.PIGGY_INITIAL_DELAY, duration, default=0.0)),
        attempts=max(0, written.lenient(keys.PIGGY_NUMBER_OF_RETRY, integer, default=0)),
        resources=PiggyResources(
            cpu_request=written.quantity(keys.PIGGY_CPU_REQUEST),
            memory_request=written.quantity(keys.PIGGY_MEMORY_REQUEST),
            cpu_limit=written.quantity(keys.PIGGY_CPU_LIMIT),
            memory_limit=written.quantity(keys.PIGGY_MEMORY_LIMIT),
        ),
        image_pull_secret=written.text(keys.PIGGY_IMAGE_PULL_SECRET),
        image_pull_secret_namespace=written.text(keys.PIGGY_IMAGE_PULL_SECRET_NAMESPACE),
        enforce_integrity=written.boolean(keys.PIGGY_ENFORCE_INTEGRITY),
        debug=written.boolean(keys.PIGGY_DEBUG),
        warnings=(*written.warnings, *(() if runs else _unread(annotations))),
    )


class _Written:
    """What was written under which key, and the warnings met on the way."""

    def __init__(self, annotations: Mapping[str, str], environ: Mapping[str, str], *, runs: bool) -> None:
        self.warnings: list[str] = []
        self._runs = runs
        self._annotations = annotations
        self._environ = environ

    def text(self, key: str) -> str:
        """The text that holds."""
        found = self._find(key)
        return found[1] if found else BY_KEY[key].default

    def value(self, key: str, parse: Callable[[str], Value]) -> Value:
        """What the text that holds means. Raises `PiggyError`."""
        place, text = self._find(key) or ("", BY_KEY[key].default)
        try:
            return parse(text)
        except ValueError as exc:
            raise PiggyError(f"{place}: {_shown(text)} is not valid: {exc}") from exc

    def boolean(self, key: str) -> bool:
        """What piggy takes for false is an error at admission: a typo must not turn a protection off."""
        if self._runs and self._find(key):
            return self.lenient(key, boolean, default=False)
        return self.value(key, boolean)

    def quantity(self, key: str) -> str | None:
        """One that somebody wrote; piggy's zero is none."""
        if not self._find(key):
            return None
        return self.lenient(key, quantity, default=None) if self._runs else self.value(key, quantity)

    def lenient(self, key: str, parse: Callable[[str], Value], *, default: Value) -> Value:
        """As piggy takes its default for what it cannot read, with a warning that piggy does not give."""
        place, text = self._find(key) or ("", "")
        try:
            return parse(text) if place else default
        except ValueError as exc:
            self.warnings.append(f"{place}: {_shown(text)} is not valid and ignored, as piggy does: {exc}")
            return default

    def _find(self, key: str) -> tuple[str, str] | None:
        row = BY_KEY[key]
        if row.on_pod and key in self._annotations:
            return f"annotation {key}", self._annotations[key]
        if row.environ and self._environ.get(row.environ):
            return f"the webhook's variable {row.environ}", self._environ[row.environ]
        return None


def _source(written: _Written, account: str) -> PiggySource | None:
    """It acts where a path, a secret or its address is named; here also where standalone has a default name."""
    if written.text(keys.PIGGY_PARAMETER_PATH):
        return PiggySource(parameter_path=written.value(keys.PIGGY_PARAMETER_PATH, _path))
    prefix, suffix = written.value(keys.PIGGY_NAME_PREFIX, _name), written.value(keys.PIGGY_NAME_SUFFIX, _name)
    name = written.value(keys.PIGGY_SECRET_NAME, _name)
    if not name and (
        written.text(keys.PIGGY_ADDRESS) or ((prefix or suffix) and written.boolean(keys.PIGGY_STANDALONE))
    ):
        name = f"{prefix}{account}{suffix}"
    if not name:
        return None
    return of_secret(name, written.value(keys.PIGGY_SECRET_VERSION, _name))


def of_secret(name: str, label: str) -> PiggySource:
    """The secret's version with this label, "" for the current one. A version's id is taken as one."""
    if _VERSION_ID.fullmatch(label):
        return PiggySource(secret_name=name, version=label)
    return PiggySource(secret_name=name, stage=None if label in {"", "AWSCURRENT"} else label)


def _path(text: str) -> str:
    if not text.startswith("/"):
        raise ValueError("expected a path that begins with /, for example /prod/db")
    return _name(text).rstrip("/") or "/"


def _name(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("expected Unicode text") from None
    return text


def _unread(annotations: Mapping[str, str]) -> list[str]:
    """A warning for each annotation that does nothing, up to a number."""
    unknown = [key for key in annotations if key.startswith(keys.PIGGY_PREFIX) and key not in BY_KEY]
    warnings = [
        f"annotation {row.key} does {row.effect[0].lower()}{row.effect[1:]}"
        for row in PIGGY_ANNOTATIONS
        if row.key in annotations and not row.read and row.key != keys.PIGGY_UID
    ]
    warnings += [f"annotation {_shown(key)} is none of piggy's{_meant(key)}" for key in unknown[:_MOST_UNKNOWN]]
    if len(unknown) > _MOST_UNKNOWN:
        warnings.append(
            f"{len(unknown) - _MOST_UNKNOWN} more annotations {keys.PIGGY_PREFIX}* that are none of piggy's"
        )
    if keys.PIGGY_ENFORCE_SERVICE_ACCOUNT in annotations:
        row = BY_KEY[keys.PIGGY_ENFORCE_SERVICE_ACCOUNT]
        warnings.append(f"annotation {row.key} does nothing: the broker's variable {row.environ} does")
    return warnings


def _meant(key: str) -> str:
    """Comparing long texts takes long, and no long one is a key with a slip in it."""
    read_keys = [row.key for row in PIGGY_ANNOTATIONS if row.read and row.on_pod]
    alike = difflib.get_close_matches(key, read_keys, n=1) if len(key) <= _SHOWN else []
    return f": did you mean {alike[0]}?" if alike else ""


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…")
